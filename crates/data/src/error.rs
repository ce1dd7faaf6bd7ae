//! What can go wrong while collecting.

use std::path::PathBuf;

use crate::files::ENDINGS;

fn remedy(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free some space there, or name another place with --home"
        }
        ErrorKind::ReadOnlyFilesystem => "name another place with --home",
        _ => "check that the file is there and may be used",
    }
}

/// A source that cannot be read. Every message ends with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No file stands at the path.
    #[error("{path}: no such file{near}; check `data.source`")]
    Missing {
        /// As typed.
        path: String,
        /// A like name in the same folder.
        near: String,
    },
    /// A glob that matches nothing, or is none.
    #[error("{pattern}: {why}; check `data.source`")]
    Pattern {
        /// As typed.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// The file's ending names no known format.
    #[error("{path}: unknown format; use {ENDINGS}")]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// Files of several formats in one source.
    #[error("{first} and {second} are of different formats; convert one, or read them apart")]
    Mixed {
        /// A file.
        first: PathBuf,
        /// Another.
        second: PathBuf,
    },
    /// Files of one table with other columns.
    #[error(
        "{first} has the columns {columns}, {second} has {others}; give all files of a source the same columns in the same order"
    )]
    Columns {
        /// A file.
        first: String,
        /// Its columns.
        columns: String,
        /// Another.
        second: String,
        /// Its columns.
        others: String,
    },
    /// The operating system's answer.
    #[error("{path}: {source}; {}", remedy(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A damaged `.gz` or `.zst`.
    #[error("{path}: not a readable {kind} file ({why} after {bytes} bytes); fetch it again")]
    Compressed {
        /// The file.
        path: PathBuf,
        /// What it should be.
        kind: &'static str,
        /// What the decoder said.
        why: String,
        /// Uncompressed bytes read until then.
        bytes: u64,
    },
    /// A row that does not parse.
    #[error("{path}: {row}{why}; mend the file")]
    Row {
        /// The source.
        path: String,
        /// `row N: `, where known; the header is not counted.
        row: String,
        /// What the parser said.
        why: String,
    },
    /// The SQL of `data.query`.
    #[error("data.query: {why}; the table is called `data` and its columns are: {columns}")]
    Query {
        /// What the planner said.
        why: String,
        /// The columns there are.
        columns: String,
    },
    /// No rows.
    #[error("{path}: there are no rows{after}; check the source")]
    Empty {
        /// The source.
        path: String,
        /// ` after data.query`, if there is one.
        after: &'static str,
    },
    /// A source whose text cannot be understood.
    #[error("{text}: {why}")]
    Place {
        /// As typed.
        text: String,
        /// What is wrong, with the remedy.
        why: String,
    },
    /// A variable in a header or an address.
    #[error("${{{name}}} {why}")]
    Secret {
        /// Its name.
        name: String,
        /// What is wrong, with the remedy.
        why: String,
    },
    /// A server that does not answer as it should.
    #[error("{place}: {why}")]
    Remote {
        /// The address as typed.
        place: String,
        /// What happened, with the remedy.
        why: String,
    },
    /// A database's answer.
    #[error("{place}: {why}; check `data.source` and `data.sql`")]
    Database {
        /// The address as typed.
        place: String,
        /// What it said.
        why: String,
    },
    /// Rows that are not as expected.
    #[error(
        "{count} of `[[expect]]` {are} not met:\n{list}\nmend the data, or change the severity to `warn` or `quarantine`"
    )]
    Expected {
        /// How many.
        count: usize,
        /// `is` or `are`.
        are: &'static str,
        /// One line for each.
        list: String,
    },
    /// An expectation that makes no sense for the data.
    #[error("[[expect]] {what}: {why}")]
    Expectation {
        /// Which one.
        what: String,
        /// What is wrong, with the remedy.
        why: String,
    },
    /// The dataset store.
    #[error("dataset {name}: {why}")]
    Dataset {
        /// Its name.
        name: String,
        /// What is wrong, with the remedy.
        why: String,
    },
    /// A file of the store that is not what it was.
    #[error("{path}: {why}; fetch it again with `cupola data pull`, or restore it from a copy")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Functionality that this binary was built without.
    #[error(
        "{what} requires the cargo feature `{feature}`; build with `cargo build --release --features {feature}` (or `full`)"
    )]
    Feature {
        /// Setting or source that needs it.
        what: String,
        /// Cargo feature of the root package.
        feature: &'static str,
    },
    /// Invalid value of a setting.
    #[error("{key}: {why}")]
    Setting {
        /// Dotted key.
        key: &'static str,
        /// Reason and remedy.
        why: String,
    },
    /// Damaged file, or a failure of the reader that no row explains.
    #[error("{path}: {why}; check the source")]
    Engine {
        /// The source.
        path: String,
        /// The reader's message.
        why: String,
    },
}

impl Error {
    /// Error for functionality that needs a cargo feature.
    pub(crate) fn without(what: &str, feature: &'static str) -> Self {
        Self::Feature { what: what.to_owned(), feature }
    }
}
