//! Errors of loading packages, predicting and generating text.

use cupola_budget::Exceeded;

/// Failure to load a package, to predict or to generate text.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The package's folder or digests.
    #[error(transparent)]
    Record(#[from] cupola_registry::Error),
    /// The network or its weights.
    #[error(transparent)]
    Network(#[from] cupola_nn::Error),
    /// Trees or their file.
    #[error(transparent)]
    Trees(#[from] cupola_trees::Error),
    /// Rows that the plan can't transform.
    #[error(transparent)]
    Rows(#[from] cupola_prep::Error),
    /// A file of a package that does not parse, or does not belong to the other files.
    #[error("package {package}: {why}; publish it again or restore it from its source")]
    Package {
        /// Package as `name:version`.
        package: String,
        /// Description of the problem.
        why: String,
    },
    /// Memory or time that the request exceeds.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// A request body that can't be parsed.
    #[error("{why}")]
    Body {
        /// The parser's message.
        why: String,
    },
    /// An invalid value of a row.
    #[error("row {row}, column `{column}`: expected {expected}, found {found}; {remedy}")]
    Value {
        /// Row number, from 1.
        row: usize,
        /// Column name.
        column: String,
        /// Description of valid values.
        expected: &'static str,
        /// The value, shortened.
        found: String,
        /// Remedy.
        remedy: &'static str,
    },
    /// A horizon that the model does not have.
    #[error("{}", horizon_message(*.asked, *.horizon))]
    Horizon {
        /// Number of rows ahead that was asked for.
        asked: usize,
        /// Number of rows that the model forecasts; 0 if it does not forecast.
        horizon: usize,
    },
    /// A prediction that is NaN or infinite.
    #[error(
        "row {row}: the prediction is not a finite number because the inputs are too large; send values like those of the training data"
    )]
    NotFinite {
        /// Row number, from 1.
        row: usize,
    },
    /// An explanation that the model or the request does not allow.
    #[error("{why}")]
    Explain {
        /// Option that the error is about.
        option: &'static str,
        /// Description of the problem, with the remedy.
        why: String,
    },
    /// Work that ended because a forward pass did, for a reason that its caller knows.
    #[error("a forward pass has ended; send the request again")]
    Stopped,
    /// A panic of an engine, which stays usable.
    #[error("{engine} failed on this batch: {why}; send it again, or use another --engine or --device")]
    Panicked {
        /// Name of the engine.
        engine: String,
        /// Message of the panic.
        why: String,
    },
    /// Intervals of a package that has no scores.
    #[error(
        "the model has no intervals, because it was trained without them; train it with `[uncertainty]`, or leave `interval` out"
    )]
    NoIntervals,
    /// A coverage that is not a probability between 0 and 1.
    #[error(
        "`interval` must be above 0 and below 1, found {found}; send 0.9 for intervals that hold nine of ten targets"
    )]
    Coverage {
        /// Requested coverage.
        found: f64,
    },
    /// A coverage for which there are too few calibration rows.
    #[error("the {rows} calibration scores of `{target}` are too few for the coverage {coverage}; ask for at most {}", floor(.largest))]
    TooFewScores {
        /// Name of the target.
        target: String,
        /// Number of scores.
        rows: usize,
        /// Requested coverage.
        coverage: f64,
        /// Largest possible coverage.
        largest: f64,
    },
    /// An unknown name of an engine.
    #[error("unknown engine `{name}`; expected auto, burn, candle or int8")]
    UnknownEngine {
        /// The name.
        name: String,
    },
    /// Text generation by a package that is not a language model.
    #[error("the package predicts `{target}`, not the next token; use `cupola predict`")]
    NotALanguageModel {
        /// Name of its target.
        target: String,
    },
    /// A text that the tokenizer can't encode, or tokens that it can't decode.
    #[error("tokenizer: {why}; use another prompt")]
    Tokens {
        /// The tokenizer's message.
        why: String,
    },
    /// A prompt that does not fit into the model's context with a generated token after it.
    #[error(
        "the prompt is too long: the model's context has {context} tokens, the prompt {found}; shorten it, or request truncation"
    )]
    ContextLength {
        /// Tokens of the context.
        context: usize,
        /// Tokens of the prompt.
        found: usize,
        /// Requested number of generated tokens.
        requested: usize,
    },
    /// An id that no token of the vocabulary has.
    #[error("unknown token id {id}: the vocabulary has {vocabulary} tokens; send ids from 0 to {}", .vocabulary.saturating_sub(1))]
    UnknownToken {
        /// The id.
        id: u32,
        /// Tokens of the vocabulary.
        vocabulary: usize,
    },
    /// An invalid chat template, or messages that it rejects.
    #[error("chat template: {why}; send other messages, or a prompt to /v1/completions")]
    Chat {
        /// The template's message.
        why: String,
    },
    /// A grammar that is invalid or that the model's tokens can't follow.
    #[error("response format: {why}; send another schema, or none")]
    Grammar {
        /// Description of the problem.
        why: String,
    },
    /// A failure of candle.
    #[error("candle: {0}; use --engine burn")]
    Candle(#[from] candle_core::Error),
}

impl Error {
    /// Error of an explanation.
    pub(crate) fn explain(option: &'static str, why: String) -> Self {
        Self::Explain { option, why }
    }

    /// Memory or time that the request exceeds; `None` for any other error.
    pub fn exceeded(&self) -> Option<Exceeded> {
        match self {
            Self::Exceeded(exceeded) | Self::Rows(cupola_prep::Error::Exceeded(exceeded)) => Some(*exceeded),
            _ => None,
        }
    }

    /// Row and column of the value that the error is about; `None` for any other error.
    pub fn cell(&self) -> Option<(usize, &str)> {
        match self {
            Self::Value { row, column, .. } | Self::Rows(cupola_prep::Error::Value { row, column, .. }) => {
                Some((*row, column))
            }
            _ => None,
        }
    }
}

/// A coverage with four digits, rounded down so that it can be asked for.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "the derived message passes a reference")]
fn floor(coverage: &f64) -> f64 {
    (coverage * 1e4).floor() / 1e4
}

fn horizon_message(asked: usize, horizon: usize) -> String {
    match horizon {
        0 => "the model does not forecast; leave `horizon` out".to_owned(),
        _ => format!(
            "the horizon must be from 1 to {horizon}, found {asked}; train with a longer `horizon` for more"
        ),
    }
}
