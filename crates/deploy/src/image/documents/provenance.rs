//! Provenance of a package: an in-toto statement with SLSA's predicate, from the lineage of the manifest.

use cupola_registry::Package;
use serde_json::{Value, json};

use crate::image::error::ImageError;

/// Characters of a SHA-256 digest in hexadecimal.
const DIGEST_LENGTH: usize = 64;

/// Statement of which run, data and config made the files of a package. It is not signed: it says what the registry
/// says, and is as trustworthy as the one who wrote the image.
///
/// # Errors
/// [`ImageError::Json`].
pub(in crate::image) fn provenance(package: &Package) -> Result<Vec<u8>, ImageError> {
    let manifest = &package.manifest;
    let lineage = &manifest.lineage;
    let folder = format!("models/{}/{}", manifest.name, manifest.version);
    let subject: Vec<Value> = manifest
        .files
        .iter()
        .map(|(name, sha256)| json!({ "name": format!("{folder}/{name}"), "digest": { "sha256": sha256 } }))
        .collect();
    let inputs = [("dataset", &lineage.dataset_version), ("config", &lineage.config_sha256)];
    // An imported package has no dataset.
    let known = inputs.into_iter().filter(|(_, digest)| is_digest(digest));
    let mut inputs: Vec<Value> =
        known.map(|(name, digest)| json!({ "name": name, "digest": { "sha256": digest } })).collect();
    if let Some(parent) = &lineage.parent {
        inputs.push(json!({ "name": "parent", "uri": format!("urn:cupola:model:{parent}") }));
    }
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:cupola:training:v1",
                "externalParameters": { "model": package.label() },
                "resolvedDependencies": inputs,
            },
            "runDetails": {
                "builder": { "id": "urn:cupola", "version": { "cupola": lineage.code_version } },
                "metadata": { "invocationId": lineage.run, "finishedOn": manifest.created },
            },
        },
    });
    Ok(serde_json::to_vec(&statement)?)
}

fn is_digest(text: &str) -> bool {
    text.len() == DIGEST_LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
