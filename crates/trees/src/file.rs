//! Trees as a file: packed into a tensor of bytes, so that a package looks alike whatever is in it.

use std::collections::HashMap;
use std::io::{BufReader, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::Trees;
use crate::error::Error;

/// Name of the tensor of boosted trees, gzipped JSON.
const BOOSTED: &str = "trees";
/// Name of the tensor of a forest, gzipped postcard: its trees have far more nodes.
const FOREST: &str = "forest";
/// Largest size unpacked.
const LIMIT: u64 = 4 << 30;

impl Trees {
    /// `model.safetensors` with one tensor of bytes.
    ///
    /// # Errors
    /// [`Error::File`] when they cannot be written.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, Error> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        let name = match self {
            Self::Boosted(trees) => {
                serde_json::to_writer(&mut packer, trees).map_err(wrong)?;
                BOOSTED
            }
            Self::Forest(forest) => {
                let bytes = postcard::to_allocvec(forest).map_err(wrong)?;
                packer.write_all(&bytes).map_err(wrong)?;
                FOREST
            }
        };
        let packed = packer.finish().map_err(wrong)?;
        let view = TensorView::new(Dtype::U8, vec![packed.len()], &packed).map_err(wrong)?;
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        safetensors::serialize([(name, view)], Some(metadata)).map_err(wrong)
    }

    /// Reads what [`Trees::to_safetensors`] has written.
    ///
    /// # Errors
    /// [`Error::File`] for anything else.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, Error> {
        let file = SafeTensors::deserialize(bytes).map_err(wrong)?;
        // A small file must not unpack to all of the memory.
        if let Ok(view) = file.tensor(FOREST) {
            let mut bytes = Vec::new();
            GzDecoder::new(view.data()).take(LIMIT).read_to_end(&mut bytes).map_err(wrong)?;
            return Ok(Self::Forest(postcard::from_bytes(&bytes).map_err(wrong)?));
        }
        let view = file.tensor(BOOSTED).map_err(wrong)?;
        let unpacked = GzDecoder::new(view.data()).take(LIMIT);
        Ok(Self::Boosted(serde_json::from_reader(BufReader::new(unpacked)).map_err(wrong)?))
    }
}

fn wrong(error: impl std::fmt::Display) -> Error {
    Error::File { why: error.to_string() }
}
