//! The error type of this crate.

/// A failure to fit, apply, read or write trees.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input kind that trees do not support.
    #[error("trees do not support {kind} inputs; choose a network in `[model]`, or remove that input")]
    Block {
        /// Kind of the input.
        kind: &'static str,
    },
    /// An error of the library.
    #[error("failed to fit trees: {reason}; check the data for constant columns")]
    Fit {
        /// Message of the library.
        reason: String,
    },
    /// A number below 0 where counts are learned.
    #[error(
        "`loss = \"poisson\"` requires numbers of at least 0, found {found:.4}; choose another `loss` in `[model]`"
    )]
    Count {
        /// The number.
        found: f64,
    },
    /// A column that a monotone constraint cannot hold for.
    #[error(
        "`monotone` names `{column}`, which is not a column of numbers among the inputs{near}; correct `[model]`"
    )]
    Monotone {
        /// Name in the config.
        column: String,
        /// Nearest name as a further clause, or empty.
        near: String,
    },
    /// Growing that its caller ended.
    #[error("stopped before all trees were grown")]
    Stopped,
    /// A file that cannot be read or written.
    #[error("invalid file of trees: {reason}; restore it from its source")]
    File {
        /// Defect of the file.
        reason: String,
    },
    /// A file of trees that an older version has written.
    #[error("the file of trees has the format of an older version; train the model again")]
    Format,
    /// Examples with another number of columns.
    #[error(
        "wrong number of columns: the trees expect {expected}, the examples have {found}; check that plan and model are of one package"
    )]
    Columns {
        /// Columns of the fit.
        expected: usize,
        /// Columns of the examples.
        found: usize,
    },
}
