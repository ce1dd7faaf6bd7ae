//! Errors of import and export.

use std::path::PathBuf;

/// Number of characters of a value that an error shows.
const MOST_SHOWN: usize = 120;

/// A model that can't be imported or exported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The weights and the architecture disagree.
    #[error(transparent)]
    Network(#[from] cupola_nn::Error),
    /// A package that can't be read or published, or a file that can't be written.
    #[error(transparent)]
    Registry(#[from] cupola_registry::Error),
    /// Trees that can't be written.
    #[error(transparent)]
    Trees(#[from] cupola_trees::Error),
    /// A JSON value that can't be written, or a damaged file of a package.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A model that needs an operation which no layer provides.
    #[error("unsupported model: {what}; import another model")]
    Unsupported {
        /// The missing operation.
        what: String,
    },
    /// A key of a file that asks for something that is not done.
    #[error("{file}: `{key}` = {found} is not supported; {remedy}")]
    UnsupportedKey {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// Value of the key.
        found: String,
        /// Remedy for the reader.
        remedy: String,
    },
    /// A module of sentence-transformers of an unknown kind.
    #[error(
        "modules.json: module `{kind}` is not supported; expected Transformer, Pooling, Dense, LayerNorm, Dropout or Normalize"
    )]
    Module {
        /// Kind of the module.
        kind: String,
    },
    /// Modules of sentence-transformers in an order that makes no vector.
    #[error("modules.json: {why}; expected a Transformer, a Pooling and further modules")]
    Modules {
        /// Problem in words.
        why: String,
    },
    /// A folder without one of the files of a model.
    #[error("missing file: {folder} has no {name}; {remedy}")]
    MissingFile {
        /// The folder.
        folder: PathBuf,
        /// Name of the file.
        name: String,
        /// Remedy for the reader.
        remedy: String,
    },
    /// Embeddings and map to the logits that contradict `tie_word_embeddings`.
    #[error("config.json: `tie_word_embeddings` is {tied}, but {why}; take both files from one model, or set it to {}", !tied)]
    Head {
        /// The flag.
        tied: bool,
        /// The contradiction.
        why: &'static str,
    },
    /// A file that can't be read, or whose content is not what it must be.
    #[error("{file}: {why}; {remedy}")]
    InvalidFile {
        /// The file.
        file: String,
        /// Problem in words.
        why: String,
        /// Remedy for the reader.
        remedy: String,
    },
    /// A JSON file that doesn't parse, or lacks a key.
    #[error("failed to read {path}: {source}; restore the file from its source")]
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

impl Error {
    /// A key with a value that is not supported.
    pub(crate) fn unsupported_key(file: &str, key: &str, found: &str, remedy: &str) -> Self {
        let found = if found.chars().count() > MOST_SHOWN {
            format!("{}...", found.chars().take(MOST_SHOWN).collect::<String>())
        } else {
            found.to_owned()
        };
        Self::UnsupportedKey { file: file.to_owned(), key: key.to_owned(), found, remedy: remedy.to_owned() }
    }

    /// A file whose content is not what it must be.
    pub(crate) fn invalid_file(file: &str, why: impl Into<String>, remedy: &str) -> Self {
        Self::InvalidFile { file: file.to_owned(), why: why.into(), remedy: remedy.to_owned() }
    }
}

/// Refuses a pointer of Git LFS: a clone of a repository without it has a short text in place of each large file.
pub(crate) fn refuse_pointer(file: &str, bytes: &[u8]) -> Result<(), Error> {
    if !bytes.starts_with(b"version https://git-lfs") {
        return Ok(());
    }
    let why = "it is a Git LFS pointer and not the file itself";
    Err(Error::invalid_file(file, why, "run `git lfs pull` in the folder"))
}
