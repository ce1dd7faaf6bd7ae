//! What can go wrong while collecting.

use std::path::PathBuf;

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
    #[error("{path}: unknown format; use .csv, .tsv, .jsonl, .ndjson (each also .gz) or .parquet")]
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
    /// The operating system's answer.
    #[error("{path}: {source}; check that the file is readable")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A damaged `.gz`.
    #[error("{path}: not a readable gzip file ({why} after {bytes} bytes); fetch it again")]
    Gzip {
        /// The file.
        path: PathBuf,
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
    /// Anything else that `DataFusion` says.
    #[error("{path}: {why}; check the source")]
    Engine {
        /// The source.
        path: String,
        /// What `DataFusion` said.
        why: String,
    },
}
