//! `[clean]` and `[[features]]`: what happens to rows before anything is learned of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Repairs of raw values. All but `duplicates` are part of the model: rows that are sent to the server are
/// repaired alike.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clean {
    /// Leave out rows that are equal to one before them. Not for a stream.
    #[serde(default)]
    pub duplicates: bool,
    /// What is done to each text, in this order.
    #[serde(default)]
    pub text: Vec<TextStep>,
    /// Columns or globs of texts that stand for numbers, such as `$1,250.50`, `12 %` or `(3)`.
    #[serde(default)]
    pub numbers: Vec<String>,
}

impl Clean {
    /// Whether nothing is repaired.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A repair of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextStep {
    /// White space at both ends goes; what is empty then is missing.
    Trim,
    /// Several spaces, tabs or line ends become one space.
    Spaces,
    /// Lower case.
    Lower,
    /// Unicode's compatibility form (NFKC): full-width letters, ligatures and the like become plain ones.
    Nfkc,
}

/// A column that is computed of others, in training and in the server alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Name of the column.
    pub name: String,
    /// A SQL expression of one row, such as `ln(price + 1)` or `CASE WHEN age < 18 THEN 'child' ELSE
    /// 'adult' END`. Operators: `+ - * / % || = <> < <= > >= AND OR NOT IS NULL IN BETWEEN LIKE CASE`;
    /// functions: `abs ceil floor round sqrt exp ln log10 power least greatest coalesce nullif lower upper
    /// trim length concat substr`.
    pub sql: String,
}
