//! `[[targets]]`: what the model predicts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A target that the model predicts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Name of the target, and of its column unless `column` is set.
    pub name: String,
    /// Kind of the prediction.
    pub kind: TargetKind,
    /// Name of the column, if it differs from `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Number of rows that a forecast predicts, each of which is a step in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub horizon: Option<usize>,
    /// Number of rows after which the series of a forecast repeats, such as 24 for hours. The metrics compare
    /// the forecast with the values one season before. Default: 1, the last value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub season: Option<usize>,
    /// Weight of this target's loss in the sum, if there are several targets. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub weight: Option<f64>,
    /// The positive one of two classes, which precision, recall and F1 are reported for. Default: the second one, by
    /// number if both are numbers, else by text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// Column of `rank` that names the group of a row, such as the query that a document is a result of. Rows are ordered
    /// within their group, and a group is never in two splits. It is not an input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl Target {
    /// A target of a kind with defaults for everything else.
    pub fn new(name: &str, kind: TargetKind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            column: None,
            horizon: None,
            season: None,
            weight: None,
            positive: None,
            group: None,
        }
    }

    /// Column of the groups of a ranking; `None` for any other kind.
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref().filter(|_| self.kind == TargetKind::Rank)
    }

    /// The column that holds the target, or the labels of a reconstruction; `None` for a reconstruction
    /// without labels.
    pub fn column(&self) -> Option<&str> {
        match self.kind {
            TargetKind::Reconstruct => self.column.as_deref(),
            _ => Some(self.column.as_deref().unwrap_or(&self.name)),
        }
    }
}

/// Kind of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// Classification: a softmax over the classes, or one logit if there are two.
    Category,
    /// Regression on the standardised target.
    Number,
    /// Language modelling: the next token at each token of the only input, a text.
    NextToken,
    /// Forecast of the next `horizon` values of the column from the rows before them, which are inputs of
    /// kind `series` with a `window`.
    Forecast,
    /// Reconstruction of the inputs. The prediction is the error of the reconstruction, an anomaly score. If
    /// `column` is set, it holds 1 for anomalies, and evaluations report how well the score ranks them.
    Reconstruct,
    /// Ranking: a score that orders the rows of each `group` by their relevance, which the column holds as whole numbers
    /// from 0, not relevant, to 30.
    Rank,
}
