//! What can go wrong while preparing.

/// Rows that do not fit. Every message ends with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A column that the config or the plan names is not in the rows.
    #[error("column `{column}` is not in the data{near}; {remedy}")]
    Column {
        /// The column or glob.
        column: String,
        /// ` (near it: x)`.
        near: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A value that does not fit its column.
    #[error("row {row}, column `{column}`: expected {expected}, found {found}; {remedy}")]
    Value {
        /// Row, from 1.
        row: usize,
        /// Column.
        column: String,
        /// What fits.
        expected: String,
        /// What is there.
        found: String,
        /// What to do.
        remedy: String,
    },
    /// The target cannot be learned.
    #[error("target `{column}`: {why}")]
    Target {
        /// Column of the target.
        column: String,
        /// What is wrong, with the remedy.
        why: String,
    },
    /// An input cannot be used.
    #[error("input `{input}`: {why}")]
    Input {
        /// Name of the input.
        input: String,
        /// What is wrong, with the remedy.
        why: String,
    },
    /// The file of a stream's examples.
    #[error("{folder}: {source}; free some space there, or name another place with --home")]
    Store {
        /// Where it is.
        folder: std::path::PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A split has no rows.
    #[error("{rows} rows leave none for the {part} split; add rows or change `[split]`")]
    EmptySplit {
        /// Rows there are.
        rows: usize,
        /// Which split.
        part: &'static str,
    },
    /// More text than one column in memory can hold.
    #[error("column `{column}` holds more than 2 GiB of text or bytes; write `data.stream = true`")]
    TooLarge {
        /// Column.
        column: String,
    },
    /// A computed column.
    #[error("feature `{name}`: {why}")]
    Feature {
        /// Its name.
        name: String,
        /// What is wrong, with the remedy.
        why: String,
    },
    /// An Arrow type that has no meaning here.
    #[error("column `{column}` has type {found}, which cannot be used; cast it in `data.query`")]
    ArrowType {
        /// Column.
        column: String,
        /// Its type.
        found: String,
    },
}

impl Error {
    /// The same for rows of which `before` others stand before them.
    pub(crate) fn after(self, before: usize) -> Self {
        match self {
            Self::Value { row, column, expected, found, remedy } => {
                Self::Value { row: row + before, column, expected, found, remedy }
            }
            other => other,
        }
    }
}
