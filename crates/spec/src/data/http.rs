//! `[data.http]`, `[data.api]` and `[data.page]`: how servers are asked and answers are read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a server is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Headers, such as `Authorization = "Bearer ${TOKEN}"`; `${file:PATH}` stands for a file's first line.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Requests a second at most.
    #[serde(default = "five")]
    #[schemars(range(min = 0.001))]
    pub rate: f64,
    /// How often a request that fails is tried again, after 0.5, 1, 2 ... seconds.
    #[serde(default = "four")]
    pub retries: usize,
    /// Seconds until an answer that does not come counts as failed.
    #[serde(default = "thirty")]
    #[schemars(range(min = 1))]
    pub timeout: u64,
}

impl Default for Http {
    fn default() -> Self {
        Self { headers: BTreeMap::new(), rate: five(), retries: four(), timeout: thirty() }
    }
}

fn five() -> f64 {
    5.0
}

fn four() -> usize {
    4
}

fn thirty() -> u64 {
    30
}

/// How records are found in JSON, and how one page leads to the next: by `next`, by `cursor` and
/// `parameter`, or by counting `parameter` up from `first`. Without any of them there is one page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// JSON pointer of the list of records, such as `/results`; left out: the answer is the list.
    #[serde(default)]
    pub records: String,
    /// JSON pointer of the next page's URL. `link` reads the header of that name (RFC 8288).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// JSON pointer of what `parameter` is to be for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Parameter of the URL that says which page is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Where pages are counted: number of the first one. They end with one that has no records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Pages at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<u64>,
}

/// What to take from a web page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// CSS selector of the table, or of what is a row where there are `columns`. Default: `table`, the
    /// first one.
    #[serde(default = "table")]
    pub select: String,
    /// For each column the CSS selector of its value within a row; `a@href` takes an attribute.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
    /// CSS selector of the link to the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Pages at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<u64>,
}

fn table() -> String {
    "table".to_owned()
}
