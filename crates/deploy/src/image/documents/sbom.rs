//! Bill of materials of a program, as `CycloneDX` 1.6.

use serde_json::{Value, json};

use crate::image::blob::Layer;
use crate::image::error::ImageError;
use crate::image::program::Program;

/// Names and versions of the crates in the lock file that this program was built with.
const CRATES: &str = include_str!(concat!(env!("OUT_DIR"), "/crates.txt"));

/// Lists the program, the crates of its lock file if they are known, and the files of the base. The lock file has the
/// crates of optional features too, so the list may be longer than what is in the program.
///
/// # Errors
/// [`ImageError::Json`].
pub(in crate::image) fn bill_of_materials(
    program: &Program,
    with_crates: bool,
    base: &Layer,
) -> Result<Vec<u8>, ImageError> {
    let digest = |sha256: &str| json!([{ "alg": "SHA-256", "content": sha256 }]);
    let mut application = json!({
        "type": "application",
        "bom-ref": "cupola",
        "name": "cupola",
        "hashes": digest(&program.sha256),
    });
    let files = base.file_digests().map(|(path, sha256)| {
        json!({ "type": "file", "bom-ref": format!("/{path}"), "name": format!("/{path}"), "hashes": digest(sha256) })
    });
    let mut components: Vec<Value> = files.collect();
    if with_crates {
        application["version"] = env!("CARGO_PKG_VERSION").into();
        components.extend(CRATES.lines().filter_map(component));
    }
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": application },
        "components": components,
    });
    Ok(serde_json::to_vec(&document)?)
}

/// Component of a line `NAME VERSION`.
fn component(line: &str) -> Option<Value> {
    let (name, version) = line.split_once(' ')?;
    // A version with build metadata has a plus, which is written as %2B.
    let url = format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"));
    Some(json!({ "type": "library", "bom-ref": url, "name": name, "version": version, "purl": url }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crates_of_the_lock_file_are_known() {
        let found: Vec<Value> = CRATES.lines().filter_map(component).collect();
        assert!(found.len() > 300, "{}", found.len());
        let serde = found.iter().find(|component| component["name"] == "serde").unwrap();
        assert!(serde["purl"].as_str().unwrap().starts_with("pkg:cargo/serde@1."));
        // Crates of this workspace come from no registry.
        assert!(!CRATES.contains("cupola"));
        let url = &component("zstd-sys 2.0.16+zstd.1.5.7").unwrap()["purl"];
        assert_eq!(url, "pkg:cargo/zstd-sys@2.0.16%2Bzstd.1.5.7");
    }
}
