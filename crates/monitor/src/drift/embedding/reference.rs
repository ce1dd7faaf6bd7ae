//! Embeddings of reference rows, as packages hold them in `monitor.safetensors`.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::EmbeddingRows;
use crate::error::Error;

/// Name of the tensor.
const TENSOR: &str = "embeddings";
/// Key of the metadata with the origin. It is the only one, so that the same rows give the same bytes.
const ORIGIN: &str = "cupola";
/// Most values of all vectors: 2 MiB.
const MOST_VALUES: usize = 1 << 19;

/// Embeddings of a few hundred rows that training has not seen.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceEmbeddings {
    /// Origin.
    pub origin: EmbeddingsOrigin,
    /// Vectors.
    pub rows: EmbeddingRows,
}

/// Origin of reference embeddings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingsOrigin {
    /// SHA-256 of the `model.safetensors` that made them.
    pub model_sha256: String,
    /// SHA-256 of the `plan.json` that prepared the rows.
    pub plan_sha256: String,
    /// Split of the rows, `test` or `valid`.
    pub split: String,
}

impl ReferenceEmbeddings {
    /// Most vectors.
    pub const MOST_ROWS: usize = 512;
    /// Largest size of the file in bytes.
    pub const MOST_BYTES: usize = MOST_VALUES * size_of::<f32>() + (1 << 12);
    /// Fewest vectors that are worth a comparison.
    pub const FEWEST_ROWS: usize = 20;

    /// Number of vectors of this width that fit into a file.
    pub fn affordable_rows(width: usize) -> usize {
        Self::MOST_ROWS.min(MOST_VALUES / width.max(1))
    }

    /// Content of `monitor.safetensors`: a tensor `embeddings` of type F32 and shape `[rows, width]`.
    ///
    /// # Errors
    /// [`Error::Embeddings`] for vectors that a reader would refuse.
    #[allow(clippy::cast_possible_truncation, reason = "the vectors are in single precision")]
    pub fn to_safetensors(&self) -> Result<Vec<u8>, Error> {
        let values: Vec<f32> = self.rows.values().iter().map(|value| *value as f32).collect();
        check(&values, [self.rows.len(), self.rows.width()])?;
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let shape = vec![self.rows.len(), self.rows.width()];
        let view = TensorView::new(Dtype::F32, shape, &bytes).map_err(invalid)?;
        let origin = serde_json::to_string(&self.origin).map_err(invalid)?;
        let metadata = HashMap::from([(ORIGIN.to_owned(), origin)]);
        safetensors::serialize([(TENSOR, view)], Some(metadata)).map_err(invalid)
    }

    /// Reads the output of [`Self::to_safetensors`].
    ///
    /// # Errors
    /// [`Error::Embeddings`] for a damaged file, another type or shape, and values that are not finite.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(invalid)?;
        let origin = header.metadata().as_ref().and_then(|all| all.get(ORIGIN));
        let origin = origin.ok_or_else(|| invalid(format!("its metadata has no key `{ORIGIN}`")))?;
        let origin = serde_json::from_str(origin).map_err(invalid)?;
        let file = SafeTensors::deserialize(bytes).map_err(invalid)?;
        let tensor = file.tensor(TENSOR).map_err(invalid)?;
        let (Dtype::F32, &[count, width]) = (tensor.dtype(), tensor.shape()) else {
            let found = format!("{:?} {:?}", tensor.dtype(), tensor.shape());
            return Err(invalid(format!("`{TENSOR}`: expected F32 [rows, width], found {found}")));
        };
        let values = tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let values: Vec<f32> = values.collect();
        check(&values, [count, width])?;
        let mut rows = EmbeddingRows::new(width, usize::MAX);
        for vector in values.chunks(width) {
            rows.push(vector.iter().copied().map(f64::from));
        }
        Ok(Self { origin, rows })
    }
}

fn check(values: &[f32], [count, width]: [usize; 2]) -> Result<(), Error> {
    let fewest = ReferenceEmbeddings::FEWEST_ROWS;
    if width == 0 || count < fewest || count > ReferenceEmbeddings::affordable_rows(width) {
        let most = ReferenceEmbeddings::affordable_rows(width);
        return Err(invalid(format!(
            "expected {fewest} to {most} vectors, found {count} of {width} values each"
        )));
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(invalid(format!("vector {} has a value that is not finite", at / width + 1))),
        None => Ok(()),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "errors come from `map_err` by value")]
fn invalid(why: impl ToString) -> Error {
    Error::Embeddings(why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embeddings(count: u16, width: usize) -> ReferenceEmbeddings {
        let mut rows = EmbeddingRows::new(width, usize::MAX);
        (0..count).for_each(|row| rows.push((0..width).map(|_| f64::from(row) / 8.0)));
        let origin = EmbeddingsOrigin {
            model_sha256: "a".repeat(64),
            plan_sha256: "b".repeat(64),
            split: "test".to_owned(),
        };
        ReferenceEmbeddings { origin, rows }
    }

    #[test]
    fn a_file_has_the_vectors_that_it_was_made_of_and_always_the_same_bytes() {
        let made = embeddings(300, 16);
        let bytes = made.to_safetensors().unwrap();
        assert_eq!(ReferenceEmbeddings::parse(&bytes).unwrap(), made);
        assert_eq!(embeddings(300, 16).to_safetensors().unwrap(), bytes);
        let largest = embeddings(512, 1024).to_safetensors().unwrap();
        assert!(largest.len() <= ReferenceEmbeddings::MOST_BYTES, "{}", largest.len());
    }

    #[test]
    fn damaged_files_are_refused_with_the_reason() {
        let bytes = embeddings(40, 8).to_safetensors().unwrap();
        let told = |bytes: &[u8]| ReferenceEmbeddings::parse(bytes).unwrap_err().to_string();
        for length in 0..bytes.len() {
            assert!(told(&bytes[..length]).starts_with("invalid reference embeddings"), "{length}");
        }
        let mut infinite = bytes.clone();
        let end = infinite.len();
        infinite[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(told(&infinite).contains("vector 40 has a value that is not finite"), "{}", told(&infinite));
        let changed = |from: &str, to: &str| {
            let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
            [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
        };
        assert!(told(&changed("[40,8]", "[8,40]")).contains("found 8 of 40 values"));
        assert!(told(&changed("\"F32\"", "\"I32\"")).contains("found I32"));
        assert!(told(&changed("\"cupola\"", "\"cupole\"")).contains("no key `cupola`"));
        assert!(embeddings(19, 8).to_safetensors().is_err() && embeddings(513, 8).to_safetensors().is_err());
    }
}
