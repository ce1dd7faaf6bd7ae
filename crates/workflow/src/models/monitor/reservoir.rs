//! Embeddings of reference rows that are sealed with a model.

use cupola_monitor::embedding::{EmbeddingRows, EmbeddingsOrigin, ReferenceEmbeddings};
use cupola_prep::{Plan, Prepared, SplitPart};
use cupola_registry::{EMBEDDINGS, Package, sha256_hex};
use cupola_runtime::Embedder;
use serde_json::Value;

use crate::error::Error;
use crate::models::inference::LoadedModel;

/// Rows that are embedded at once.
const CHUNK: usize = 16;
/// Multiplications that embeddings may take, by the weights and the values of a row: less than a minute.
const MOST_WORK: usize = 1 << 40;
/// Rows that are embedded whatever they take.
const ROWS: usize = 64;

/// `monitor.safetensors` of a model: embeddings of evenly spaced rows of the test split, or of the valid split without one, since a
/// model has learned to tell the training rows. `None` for a model whose embeddings are not watched, and with too few rows.
///
/// # Errors
/// Parts that do not belong together, rows that cannot be read.
pub(crate) fn sealed_embeddings(
    prepared: &Prepared,
    plan: &Plan,
    plan_json: &[u8],
    config: &Value,
    weights: &[u8],
) -> Result<Option<Vec<u8>>, Error> {
    let splits = [("test", SplitPart::Test), ("valid", SplitPart::Valid)];
    let with_rows = splits.into_iter().find(|(_, part)| prepared.rows(*part) > 0);
    let is_network = config.get("trees").is_none();
    let Some((split, part)) = with_rows.filter(|_| is_network && Embedder::suits(plan)) else {
        return Ok(None);
    };
    let examples = prepared.part(part);
    let layout = plan.layout();
    let of_row =
        (weights.len() / size_of::<f32>()).saturating_mul(layout.dense_width() + layout.index_width());
    let most = (MOST_WORK / of_row.max(1)).clamp(ROWS, ReferenceEmbeddings::MOST_ROWS);
    let chosen: Vec<usize> = (0..examples.len()).step_by(examples.len().div_ceil(most).max(1)).collect();
    let mut embedder = Embedder::of_network(plan.clone(), config, weights)?;
    let mut rows: Option<EmbeddingRows> = None;
    for chunk in chosen.chunks(CHUNK) {
        let Some(values) = embedder.embed(examples.gather(chunk)?.examples)? else { return Ok(None) };
        let width = (values.len() / chunk.len()).max(1);
        let affordable = ReferenceEmbeddings::affordable_rows(width);
        let rows = rows.get_or_insert_with(|| EmbeddingRows::new(width, affordable));
        values.chunks(width).for_each(|vector| rows.push(vector.iter().copied()));
    }
    let Some(rows) = rows.filter(|rows| rows.len() >= ReferenceEmbeddings::FEWEST_ROWS) else {
        return Ok(None);
    };
    let origin = EmbeddingsOrigin {
        model_sha256: sha256_hex(weights),
        plan_sha256: sha256_hex(plan_json),
        split: split.to_owned(),
    };
    Ok(Some(ReferenceEmbeddings { origin, rows }.to_safetensors()?))
}

impl LoadedModel {
    /// Embeddings that are sealed with the model; `None` for a package without them.
    ///
    /// # Errors
    /// A damaged package, embeddings of another model.
    pub fn reference_embeddings(&self) -> Result<Option<ReferenceEmbeddings>, Error> {
        reference_embeddings(&self.package)
    }
}

/// Embeddings that are sealed with a package; `None` for a package without them.
///
/// # Errors
/// A damaged package, embeddings of another model.
pub fn reference_embeddings(package: &Package) -> Result<Option<ReferenceEmbeddings>, Error> {
    let files = &package.manifest.files;
    if !files.contains_key(EMBEDDINGS) {
        return Ok(None);
    }
    let damaged = |why: String| Error::DamagedPackage { package: package.label(), why };
    let bytes = package.read_within(EMBEDDINGS, ReferenceEmbeddings::MOST_BYTES as u64)?;
    let found = ReferenceEmbeddings::parse(&bytes)
        .map_err(|error| damaged(format!("{EMBEDDINGS}: {error}; publish the model again")))?;
    let digests = [&found.origin.model_sha256, &found.origin.plan_sha256];
    if [files.get("model.safetensors"), files.get("plan.json")] != digests.map(Some) {
        return Err(damaged(format!(
            "`{EMBEDDINGS}` has the embeddings of another model; publish the model again"
        )));
    }
    Ok(Some(found))
}
