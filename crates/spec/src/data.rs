//! `[data]`, `[[expect]]`, `[clean]` and `[[features]]`: the source of the rows, their contract and their
//! repairs; and the blocks of values that an example holds.

mod block;
mod clean;
mod delimited;
mod expect;
mod http;
mod secret;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::block::Block;
pub use self::clean::{Clean, Feature, TextStep};
pub use self::delimited::{Decimal, RaggedRows, SourceFormat, TextEncoding};
pub use self::expect::{Expectation, ForeignKey, Severity, ValueType};
pub use self::http::{Api, Http, Page};
pub use self::secret::{masked_source, plain_secret};

/// One source, or a list of sources that are read as one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Source {
    /// A path, a glob, a URL or a dataset.
    One(String),
    /// Several of them, read as one table.
    Many(Vec<String>),
}

impl Source {
    /// The paths, globs and URLs in order.
    pub fn patterns(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// Source of the rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Files, globs or folders; `http(s)://`, `s3://`, `gs://` and `az://` URLs of files; `postgres://`, `mysql://`,
    /// `sqlite:` or `adbc:DRIVER?uri=...` with `sql`; `kafka://BROKER:PORT/TOPIC`; `delta:TABLE` or `delta:TABLE@VERSION`;
    /// `dataset:NAME` or `dataset:NAME:VERSION`. Files are `.csv`, `.tsv`, `.psv`,
    /// `.data`, `.txt`, `.jsonl`, `.ndjson`, `.json`, `.parquet`, `.arrow`, `.avro`, `.xlsx`, `.xls`, `.ods`; the text
    /// formats also with `.gz` or `.zst`. A folder holds images, texts or sounds, with one subfolder for each
    /// class. `${NAME}` is replaced by an environment variable, as in `http.headers`.
    pub source: Source,
    /// Source of the test split. With it, no test rows are drawn from `source`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_source: Option<Source>,
    /// SQL query over the table `data`, such as `SELECT * FROM data WHERE price > 0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// SQL query that the database of `source` runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// A column that only grows, such as the time of the last change. `cupola data pull` then asks the
    /// database of `source` only for rows beyond the largest value so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<String>,
    /// A column of paths, which are replaced by the contents of the files, such as images for a list of
    /// labels. Paths are relative to the file that lists them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<String>,
    /// Folders in which `files` of a downloaded table may name files, besides that of the table. Downloaded are tables
    /// of web servers, object stores, databases, topics, hubs and remotes; tables of this machine may name any file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_outside: Vec<String>,
    /// Read `.txt` and `.md` files as plain texts: each paragraph is a row of the column `text`. Without it, a `.txt` file is a
    /// table, and each file of a folder of texts is one row.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paragraphs: bool,
    /// Largest ratio of the size of a `.gz` or `.zst` file to its compressed size, and of a workbook to its file.
    /// Counts for more than 256 MiB; a file that was made to fill the memory has a ratio of 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ratio: Option<u64>,
    /// Texts that mean a missing value, besides the empty one.
    pub null: Vec<String>,
    /// Decimal mark of numbers in texts: `.` or `,`. Without it, numbers that can be read in two ways are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimal: Option<Decimal>,
    /// `true` if `05/03/2024` is the fifth of March, `false` if it is the third of May. Without it, dates that can be read
    /// in both ways are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day_first: Option<bool>,
    /// Character between the fields of CSV files, such as `;`. Recognised if it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Encoding of CSV and JSON files. Recognised if it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<TextEncoding>,
    /// Names of the columns of CSV files without a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Character that starts a comment line in CSV files, such as `#`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<char>,
    /// Consequence of a row of a CSV file with more or fewer fields than the header.
    #[serde(default, skip_serializing_if = "RaggedRows::is_default")]
    pub ragged: RaggedRows,
    /// Keep one row that training has not seen, and the ranges of numbers, in the package: commands, the page and
    /// `/openapi.json` show it as an example. `false` for private data.
    #[serde(default = "example_by_default")]
    pub example: bool,
    /// Do not hold all rows in memory. They are read in several passes and stored on disk in the form in which
    /// the network reads them.
    pub stream: bool,
    /// Requests to `http(s)://` sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// Pages of JSON records, if the `http(s)://` source is an API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// Table to extract, if the `http(s)://` source is a web page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Page>,
    /// Connection to the brokers of a `kafka://` source: properties of librdkafka, such as
    /// `"sasl.username" = "${KAFKA_USER}"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kafka: BTreeMap<String, String>,
    /// Engine that reads the files and runs `query`: this process or a cluster.
    #[serde(default)]
    pub engine: QueryEngine,
    /// Scheduler of the cluster, such as `df://host:50050`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// An example is kept unless the config says otherwise.
fn example_by_default() -> bool {
    true
}

/// Engine that reads the files and runs `data.query`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueryEngine {
    /// This process.
    #[default]
    Local,
    /// A Ballista scheduler with its executors, all of which read the files under the same paths.
    Ballista,
}

impl Data {
    /// A source without any other setting; the texts of `null` mean a missing value.
    pub fn plain(source: Source, null: &[String]) -> Self {
        Self {
            source,
            test_source: None,
            query: None,
            sql: None,
            watermark: None,
            files: None,
            allow_outside: Vec::new(),
            paragraphs: false,
            max_ratio: None,
            null: null.to_vec(),
            decimal: None,
            day_first: None,
            delimiter: None,
            encoding: None,
            columns: None,
            comment: None,
            ragged: RaggedRows::Fail,
            example: true,
            stream: false,
            http: None,
            api: None,
            page: None,
            kafka: BTreeMap::new(),
            engine: QueryEngine::Local,
            url: None,
        }
    }

    /// Spelling of the text files as far as it is declared.
    pub fn format(&self) -> SourceFormat {
        SourceFormat {
            delimiter: self.delimiter,
            encoding: self.encoding,
            columns: self.columns.clone(),
            comment: self.comment,
        }
    }

    /// The same source with this spelling of its text files.
    #[must_use]
    pub fn with_format(self, format: &SourceFormat) -> Self {
        Self {
            delimiter: format.delimiter,
            encoding: format.encoding,
            columns: format.columns.clone(),
            comment: format.comment,
            ..self
        }
    }

    /// Another source whose texts are read alike: with the same null markers, delimiter, encoding and so on.
    #[must_use]
    pub fn with_same_format(&self, source: Source) -> Self {
        Self {
            decimal: self.decimal,
            delimiter: self.delimiter,
            encoding: self.encoding,
            columns: self.columns.clone(),
            comment: self.comment,
            ragged: self.ragged,
            paragraphs: self.paragraphs,
            max_ratio: self.max_ratio,
            ..Self::plain(source, &self.null)
        }
    }
}
