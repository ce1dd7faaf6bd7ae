//! GGUF, the format of llama.cpp: configuration, weights and tokenizer of a decoder in one file
//! (<https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>). candle parses the file and dequantises its weights.

mod header;
mod metadata;
mod names;
mod tokenizer;

use std::io::Cursor;
use std::path::Path;

use candle_core::quantized::gguf_file::Content;
use cupola_nn::{Architecture, StateDict};
use cupola_prep::{ChatTemplate, FittedTokenizer, GenerationDefaults};
use cupola_registry::sha256_hex;

use self::metadata::{Metadata, text};
use crate::error::{Error, refuse_pointer};
use crate::families::{ConversionOptions, EncoderHead, HuggingFaceConfig, LlamaConfig};
use crate::hugging_face::TextDecoder;
use crate::model::ImportedModel;

/// Architectures of GGUF whose layers are a Llama's.
const SUPPORTED: [&str; 2] = ["llama", "qwen2"];

/// A decoder of a GGUF file in Hugging Face's terms.
pub struct GgufModel {
    /// Sizes of the network.
    pub config: LlamaConfig,
    /// Weights under Hugging Face's names.
    pub weights: StateDict,
    /// Tokenizer, with index 0 for padding.
    pub tokenizer: FittedTokenizer,
    /// Indices of the tokens that end a text, padding counted.
    pub end_tokens: Vec<u32>,
    /// Chat template; `None` if the file has none.
    pub chat: Option<ChatTemplate>,
}

/// Reads a Llama, Mistral or Qwen2 from a GGUF file. `max_length` limits the tokens of a text; 2048 without it.
///
/// # Errors
/// A file that can't be read or is damaged, and models that no layers of Cupola compute.
pub fn from_gguf(path: &Path, max_length: Option<usize>) -> Result<ImportedModel, Error> {
    // A pipe would never end, and a device neither.
    if std::fs::metadata(path).is_ok_and(|file| !file.is_file() && !file.is_dir()) {
        return Err(Error::Gguf { why: "it is not a regular file".to_owned() });
    }
    let bytes = std::fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    refuse_pointer(&path.display().to_string(), &bytes)?;
    let GgufModel { config, weights, tokenizer, end_tokens, chat } = GgufModel::parse(&bytes)?;
    let digest = sha256_hex(&bytes);
    let generation = GenerationDefaults::default();
    let decoder = TextDecoder { tokenizer, end_tokens, chat, generation };
    decoder.convert(HuggingFaceConfig::Llama(config), weights, max_length, digest)
}

impl GgufModel {
    /// Parses the bytes of a file.
    ///
    /// # Errors
    /// [`Error::Gguf`] for a damaged file, [`Error::UnsupportedGguf`] for a model or tokenizer of an unknown kind.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        header::check(bytes).map_err(|why| Error::Gguf { why })?;
        let mut file = Cursor::new(bytes);
        // candle divides by an alignment of 0.
        let content = cupola_nn::catch_panic(|| Content::read(&mut file))
            .map_err(|_| Error::Gguf { why: "its header is damaged".to_owned() })?
            .map_err(|error| Error::Gguf { why: error.to_string() })?;
        let architecture = content.metadata.get("general.architecture").and_then(text).unwrap_or_default();
        if !SUPPORTED.contains(&architecture) {
            return Err(Error::UnsupportedGguf {
                what: format!("it holds a model of kind `{architecture}`"),
                remedy: "import a model of kind `llama` or `qwen2`",
            });
        }
        let metadata = Metadata::new(&content, architecture);
        let config = metadata.config(&mut file)?;
        let weights = metadata.weights(&mut file, &config)?;
        let (tokenizer, tokens) = metadata.tokenizer()?;
        let id = |key: &str| metadata.count(&format!("tokenizer.ggml.{key}")).ok();
        let content_of = |id: Option<usize>| id.and_then(|id| tokens.get(id).cloned()).unwrap_or_default();
        let template = content.metadata.get("tokenizer.chat_template").and_then(text);
        let chat = template.map(|template| ChatTemplate {
            template: template.to_owned(),
            begin: content_of(id("bos_token_id")),
            end: content_of(id("eos_token_id")),
        });
        let ends = ["eos_token_id", "eot_token_id"].into_iter().filter_map(id);
        let end_tokens = ends.filter_map(|id| u32::try_from(id.saturating_add(1)).ok()).collect();
        Ok(Self { config, weights, tokenizer, end_tokens, chat })
    }

    /// Architecture and weights in Cupola's layers and names, for texts of up to `length` tokens.
    ///
    /// # Errors
    /// As [`HuggingFaceConfig::into_model`].
    pub fn into_model(self, length: usize) -> Result<(Architecture, StateDict), Error> {
        let vocabulary = self.tokenizer.vocabulary() - 1;
        let options = ConversionOptions { length, vocabulary, head: EncoderHead::NextToken };
        HuggingFaceConfig::Llama(self.config).into_model(self.weights, &options)
    }
}

#[cfg(test)]
mod tests;
