//! `[series]`: rows that are steps in time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::Source;

/// Order of the rows that windows are cut from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// Column of times that the rows are sorted by: dates, times or numbers. Default: `split.column` of
    /// `by = "time"`, else the order of the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Column, or list of columns, whose values tell several series in one table apart, such as a store. No window
    /// crosses from one to another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Source>,
    /// Format of times that are texts, as in strftime, such as `%d.%m.%Y`. Default: ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

impl Series {
    /// `true` if nothing is declared.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Columns of `key`.
    pub fn keys(&self) -> &[String] {
        self.key.as_ref().map_or(&[], Source::patterns)
    }
}
