//! Document of a reference profile, as packages hold it in `monitor.json`.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{CategoryReference, NumberReference, TextReference};
use crate::error::Error;

/// Distributions that a model was trained with: those of its inputs and targets in the training rows, and those of its
/// predictions for rows that training has not seen.
///
/// Serialised as JSON; the same rows give the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReferenceProfile {
    /// Version of this document.
    pub format_version: u32,
    /// SHA-256 of the `plan.json` beside it.
    pub plan_sha256: String,
    /// Number of training rows.
    pub rows: u64,
    /// Split that the predictions are of, `test` or `valid`; `None` without predictions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scored_split: Option<String>,
    /// Columns: inputs, predictions, probabilities, targets, in that order.
    pub columns: Vec<ReferenceColumn>,
}

/// Use of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnRole {
    /// Raw column of a row that the model reads.
    Input,
    /// Predicted value; the column has the name of the target.
    Prediction,
    /// Predicted probability of a class; the column has the name of the target.
    Probability,
    /// Value to predict.
    Target,
}

/// Distribution of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReferenceColumn {
    /// Name of the column, of predictions that of the target.
    pub name: String,
    /// Use of the column.
    pub role: ColumnRole,
    /// Class of a probability; `None` for other roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Number of rows that were seen, those with a missing value too.
    pub rows: u64,
    /// Number of these with a missing value.
    pub missing: u64,
    /// Distribution of the others.
    #[serde(flatten)]
    pub values: ReferenceValues,
}

/// Distribution of the values of a column that are not missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ReferenceValues {
    /// Numbers; dates are seconds since 1970.
    Number(NumberReference),
    /// Values of a limited set.
    Category(CategoryReference),
    /// Free texts.
    Text(TextReference),
}

impl ReferenceProfile {
    /// Version of the document that this code writes and reads.
    pub const FORMAT_VERSION: u32 = 1;

    /// Most bytes of the JSON.
    pub const MOST_BYTES: usize = 512 << 10;

    /// Reads a profile and checks what readers rely on.
    ///
    /// # Errors
    /// [`Error::Profile`] for another format, and for numbers that contradict each other.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        if json.len() > Self::MOST_BYTES {
            let (found, limit) = (json.len(), Self::MOST_BYTES);
            return Err(Error::Profile(format!("{found} bytes are more than {limit}")));
        }
        let profile: Self =
            serde_json::from_slice(json).map_err(|error| Error::Profile(error.to_string()))?;
        if profile.format_version != Self::FORMAT_VERSION {
            let (found, expected) = (profile.format_version, Self::FORMAT_VERSION);
            return Err(Error::Profile(format!("format {found} is not supported: expected {expected}")));
        }
        for column in &profile.columns {
            column.check().map_err(|reason| Error::Profile(format!("column `{}`: {reason}", column.name)))?;
        }
        let mut keys = HashSet::new();
        let twice = profile.columns.iter().find(|own| !keys.insert((own.role, &own.name, &own.class)));
        if let Some(column) = twice {
            return Err(Error::Profile(format!("column `{}` is there twice", column.name)));
        }
        Ok(profile)
    }

    /// The column with this role, name and class.
    pub fn find(&self, role: ColumnRole, name: &str, class: Option<&str>) -> Option<&ReferenceColumn> {
        self.columns
            .iter()
            .find(|column| column.role == role && column.name == name && column.class.as_deref() == class)
    }

    /// Columns of a role, in order.
    pub fn with_role(&self, role: ColumnRole) -> impl Iterator<Item = &ReferenceColumn> {
        self.columns.iter().filter(move |column| column.role == role)
    }
}

impl ReferenceColumn {
    /// Number of values that are not missing.
    pub fn count(&self) -> u64 {
        self.rows - self.missing
    }

    /// Share of rows with a missing value; 0 without rows.
    #[allow(clippy::cast_precision_loss, reason = "a share of fewer than 2^53 rows")]
    pub fn missing_share(&self) -> f64 {
        if self.rows == 0 { 0.0 } else { self.missing as f64 / self.rows as f64 }
    }

    /// The error is the reason.
    fn check(&self) -> Result<(), &'static str> {
        if self.missing > self.rows {
            return Err("more missing values than rows");
        }
        let count = self.count();
        match &self.values {
            ReferenceValues::Number(number) => number.check(count),
            ReferenceValues::Category(category) => {
                category.check()?;
                let holds = category.total() == count && category.distinct <= count;
                if holds { Ok(()) } else { Err("counts of categories must add up to the number of values") }
            }
            ReferenceValues::Text(text) => text.check(count),
        }
    }
}
