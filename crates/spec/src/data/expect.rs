//! `[[expect]]`: the data contract, conditions that the rows have to meet.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One or more conditions, on a column or on the whole table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Name of the column; not needed for `rows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Consequence of a violation. Conditions on the whole table cannot quarantine rows.
    #[serde(default)]
    pub severity: Severity,
    /// Type that each value must have.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ValueType>,
    /// Values must not be missing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// Minimum and maximum of the numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// Allowed values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Vec<String>>,
    /// Regular expression that the whole value must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// Values must be unique. The second of two equal values violates the condition.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unique: bool,
    /// Values must occur in a column of another source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign_key: Option<ForeignKey>,
    /// Largest age of the newest date or time, such as `7 days` or `12 hours`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<String>,
    /// Minimum and maximum of the number of rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<[u64; 2]>,
    /// Largest share of missing values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub null_share: Option<f64>,
    /// Largest population stability index against the previous version of the dataset; 0.2 is a large change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub drift: Option<f64>,
}

impl Expectation {
    /// `true` if each row meets or violates the conditions by itself, so that it can be quarantined.
    pub fn by_row(&self) -> bool {
        self.rows.is_none() && self.freshness.is_none() && self.null_share.is_none() && self.drift.is_none()
    }

    /// `true` if there is a condition on the values of a column.
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

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Consequence of a violated expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Report the violation.
    Warn,
    /// Reject the data.
    #[default]
    Fail,
    /// Write the violating rows to a separate file, each with its reason, and use the others.
    Quarantine,
}

/// Type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// A text that cannot be parsed as a number.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A date, or a date and time, in ISO 8601.
    Date,
}

/// A column of another source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForeignKey {
    /// Path, glob, URL or dataset of the source.
    pub source: String,
    /// Name of the column.
    pub column: String,
}
