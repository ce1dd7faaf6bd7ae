//! Targets: encoding of a column for the loss, and decoding of logits to predictions.

mod calibration;
mod decode;
mod fit;
mod outputs;
mod prediction;
mod relevance;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::examples::Targets;
use crate::frame::{Column, Frame, finite};

pub use self::calibration::{CalibrationCurve, ProbabilityCalibration};
pub use self::decode::mean_squared_difference;
pub(crate) use self::fit::{check_no_missing, numbers};
pub use self::outputs::NumberOutputs;
pub use self::prediction::{PredictedValue, Prediction, PredictionInterval, Predictions};
pub(crate) use self::relevance::flat_groups_note;

/// Fitted target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FittedTarget {
    /// Class. Two classes share one logit, that of the second.
    Category {
        /// Name of the target.
        name: String,
        /// Name of the column.
        column: String,
        /// Classes in the order of their index: by number if all are numbers, else by text. Of two classes the second
        /// is the positive one, which a config may choose.
        classes: Vec<String>,
        /// `true` if predictions are JSON numbers, as the values of the column.
        numeric: bool,
        /// Calibration of the probabilities; `None` for those of the model itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        calibration: Option<ProbabilityCalibration>,
        /// Probability from which a row counts as the second of two classes; `None` for the likelier class.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        threshold: Option<f64>,
    },
    /// Number, standardised by the mean and deviation of the training rows.
    Number {
        /// Name of the target.
        name: String,
        /// Name of the column.
        column: String,
        /// Subtracted for the loss.
        shift: f64,
        /// Multiplied for the loss.
        factor: f64,
        /// Smallest and largest value of the training rows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        range: Option<[f64; 2]>,
        /// Outputs of the model for the number.
        #[serde(default, skip_serializing_if = "NumberOutputs::is_value")]
        outputs: NumberOutputs,
    },
    /// Next values of a column, standardised.
    Forecast {
        /// Name of the target.
        name: String,
        /// Name of the column.
        column: String,
        /// Number of rows ahead.
        horizon: usize,
        /// Number of rows after which the series repeats.
        season: usize,
        /// Subtracted for the loss.
        shift: f64,
        /// Multiplied for the loss.
        factor: f64,
        /// Index of the column in the first windowed series, if it is there.
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
        /// Column that is 1 for anomalies, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        column: Option<String>,
        /// Number of real values in one example.
        width: usize,
        /// Score above which a row counts as an anomaly; `None` for a model that was trained without one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        threshold: Option<f64>,
    },
    /// Vector that a network outputs without being trained on a target.
    Embedding {
        /// Name of the prediction.
        name: String,
        /// Length of the vector.
        width: usize,
    },
    /// Score that orders the rows of each group.
    Rank {
        /// Name of the target.
        name: String,
        /// Name of the column of the relevance.
        column: String,
        /// Name of the column of the groups.
        group: String,
    },
    /// Next token of a text.
    NextToken {
        /// Name of the target and of the text input.
        name: String,
        /// Name of the column.
        column: String,
        /// Number of token indices, including padding.
        vocabulary: usize,
        /// Tokens that end a text.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ends: Vec<u32>,
        /// Chat template of a model that was trained on chats.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chat: Option<ChatTemplate>,
        /// Generation options where a request leaves them out.
        #[serde(default, skip_serializing_if = "GenerationDefaults::is_empty")]
        generation: GenerationDefaults,
    },
}

/// Generation options that a model comes with, as in Hugging Face's `generation_config.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerationDefaults {
    /// Divisor of the logits; 0 takes the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Probability mass of the likeliest tokens to choose from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Number of likeliest tokens to choose from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
    /// Divisor of the positive logits, and factor of the negative ones, of tokens that the text has (Keskar et al.
    /// 2019).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f64>,
    /// Largest number of generated tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Indices of tokens that are never generated, padding counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suppressed: Vec<u32>,
    /// Strings before which a text ends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

impl GenerationDefaults {
    /// `true` without any option.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Template that turns chat messages into a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatTemplate {
    /// Jinja template, as in Hugging Face's `tokenizer_config.json`.
    pub template: String,
    /// `bos_token` of the template.
    pub begin: String,
    /// `eos_token` of the template.
    pub end: String,
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
            | Self::Rank { name, .. }
            | Self::NextToken { name, .. } => name,
        }
    }

    /// Column of the target; `None` if it has none.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::Category { column, .. }
            | Self::Number { column, .. }
            | Self::Forecast { column, .. }
            | Self::Rank { column, .. }
            | Self::NextToken { column, .. } => Some(column),
            Self::Reconstruct { column, .. } => column.as_deref(),
            Self::Embedding { .. } => None,
        }
    }

    /// Column of the groups of a ranking; `None` for any other target.
    pub fn group(&self) -> Option<&str> {
        if let Self::Rank { group, .. } = self { Some(group) } else { None }
    }

    /// Columns that an evaluation reads besides the inputs: that of the target, and that of its groups.
    pub fn evaluated_columns(&self) -> impl Iterator<Item = &str> {
        self.column().into_iter().chain(self.group())
    }

    /// Positive class of two; `None` for any other target.
    pub fn positive(&self) -> Option<&str> {
        match self {
            Self::Category { classes, .. } => match classes.as_slice() {
                [_, positive] => Some(positive),
                _ => None,
            },
            _ => None,
        }
    }

    /// Number of logits: one for two classes, and for a number unless an interval requires more.
    pub fn width(&self) -> usize {
        match self {
            Self::Category { classes, .. } if classes.len() > 2 => classes.len(),
            Self::NextToken { vocabulary, .. } => *vocabulary,
            Self::Forecast { horizon, .. } => *horizon,
            Self::Reconstruct { width, .. } | Self::Embedding { width, .. } => *width,
            Self::Number { outputs, .. } => outputs.width(),
            Self::Category { .. } | Self::Rank { .. } => 1,
        }
    }

    /// Encodes the target of each row. Rows of a forecast get the value of the row itself, NaN if it is missing, and
    /// a next-token target gets no tokens: `prepare` builds both from consecutive rows.
    ///
    /// # Errors
    /// [`Error::Column`] or [`Error::Target`] for a missing column or value, [`Error::Value`] for an unknown class or
    /// a value that is not a finite number.
    pub fn apply(&self, frame: &Frame) -> Result<Targets, Error> {
        let column = |name: &str| {
            frame.require(name, "add the target's column, which training and evaluation require")
        };
        match self {
            Self::Embedding { name, .. } => {
                let why = "an embedding has no target to evaluate; train a model on it first".to_owned();
                Err(Error::Target { column: name.clone(), why })
            }
            Self::Reconstruct { column: None, .. } => Ok(Targets::Reconstruction { anomalies: Vec::new() }),
            Self::Reconstruct { column: Some(column), .. } => anomalies(column, frame),
            Self::NextToken { column: name, .. } => {
                check_no_missing(name, frame)?;
                Ok(Targets::Tokens { length: 1, next: Vec::new() })
            }
            Self::Forecast { column: name, shift, factor, .. } => {
                standardised(name, column(name)?, [*shift, *factor])
            }
            Self::Number { column: name, shift, factor, .. } => {
                check_no_missing(name, frame)?;
                standardised(name, column(name)?, [*shift, *factor])
            }
            Self::Rank { column, group, .. } => relevance::encode(column, group, frame),
            Self::Category { column: name, classes, .. } => {
                check_no_missing(name, frame)?;
                class_indices(name, column(name)?, classes)
            }
        }
    }
}

fn standardised(name: &str, values: &Column, [shift, factor]: [f64; 2]) -> Result<Targets, Error> {
    let mut out = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        let value = finite(name, values, row)?.unwrap_or(f64::NAN);
        // Losses see the scaled value and predictions the value itself, both in 32 bits.
        #[allow(clippy::cast_possible_truncation)]
        let (single, scaled) = (value as f32, ((value - shift) * factor) as f32);
        if single.is_infinite() || scaled.is_infinite() {
            return Err(Error::Value {
                row: row + 1,
                column: name.to_owned(),
                expected: "a number that 32 bits hold after it is scaled".to_owned(),
                found: format!("{value:e}, which is too large"),
                remedy: "fix the value, list it in `data.null` if it means a missing one, or learn its logarithm, as a column of `[[features]]`".to_owned(),
            });
        }
        out.push(scaled);
    }
    Ok(Targets::Number(out))
}

fn class_indices(name: &str, values: &Column, classes: &[String]) -> Result<Targets, Error> {
    let index: HashMap<&str, i32> = classes.iter().map(String::as_str).zip(0..).collect();
    let mut out = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        let text = values.text(row).unwrap_or_default();
        let class = index.get(text.as_ref()).copied().ok_or_else(|| Error::Value {
            row: row + 1,
            column: name.to_owned(),
            expected: format!("one of {} trained classes", classes.len()),
            found: format!("`{text}`"),
            remedy: fit::absent_class_remedy(
                &text,
                classes.iter().map(String::as_str),
                "train again with this class",
            ),
        })?;
        out.push(class);
    }
    Ok(Targets::Class(out))
}

/// Reads which rows are anomalies; none are known if the column is missing.
fn anomalies(column: &str, frame: &Frame) -> Result<Targets, Error> {
    let Some(values) = frame.get(column) else {
        return Ok(Targets::Reconstruction { anomalies: Vec::new() });
    };
    let anomaly = |row: usize| match values.text(row).as_deref() {
        Some("1" | "true") => Ok(true),
        Some("0" | "false") | None => Ok(false),
        Some(other) => Err(Error::Value {
            row: row + 1,
            column: column.to_owned(),
            expected: "1 for an anomaly or 0".to_owned(),
            found: format!("`{other}`"),
            remedy: "fix it, or compute the column with `data.query`".to_owned(),
        }),
    };
    let anomalies = (0..frame.rows()).map(anomaly).collect::<Result<_, _>>()?;
    Ok(Targets::Reconstruction { anomalies })
}
