//! Errors of import and export.

use std::path::PathBuf;

/// A model that can't be imported or exported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The weights and the architecture disagree.
    #[error(transparent)]
    Network(#[from] cupola_nn::Error),
    /// A package that can't be read or published, or a file that can't be written.
    #[error(transparent)]
    Registry(#[from] cupola_registry::Error),
    /// A JSON value that can't be written, or a damaged file of a package.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A model that needs an operation which no layer provides.
    #[error("unsupported model: {what}; import another model")]
    Unsupported {
        /// The missing operation.
        what: String,
    },
    /// A folder without one of the files of a model.
    #[error(
        "missing file: {folder} has no {name}; expected a folder with config.json, model.safetensors and tokenizer.json"
    )]
    MissingFile {
        /// The folder.
        folder: PathBuf,
        /// Name of the file.
        name: String,
    },
    /// A JSON file that doesn't parse, often the configuration of an unknown model.
    #[error(
        "failed to read {path}: {source}; supported model types are bert, distilbert, roberta, gpt2, llama, mistral and qwen2"
    )]
    Config {
        /// The file.
        path: PathBuf,
        /// Error of the parser.
        source: serde_json::Error,
    },
    /// Labels of a classifier that are not one class per text.
    #[error(
        "unsupported classifier: config.json describes a regression, several labels per text, or classes without distinct names in `id2label`; expected two or more distinct classes, one per text"
    )]
    Labels,
    /// A pooling other than the mean or the first token.
    #[error("unsupported pooling: 1_Pooling/config.json selects neither the mean nor the first token")]
    Pooling,
    /// A tokenizer that can't be read.
    #[error(transparent)]
    Tokenizer(#[from] cupola_prep::Error),
    /// More tokens than rows of the embeddings.
    #[error(
        "tokenizer and weights don't match: the tokenizer has {tokenizer} tokens, the weights {weights}; take both from one model"
    )]
    Vocabulary {
        /// Tokens of the tokenizer.
        tokenizer: usize,
        /// Tokens of the weights.
        weights: usize,
    },
    /// A GGUF file that can't be opened.
    #[error("failed to read {path}: {source}; expected a GGUF file")]
    File {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A file that is not GGUF, or is damaged.
    #[error("invalid GGUF file: {why}; restore it from its source")]
    Gguf {
        /// Error of the reader.
        why: String,
    },
    /// A valid GGUF file with a model or a tokenizer of an unknown kind.
    #[error("unsupported GGUF file: {what}; {remedy}")]
    UnsupportedGguf {
        /// The unsupported part.
        what: String,
        /// Remedy for the reader.
        remedy: &'static str,
    },
    /// A package whose network Hugging Face has no class for.
    #[error("{package} can't be exported to Hugging Face: its network is not a BERT; use `--to safetensors`")]
    NotExportable {
        /// Label of the package.
        package: String,
    },
}
