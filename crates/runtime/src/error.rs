//! What can go wrong between a raw row and its prediction.

/// A package that cannot be loaded or a row that does not fit.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The package's folder or digests.
    #[error(transparent)]
    Record(#[from] cupola_registry::Error),
    /// The network or its weights.
    #[error(transparent)]
    Network(#[from] cupola_nn::Error),
    /// Trees, or the file of them.
    #[error(transparent)]
    Trees(#[from] cupola_trees::Error),
    /// Rows that do not fit the plan.
    #[error(transparent)]
    Rows(#[from] cupola_prep::Error),
    /// A file of the package that does not parse, or does not fit the others.
    #[error("package {package}: {why}; publish it again or restore it from its source")]
    Package {
        /// `name:version`
        package: String,
        /// What is wrong.
        why: String,
    },
    /// A value of a JSON row.
    #[error("row {row}, column `{column}`: expected {expected}, found {found}; {remedy}")]
    Value {
        /// From 1.
        row: usize,
        /// Its name.
        column: String,
        /// What fits.
        expected: &'static str,
        /// What is there.
        found: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A row whose answer is no number.
    #[error(
        "row {row}: the network's answer is no number, for its values are too large; send values like those that it was trained on"
    )]
    NoAnswer {
        /// From 1.
        row: usize,
    },
    /// An engine that panicked; it is used for the next batch again.
    #[error("{engine} failed on this batch: {why}; send it again, or use another --engine or --device")]
    Panicked {
        /// The engine.
        engine: String,
        /// What it said.
        why: String,
    },
    /// A package that predicts something else than text.
    #[error("the package predicts `{target}`, not the next token; use `cupola predict`")]
    NoLanguageModel {
        /// Its target.
        target: String,
    },
    /// A text that the tokenizer does not take, or tokens that make none.
    #[error("tokenizer: {why}; use another prompt")]
    Tokens {
        /// Its words.
        why: String,
    },
    /// Messages that a model's template refuses, or a template that is none.
    #[error("the model's chat template: {why}; send other messages, or a prompt to /v1/completions")]
    Chat {
        /// Its words.
        why: String,
    },
    /// A format that no text of the model can have.
    #[error("the text's format: {why}; send another schema, or none")]
    Format {
        /// llguidance's words.
        why: String,
    },
    /// candle's own word.
    #[error("candle: {0}; use --engine burn")]
    Candle(#[from] candle_core::Error),
}

impl Error {
    /// Row and column, where the error is about one value.
    pub fn place(&self) -> Option<(usize, &str)> {
        match self {
            Self::Value { row, column, .. } | Self::Rows(cupola_prep::Error::Value { row, column, .. }) => {
                Some((*row, column))
            }
            _ => None,
        }
    }
}
