//! Reader of a model's folder as Hugging Face lays it out.

mod decoder;
mod encoder;
mod folder;

use std::path::Path;

use crate::error::Error;
use crate::families::HuggingFaceConfig;
use crate::model::ImportedModel;

use self::folder::ModelFolder;

pub use self::decoder::TextDecoder;

/// Reads a folder with `config.json`, `model.safetensors` (or its shards) and `tokenizer.json`. `max_length` limits the
/// tokens of a text; without it, an encoder takes as many as the folder says, a decoder up to 2048.
///
/// # Errors
/// Missing or invalid files, and models that no layers of Cupola compute.
pub fn from_hugging_face(folder: &Path, max_length: Option<usize>) -> Result<ImportedModel, Error> {
    let folder = ModelFolder::new(folder);
    let config: HuggingFaceConfig = folder.required("config.json")?;
    let (weights, digest) = folder.weights()?;
    if config.is_decoder() {
        TextDecoder::read(&folder)?.convert(config, weights, max_length, digest)
    } else {
        encoder::convert(&folder, config, weights, max_length, digest)
    }
}
