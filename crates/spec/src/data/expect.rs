//! `[[expect]]`: what rows have to be like.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One or more conditions, on a column or on the whole table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The column; left out for `rows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What to do where it does not hold. Conditions on the whole table cannot quarantine.
    #[serde(default)]
    pub severity: Severity,
    /// What each value has to read as.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ValueType>,
    /// No value may be missing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// Least and largest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// The values there may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Vec<String>>,
    /// A regular expression that the whole value has to match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// No value may be there twice; the second one breaks it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unique: bool,
    /// Each value has to be in that column of that source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign_key: Option<ForeignKey>,
    /// The newest date or time is at most so old, such as `7 days` or `12 hours`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<String>,
    /// Least and largest number of rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<[u64; 2]>,
    /// Largest share of missing values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub null_share: Option<f64>,
    /// Largest population stability index against the dataset's version before; 0.2 is much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub drift: Option<f64>,
}

impl Expectation {
    /// Whether each row meets or breaks it by itself, so that it can be quarantined.
    pub fn by_row(&self) -> bool {
        self.rows.is_none() && self.freshness.is_none() && self.null_share.is_none() && self.drift.is_none()
    }

    /// Whether there is a condition on the values of a column.
    pub fn on_column(&self) -> bool {
        self.kind.is_some()
            || self.required
            || self.range.is_some()
            || self.set.is_some()
            || self.regex.is_some()
            || self.unique
            || self.foreign_key.is_some()
            || self.freshness.is_some()
            || self.null_share.is_some()
            || self.drift.is_some()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

/// What happens where an expectation does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It is told.
    Warn,
    /// Nothing is made of the data.
    #[default]
    Fail,
    /// The rows go to a file of their own, each with its reason; the others are used.
    Quarantine,
}

/// What a value reads as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// A text that is no number.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A date, or a date and time, as ISO 8601 has them.
    Date,
}

/// A column of another source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForeignKey {
    /// Path, glob, URL or dataset.
    pub source: String,
    /// Its column.
    pub column: String,
}
