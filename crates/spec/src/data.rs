//! `[data]`, `[[expect]]`, `[clean]` and `[[features]]`: where rows come from, their contract and their repairs.

mod block;
mod clean;
mod expect;
mod http;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::block::Block;
pub use self::clean::{Clean, Feature, TextStep};
pub use self::expect::{Expectation, ForeignKey, Severity, ValueType};
pub use self::http::{Api, Http, Page};

/// One place or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Source {
    /// A path, a glob, a URL or a dataset.
    One(String),
    /// Several of them, read as one table.
    Many(Vec<String>),
}

impl Source {
    /// The paths, globs and URLs, in the order typed.
    pub fn patterns(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// Where the rows come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Files, globs or folders; `http(s)://` and `s3://` URLs of files; `postgres://`, `mysql://` or
    /// `sqlite:` with `sql`; `kafka://BROKER:PORT/TOPIC`; `delta:TABLE` or `delta:TABLE@VERSION`;
    /// `dataset:NAME` or `dataset:NAME:VERSION`. Files are `.csv`, `.tsv`,
    /// `.jsonl`, `.ndjson`, `.json`, `.parquet`, `.arrow`, `.avro`, `.xlsx`, `.xls`, `.ods`; the text
    /// formats also with `.gz` or `.zst`. A folder holds pictures, texts or sounds, those of each class
    /// in a folder of its name. `${NAME}` stands for a variable of the environment.
    pub source: Source,
    /// Files that are kept for the test split. With these, `split.test` is not drawn from `source`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_source: Option<Source>,
    /// SQL over the table `data`, such as `SELECT * FROM data WHERE price > 0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// SQL that the database of `source` runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// A column that grows, such as a time of change: `cupola data pull` then asks the database of
    /// `source` only for rows beyond the largest value there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<String>,
    /// A column of paths: the contents of the files take their place, such as pictures for a list of
    /// labels. Paths are relative to the file that lists them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<String>,
    /// Texts that mean "missing" in CSV, besides the empty field.
    pub null: Vec<String>,
    /// Never hold all rows in memory: they are read four times and kept on disk as the network takes
    /// them.
    pub stream: bool,
    /// How `http(s)://` sources are asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// The `http(s)://` source answers with pages of JSON records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// The `http(s)://` source is a web page with a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Page>,
    /// How the brokers of a `kafka://` source are asked: properties of librdkafka, such as
    /// `"sasl.username" = "${KAFKA_USER}"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kafka: BTreeMap<String, String>,
    /// What runs `query`: this process, or a cluster.
    #[serde(default)]
    pub engine: Engine,
    /// The scheduler of the cluster, such as `df://host:50050`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What reads the files and runs `data.query`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// This process.
    #[default]
    Local,
    /// A scheduler with its executors, all of which see the files under the same paths.
    Ballista,
}

impl Data {
    /// Rows of a source as they are, with these texts for "missing".
    pub fn plain(source: Source, null: &[String]) -> Self {
        Self {
            source,
            test_source: None,
            query: None,
            sql: None,
            watermark: None,
            files: None,
            null: null.to_vec(),
            stream: false,
            http: None,
            api: None,
            page: None,
            kafka: BTreeMap::new(),
            engine: Engine::Local,
            url: None,
        }
    }
}
