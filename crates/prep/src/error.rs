//! Errors of preparation.

use cupola_budget::Exceeded;

/// Rows, inputs or targets that cannot be prepared. Every message ends with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A column that the config or the plan names is missing.
    #[error("column `{column}` is not in the data{near}; {remedy}")]
    Column {
        /// Column or glob pattern.
        column: String,
        /// Suggestion such as `` (did you mean `x`?)`` or the columns that are there, with a leading space, or empty.
        near: String,
        /// Remedy.
        remedy: &'static str,
    },
    /// Several columns of the plan are missing.
    #[error("columns `{}` are not in the data{found}; {remedy}", .columns.join("`, `"))]
    Columns {
        /// Columns, in the order of the plan.
        columns: Vec<String>,
        /// Columns that are there, with a leading space, or empty.
        found: String,
        /// Remedy.
        remedy: &'static str,
    },
    /// The column of the groups of `[uncertainty]` is not one that requests have.
    #[error(
        "`uncertainty.by`: `{column}` is not an input of the model, so requests do not have it{near}; add it to `[[inputs]]`, or name an input"
    )]
    GroupColumn {
        /// Column.
        column: String,
        /// Suggestion such as `` (did you mean `x`?)``, or empty.
        near: String,
    },
    /// A value does not fit its column.
    #[error("row {row}, column `{column}`: expected {expected}, found {found}; {remedy}")]
    Value {
        /// Row, counted from 1.
        row: usize,
        /// Column.
        column: String,
        /// Description of valid values.
        expected: String,
        /// The invalid value.
        found: String,
        /// Remedy.
        remedy: String,
    },
    /// A value of a file does not fit its column.
    #[error("{file}: {row}, column `{column}`: expected {expected}, found {found}; {remedy}")]
    FileValue {
        /// Name of the file.
        file: String,
        /// Row of the file, such as `row 3 (line 4)`, counted from 1 after the header.
        row: String,
        /// Column.
        column: String,
        /// Description of valid values.
        expected: String,
        /// The invalid value.
        found: String,
        /// Remedy.
        remedy: String,
    },
    /// Memory or time that a request exceeds.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// A row of the test source is wrong.
    #[error(transparent)]
    InTest(Box<Error>),
    /// The target cannot be learned.
    #[error("target `{column}`: {why}")]
    Target {
        /// Column of the target.
        column: String,
        /// Cause and remedy.
        why: String,
    },
    /// An input cannot be used.
    #[error("input `{input}`: {why}")]
    Input {
        /// Name of the input.
        input: String,
        /// Cause and remedy.
        why: String,
    },
    /// A tokenizer is invalid, or rejects a text.
    #[error("{why}")]
    Tokenizer {
        /// Cause.
        why: String,
    },
    /// A plan that can't transform rows or decode predictions.
    #[error("plan.json: `{key}`: {why}")]
    Plan {
        /// Path of the key.
        key: String,
        /// Description of the problem.
        why: String,
    },
    /// A member that does not fit into one plan with the others.
    #[error(
        "member {member} cannot be joined with the others: {why}; take models of the same rows and target"
    )]
    Join {
        /// Position of the member, from 1.
        member: usize,
        /// Difference.
        why: String,
    },
    /// A file of prepared examples could not be read or written.
    #[error("{folder}: {source}; free disk space, or choose another folder with --home")]
    Store {
        /// File or folder.
        folder: std::path::PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// A split has no rows.
    #[error("{rows} rows leave none for the {part} split; add rows or change `[split]`")]
    EmptySplit {
        /// Number of rows that were split.
        rows: usize,
        /// Name of the split.
        part: &'static str,
    },
    /// A group of a ranking is in two splits.
    #[error(
        "group `{group}` of `{column}` has rows in the {} and the {} split; leave `[split]` to keep groups together, or write `by = \"group\"`",
        .parts[0], .parts[1]
    )]
    TornGroup {
        /// Column of the groups.
        column: String,
        /// Name of the group.
        group: String,
        /// Names of the splits.
        parts: [&'static str; 2],
    },
    /// A column holds more text than an array in memory can.
    #[error("column `{column}` holds more than 2 GiB of text or bytes; write `data.stream = true`")]
    TooLarge {
        /// Column.
        column: String,
    },
    /// A computed column is invalid or cannot be computed.
    #[error("feature `{name}`: {why}")]
    Feature {
        /// Name of the computed column.
        name: String,
        /// Cause and remedy.
        why: String,
    },
    /// An Arrow type is not supported.
    #[error(
        "column `{column}`: type {found} is not supported; convert it to a number or a text, for example in `data.query`"
    )]
    ArrowType {
        /// Column.
        column: String,
        /// Arrow type.
        found: String,
    },
}

impl Error {
    /// Converts the row number of an error in the rows at `indices` to the number in all rows.
    pub(crate) fn row_of(self, indices: &[usize]) -> Self {
        match self {
            Self::Value { row, column, expected, found, remedy } => {
                let row = indices.get(row.wrapping_sub(1)).map_or(row, |index| index + 1);
                Self::Value { row, column, expected, found, remedy }
            }
            other => other,
        }
    }

    /// Marks an error of the rows of the test source.
    pub(crate) fn in_test(self) -> Self {
        Self::InTest(Box::new(self))
    }

    /// Names the file of an error in a row. `locate` maps the index of a row to its file and its place there.
    #[must_use]
    pub fn in_file(self, locate: impl FnOnce(usize) -> Option<(String, String)>) -> Self {
        match self {
            Self::Value { row, column, expected, found, remedy } => match locate(row.saturating_sub(1)) {
                Some((file, row)) => Self::FileValue { file, row, column, expected, found, remedy },
                None => Self::Value { row, column, expected, found, remedy },
            },
            other => other,
        }
    }

    /// Adds `rows` to the row number of an error in a later batch.
    #[must_use]
    pub fn offset_row(self, rows: usize) -> Self {
        match self {
            Self::Value { row, column, expected, found, remedy } => {
                Self::Value { row: row + rows, column, expected, found, remedy }
            }
            Self::InTest(error) => error.offset_row(rows).in_test(),
            other => other,
        }
    }
}
