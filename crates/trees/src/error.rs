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
