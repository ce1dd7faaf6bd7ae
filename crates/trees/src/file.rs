//! Trees in `model.safetensors`.

use std::collections::HashMap;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::Error;
use crate::{TreeEnsemble, Trees};

/// Tensor name of a forest: gzipped postcard.
const FOREST: &str = "forest";
/// Largest accepted size after decompression in bytes: a small file must not fill the memory.
const LIMIT: u64 = 4 << 30;

impl Trees {
    /// Content of `model.safetensors`.
    ///
    /// # Errors
    /// [`Error::File`] if serialisation fails.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, Error> {
        let forest = match self {
            Self::Ensemble(trees) => return trees.to_safetensors(),
            Self::Forest(forest) => forest,
        };
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let bytes = postcard::to_allocvec(forest).map_err(invalid)?;
        encoder.write_all(&bytes).map_err(invalid)?;
        let packed = encoder.finish().map_err(invalid)?;
        let view = TensorView::new(Dtype::U8, vec![packed.len()], &packed).map_err(invalid)?;
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        safetensors::serialize([(FOREST, view)], Some(metadata)).map_err(invalid)
    }

    /// Reads the output of [`Trees::to_safetensors`].
    ///
    /// # Errors
    /// [`Error::Format`] for trees of an older version, [`Error::File`] for other bytes.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, Error> {
        let file = SafeTensors::deserialize(bytes).map_err(invalid)?;
        if let Ok(view) = file.tensor(FOREST) {
            let mut bytes = Vec::new();
            GzDecoder::new(view.data()).take(LIMIT).read_to_end(&mut bytes).map_err(invalid)?;
            return Ok(Self::Forest(postcard::from_bytes(&bytes).map_err(invalid)?));
        }
        TreeEnsemble::from_safetensors(bytes).map(Self::Ensemble)
    }
}

fn invalid(error: impl std::fmt::Display) -> Error {
    Error::File { reason: error.to_string() }
}
