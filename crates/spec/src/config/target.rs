//! `[[targets]]`: what the model predicts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the model predicts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Name of the target; also its column, where `column` is left out.
    pub name: String,
    /// `category` (two values make it binary), `number`, `forecast`, `reconstruct` or `next_token`.
    pub kind: TargetKind,
    /// The column, if it has another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// For a forecast: how many rows ahead, each row a step in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub horizon: Option<usize>,
    /// For a forecast: rows after which the series repeats, such as 24 for hours; the metrics compare
    /// with the value so many rows before. Default: 1, the last value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub season: Option<usize>,
    /// Where there are several: what its loss counts beside the others'. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub weight: Option<f64>,
}

impl Target {
    /// A target of a kind, all else left to its default.
    pub fn new(name: &str, kind: TargetKind) -> Self {
        Self { name: name.to_owned(), kind, column: None, horizon: None, season: None, weight: None }
    }

    /// The column that holds the target, or the labels of a reconstruction; that may have none.
    pub fn column(&self) -> Option<&str> {
        match self.kind {
            TargetKind::Reconstruct => self.column.as_deref(),
            _ => Some(self.column.as_deref().unwrap_or(&self.name)),
        }
    }
}

/// What a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// Classification: softmax over the classes, or one logit when there are two.
    Category,
    /// Regression on the standardised target.
    Number,
    /// Language modelling: at each token of the only input, a text, the next one.
    NextToken,
    /// The next `horizon` values of the column, from the rows before them: inputs of kind `series`
    /// with a `window`.
    Forecast,
    /// The inputs themselves; the answer is how far off that is, an anomaly score. Where `column` is
    /// given, it holds 1 for rows that are anomalies, and evaluations tell how well the score ranks
    /// them.
    Reconstruct,
}
