//! The target: from a column to what the loss compares, and from logits to an answer.

mod answer;
mod fit;

use std::collections::HashMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::examples::Targets;
use crate::frame::{Frame, finite};

pub use self::answer::distance;
pub(crate) use self::fit::present;

/// A target as fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FittedTarget {
    /// Classes; two of them make one logit, the probability of the second.
    Category {
        /// Name of the target.
        name: String,
        /// Its column.
        column: String,
        /// Names in order of their index: by number if all are numbers, else by text.
        classes: Vec<String>,
        /// Whether answers are JSON numbers, as the column's values were.
        numeric: bool,
    },
    /// A number, standardised with the training split's mean and deviation.
    Number {
        /// Name of the target.
        name: String,
        /// Its column.
        column: String,
        /// Subtracted for the loss.
        shift: f64,
        /// Multiplied for the loss.
        factor: f64,
    },
    /// The next values of a column, standardised alike.
    Forecast {
        /// Name of the target.
        name: String,
        /// Its column.
        column: String,
        /// Rows ahead.
        horizon: usize,
        /// Rows after which the series repeats.
        season: usize,
        /// Subtracted for the loss.
        shift: f64,
        /// Multiplied for the loss.
        factor: f64,
        /// Its place among the columns of the first window, if it is there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<usize>,
        /// Mean absolute change over a season in the training rows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        naive: Option<f64>,
    },
    /// The inputs themselves.
    Reconstruct {
        /// Name of the target.
        name: String,
        /// The column that is 1 for anomalies, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        column: Option<String>,
        /// Real numbers in one example.
        width: usize,
    },
    /// Nothing to learn: the answer is the vector that the network gives.
    Embedding {
        /// Name of the answer.
        name: String,
        /// Numbers of the vector.
        width: usize,
    },
    /// The next token of a text.
    NextToken {
        /// Name of the target and of the text.
        name: String,
        /// Its column.
        column: String,
        /// Different tokens, padding included.
        vocabulary: usize,
        /// Those that end a text.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ends: Vec<u32>,
        /// How messages become a text, for a model that was trained on chats.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chat: Option<Chat>,
    },
}

/// How messages become a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chat {
    /// In Jinja, as Hugging Face's `tokenizer_config.json` has it.
    pub template: String,
    /// Its `bos_token`.
    pub begin: String,
    /// Its `eos_token`.
    pub end: String,
}

/// A class as it stood in the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Label {
    /// Of a numeric column, or a regression.
    Number(f64),
    /// Of a text column.
    Text(String),
    /// Of a forecast: one for each row ahead.
    Numbers(Vec<f64>),
}

/// The answers for one row by the names of the targets.
pub type Answer = IndexMap<String, Prediction>;

/// A typed answer for one row and one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The likeliest class, or the number.
    pub value: Label,
    /// Of every class; absent for a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probabilities: Option<IndexMap<String, f32>>,
}

impl FittedTarget {
    /// Name of the target.
    pub fn name(&self) -> &str {
        match self {
            Self::Category { name, .. }
            | Self::Number { name, .. }
            | Self::Forecast { name, .. }
            | Self::Reconstruct { name, .. }
            | Self::Embedding { name, .. }
            | Self::NextToken { name, .. } => name,
        }
    }

    /// Column of the target, if it has one.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::Category { column, .. }
            | Self::Number { column, .. }
            | Self::Forecast { column, .. }
            | Self::NextToken { column, .. } => Some(column),
            Self::Reconstruct { column, .. } => column.as_deref(),
            Self::Embedding { .. } => None,
        }
    }

    /// Width of the head: one logit for two classes and for a number.
    pub fn width(&self) -> usize {
        match self {
            Self::Category { classes, .. } if classes.len() > 2 => classes.len(),
            Self::NextToken { vocabulary, .. } => *vocabulary,
            Self::Forecast { horizon, .. } => *horizon,
            Self::Reconstruct { width, .. } | Self::Embedding { width, .. } => *width,
            Self::Category { .. } | Self::Number { .. } => 1,
        }
    }

    /// The targets of all rows.
    ///
    /// # Errors
    /// A value that is missing or was not there when the plan was fitted.
    pub fn apply(&self, frame: &Frame) -> Result<Targets, Error> {
        if let Self::Embedding { name, .. } = self {
            let why = "an embedding has no right answer; train a model on it first".to_owned();
            return Err(Error::Target { column: name.clone(), why });
        }
        let Some(column) = self.column() else { return Ok(Targets::Own { labels: Vec::new() }) };
        if let Self::Reconstruct { .. } = self {
            return labels(column, frame);
        }
        // What is ahead of a forecast may have gaps: see `ahead`.
        if !matches!(self, Self::Forecast { .. }) {
            present(column, frame)?;
        }
        let values = frame.require(column, "the target has to be there to be learned or evaluated")?;
        match self {
            // Windows of a text are made with their targets: see `corpus`.
            Self::NextToken { .. } | Self::Reconstruct { .. } | Self::Embedding { .. } => {
                Ok(Targets::Tokens { length: 1, next: Vec::new() })
            }
            // What a row of a forecast answers for are the rows after it: see `windowed`.
            Self::Forecast { shift, factor, .. } | Self::Number { shift, factor, .. } => {
                let mut out = Vec::with_capacity(frame.rows());
                for row in 0..frame.rows() {
                    let value = finite(column, values, row)?.unwrap_or(f64::NAN);
                    #[allow(clippy::cast_possible_truncation)]
                    out.push(((value - shift) * factor) as f32);
                }
                Ok(Targets::Number(out))
            }
            Self::Category { classes, .. } => {
                let index: HashMap<&str, i32> = classes.iter().map(String::as_str).zip(0..).collect();
                let mut out = Vec::with_capacity(frame.rows());
                for row in 0..frame.rows() {
                    let text = values.text(row).unwrap_or_default();
                    let class = index.get(text.as_ref()).copied().ok_or_else(|| Error::Value {
                        row: row + 1,
                        column: column.to_owned(),
                        expected: format!("one of {} trained classes", classes.len()),
                        found: format!("`{text}`"),
                        remedy: "train again with this class".to_owned(),
                    })?;
                    out.push(class);
                }
                Ok(Targets::Class(out))
            }
        }
    }
}

/// Which rows are anomalies; nothing where the column is not there.
fn labels(column: &str, frame: &Frame) -> Result<Targets, Error> {
    let Some(values) = frame.get(column) else { return Ok(Targets::Own { labels: Vec::new() }) };
    let label = |row: usize| match values.text(row).as_deref() {
        Some("1" | "true") => Ok(true),
        Some("0" | "false") | None => Ok(false),
        Some(other) => Err(Error::Value {
            row: row + 1,
            column: column.to_owned(),
            expected: "1 for an anomaly or 0".to_owned(),
            found: format!("`{other}`"),
            remedy: "mend it, or make such a column with `data.query`".to_owned(),
        }),
    };
    Ok(Targets::Own { labels: (0..frame.rows()).map(label).collect::<Result<_, _>>()? })
}
