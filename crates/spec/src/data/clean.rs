//! `[clean]` and `[[features]]`: repairs of raw values and computed columns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Repairs of raw values. All except `duplicates` and `missing_targets` are part of the model: rows sent to the server are repaired
/// in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clean {
    /// Remove rows that are equal to an earlier row. Not supported for a stream.
    #[serde(default)]
    pub duplicates: bool,
    /// Repairs of each text, in this order.
    #[serde(default)]
    pub text: Vec<TextStep>,
    /// Leave out rows without a target, and say how many. Without it, they are an error. Not supported for a stream.
    #[serde(default)]
    pub missing_targets: bool,
    /// Columns, or globs of columns, whose texts are parsed as numbers, such as `$1,250.50`, `12 %` or `(3)`.
    #[serde(default)]
    pub numbers: Vec<String>,
}

impl Clean {
    /// `true` if nothing is repaired.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A repair of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextStep {
    /// Remove white space at both ends. An empty text then is a missing value.
    Trim,
    /// Replace several spaces, tabs or line ends by one space.
    Spaces,
    /// Convert to lower case.
    Lower,
    /// Normalise to Unicode's compatibility form (NFKC), which replaces full-width letters, ligatures and the
    /// like by plain letters.
    Nfkc,
    /// Remove full stops, commas, semicolons, colons and exclamation marks at the end, so that `<=50K.` is `<=50K`.
    Punctuation,
}

/// A column that is computed from others, in the same way in training and in the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Name of the column.
    pub name: String,
    /// SQL expression over one row, such as `ln(price + 1)` or `CASE WHEN age < 18 THEN 'child' ELSE
    /// 'adult' END`. Operators: `+ - * / % || = <> < <= > >= AND OR NOT IS NULL IN BETWEEN LIKE CASE`;
    /// functions: `abs ceil floor round sqrt exp ln log10 power least greatest coalesce nullif lower upper
    /// trim length concat substr`.
    pub sql: String,
}
