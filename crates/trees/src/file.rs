//! Trees as a file: gzipped JSON in a tensor of bytes, so that a package looks alike whatever is in it.

use std::collections::HashMap;
use std::io::{BufReader, Read};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::boosted::Boosted;
use crate::error::Error;

/// Name of the tensor.
const NAME: &str = "trees";
/// Largest size of the JSON.
const LIMIT: u64 = 4 << 30;

impl Boosted {
    /// `model.safetensors` with one tensor of bytes, `trees`.
    ///
    /// # Errors
    /// [`Error::File`] when they cannot be written.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, Error> {
        let wrong = |why: String| Error::File { why };
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        serde_json::to_writer(&mut packer, self).map_err(|e| wrong(e.to_string()))?;
        let packed = packer.finish().map_err(|e| wrong(e.to_string()))?;
        let view =
            TensorView::new(Dtype::U8, vec![packed.len()], &packed).map_err(|e| wrong(e.to_string()))?;
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        safetensors::serialize([(NAME, view)], Some(metadata)).map_err(|e| wrong(e.to_string()))
    }

    /// Reads what [`Boosted::to_safetensors`] has written.
    ///
    /// # Errors
    /// [`Error::File`] for anything else.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, Error> {
        let wrong = |why: String| Error::File { why };
        let file = SafeTensors::deserialize(bytes).map_err(|e| wrong(e.to_string()))?;
        let view = file.tensor(NAME).map_err(|e| wrong(e.to_string()))?;
        // A small file must not unpack to all of the memory.
        let unpacked = GzDecoder::new(view.data()).take(LIMIT);
        serde_json::from_reader(BufReader::new(unpacked)).map_err(|e| wrong(e.to_string()))
    }
}
