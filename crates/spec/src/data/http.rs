//! `[data.http]`, `[data.api]` and `[data.page]`: requests to servers and the extraction of rows from
//! responses.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Requests to a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Headers, such as `Authorization = "Bearer ${TOKEN}"`. `${file:PATH}` is replaced by the first line of a file,
    /// `${file:PATH#FIELD}` by a field of a JSON file, and `${cmd:NAME}` by the output of a command that `secrets.toml`
    /// in the home lists.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Largest number of requests per second.
    #[serde(default = "default_rate")]
    #[schemars(range(min = 0.001))]
    pub rate: f64,
    /// Number of retries of a failed request, after 0.5, 1, 2 ... seconds.
    #[serde(default = "default_retries")]
    pub retries: usize,
    /// Timeout of a request in seconds.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1))]
    pub timeout: u64,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            headers: BTreeMap::new(),
            rate: default_rate(),
            retries: default_retries(),
            timeout: default_timeout(),
        }
    }
}

fn default_rate() -> f64 {
    5.0
}

fn default_retries() -> usize {
    4
}

fn default_timeout() -> u64 {
    30
}

/// Records of a JSON API and its pagination: by `next`, by `cursor` and `parameter`, or by counting
/// `parameter` up from `first`. Without any of them there is one page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// JSON pointer to the list of records, such as `/results`. Default: the response itself is the list.
    #[serde(default)]
    pub records: String,
    /// JSON pointer to the URL of the next page. `link` reads the `Link` header (RFC 8288).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// JSON pointer to the value of `parameter` for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Query parameter of the URL that selects the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Number of the first page, if pages are counted. The first page without records is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Largest number of pages. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<u64>,
}

/// Table of a web page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// CSS selector of the table, or of a row if there are `columns`. Default: `table`, the first table of
    /// the page.
    #[serde(default = "table")]
    pub select: String,
    /// CSS selectors of the values within a row, by column. `a@href` reads an attribute.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
    /// CSS selector of the link to the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Largest number of pages. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<u64>,
}

fn table() -> String {
    "table".to_owned()
}
