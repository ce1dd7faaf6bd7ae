//! Errors of collecting and reading a source.

use std::path::{Path, PathBuf};

/// File extensions, for messages.
const ENDINGS: &str = ".csv, .tsv, .psv, .data, .txt, .json, .jsonl, .ndjson (each also .gz or .zst), .parquet, .arrow, .avro, .xlsx, .xls or .ods";

fn remedy(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free some space there, or choose another folder with --home"
        }
        ErrorKind::ReadOnlyFilesystem => "choose another folder with --home",
        ErrorKind::PermissionDenied => "check the rights of the file, or choose another home with --home",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists | ErrorKind::IsADirectory => {
            "move away what is in its place, or choose another folder with --home"
        }
        _ => "check that the file exists and is accessible",
    }
}

/// Failure to collect or read a source. Messages end with a remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Damaged or invalid content of the store.
    #[error(transparent)]
    Store(cupola_store::Error),
    /// Path without a file.
    #[error("{path}: no such file{near}; check `data.source`")]
    Missing {
        /// Path as typed.
        path: String,
        /// `` (did you mean `x`?)`` with a similar name in the same folder, or empty.
        near: String,
    },
    /// Invalid glob, or one without a match.
    #[error("{pattern}: {why}; check `data.source`")]
    Pattern {
        /// Glob as typed.
        pattern: String,
        /// Reason.
        why: String,
    },
    /// File extension of no supported format.
    #[error("{path}: unknown format; use {ENDINGS}")]
    Format {
        /// Path of the file.
        path: PathBuf,
    },
    /// Files of several formats in one source.
    #[error("{first} and {second} have different formats; convert one, or read them as separate sources")]
    Mixed {
        /// Path of one file.
        first: PathBuf,
        /// Path of a file with another format.
        second: PathBuf,
    },
    /// Files of one source with different headers.
    #[error(
        "{first} has the columns {columns}, {second} has {others}; give all files of a source the same columns in the same order"
    )]
    Columns {
        /// Name of one file.
        first: String,
        /// Columns of that file.
        columns: String,
        /// Name of a file with other columns.
        second: String,
        /// Columns of the second file.
        others: String,
    },
    /// Failed system call.
    #[error("{path}: {source}; {}", remedy(source))]
    Io {
        /// Path of the file or folder.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
    /// Pointer of Git LFS in place of a file.
    #[error("{path}: this is a Git LFS pointer; run `git lfs pull`")]
    Pointer {
        /// Path of the file.
        path: PathBuf,
    },
    /// Damaged `.gz` or `.zst` file.
    #[error("{path}: not a readable {kind} file ({why} after {bytes} bytes); fetch it again")]
    Compressed {
        /// Path of the file.
        path: PathBuf,
        /// Expected compression.
        kind: &'static str,
        /// Message of the decoder.
        why: String,
        /// Decompressed bytes before the damage.
        bytes: u64,
    },
    /// Row that does not parse.
    #[error("{path}: {row}{why}; correct the file")]
    Row {
        /// Source as typed.
        path: String,
        /// `row N: `, or empty; the header is not counted.
        row: String,
        /// Message of the parser.
        why: String,
    },
    /// Row of a CSV file with another number of fields than the header.
    #[error(
        "{file}: row {row}: expected {expected} fields, found {found}; correct the row, or leave such rows out with `data.ragged = \"quarantine\"`"
    )]
    Ragged {
        /// Name of the file.
        file: String,
        /// Number of the row, from 1; the header is not counted.
        row: u64,
        /// Number of fields of the header.
        expected: usize,
        /// Number of fields of the row.
        found: usize,
    },
    /// Value that does not have the type of its column. Reading with types from all rows may succeed.
    #[error("{file}: row {row}, column `{column}`: expected {expected}, found `{value}`; correct the value")]
    Value {
        /// Name of the file.
        file: String,
        /// Number of the row, from 1; the header is not counted.
        row: u64,
        /// Name of the column.
        column: String,
        /// Type of the column in words.
        expected: &'static str,
        /// Value as it is in the file.
        value: String,
    },
    /// Text that is not UTF-8. Reading with the encoding of the whole file may succeed.
    #[error(
        "{file}: row {row}, column `{column}`: the text is not UTF-8; set `data.encoding`, such as \"windows-1252\", or correct the row"
    )]
    Undecodable {
        /// Name of the file.
        file: String,
        /// Number of the row, from 1; the header is not counted.
        row: u64,
        /// Name of the column.
        column: String,
    },
    /// Error of a row, with the line of the file on which it begins.
    #[error("{message}")]
    Line {
        /// Message of the error.
        message: String,
    },
    /// Unusable header of a CSV file.
    #[error("{file}: {why}")]
    Header {
        /// Name of the file.
        file: String,
        /// Reason and remedy.
        why: String,
    },
    /// Invalid SQL in `data.query`.
    #[error("data.query: {why}; the table is called `data` and its columns are: {columns}")]
    Query {
        /// Message of the planner.
        why: String,
        /// Columns of the table.
        columns: String,
    },
    /// Source without rows.
    #[error("{path}: there are no rows{after}; check the source")]
    Empty {
        /// Source as typed.
        path: String,
        /// Step that left none, such as ` after data.query`, or empty.
        after: &'static str,
    },
    /// Invalid location, or a setting that does not fit it.
    #[error("{text}: {why}")]
    Location {
        /// Location or setting as typed.
        text: String,
        /// Reason and remedy.
        why: String,
    },
    /// Unresolved `${NAME}` in a header or an address.
    #[error("${{{name}}} {why}")]
    Secret {
        /// Name between the braces.
        name: String,
        /// Reason and remedy.
        why: String,
    },
    /// Failed request to a server or an object store.
    #[error("{location}: {why}")]
    Remote {
        /// Address as typed.
        location: String,
        /// Reason and remedy.
        why: String,
    },
    /// Error of a database.
    #[error("{location}: {why}; check `data.source` and `data.sql`")]
    Database {
        /// Address as typed.
        location: String,
        /// Message of the database.
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
    /// Damaged file, or a failure of a reader that no row explains.
    #[error("{path}: {why}; check the source")]
    Engine {
        /// Source as typed.
        path: String,
        /// Message of the reader.
        why: String,
    },
    /// Error of the [`DatasetResolver`](crate::DatasetResolver).
    #[error(transparent)]
    Resolver(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// `true` if reading may succeed with types and encodings from all rows instead of the first ones.
    pub fn is_of_a_guess(&self) -> bool {
        matches!(self, Self::Value { .. } | Self::Undecodable { .. } | Self::Row { .. })
    }

    /// The error with the line of its row, which `line` finds by the name of the file and the number of the row.
    #[must_use]
    pub fn with_line(self, line: impl FnOnce(&str, u64) -> Option<u64>) -> Self {
        let place = match &self {
            Self::Ragged { file, row, .. }
            | Self::Value { file, row, .. }
            | Self::Undecodable { file, row, .. } => Some((file, *row)),
            Self::Row { path, row, .. } => {
                let number = row.strip_prefix("row ").and_then(|row| row.strip_suffix(": ")?.parse().ok());
                number.map(|number| (path, number))
            }
            _ => None,
        };
        let Some((file, row)) = place else { return self };
        let Some(line) = line(file, row) else { return self };
        let place = format!("{file}: row {row}");
        Self::Line { message: self.to_string().replacen(&place, &format!("{place} (line {line})"), 1) }
    }

    /// Error for functionality that needs a cargo feature.
    pub fn without(what: &str, feature: &'static str) -> Self {
        Self::Feature { what: what.to_owned(), feature }
    }
}

impl From<cupola_store::Error> for Error {
    fn from(error: cupola_store::Error) -> Self {
        match error {
            cupola_store::Error::Io { path, source } => Self::Io { path, source },
            other => Self::Store(other),
        }
    }
}

/// Converts an [`std::io::Error`] about `path`.
pub fn io_error(path: &Path) -> impl Fn(std::io::Error) -> Error + Copy + '_ {
    move |source| Error::Io { path: path.to_owned(), source }
}
