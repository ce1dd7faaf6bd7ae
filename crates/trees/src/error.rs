//! What can go wrong with trees.

/// Trees that cannot be grown, or a file of them that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Inputs that trees do not take.
    #[error("trees cannot split a {kind}; choose a network in `[model]`, or leave that input out")]
    Block {
        /// Of the input.
        kind: &'static str,
    },
    /// What the library says.
    #[error("growing trees failed: {why}; check the data for columns of one value")]
    Grow {
        /// Its words.
        why: String,
    },
    /// A file that does not fit.
    #[error("not a file of trees ({why}); restore it from its source")]
    File {
        /// What is wrong.
        why: String,
    },
    /// Examples of another width.
    #[error(
        "the trees split {expected} columns, the examples have {found}; the files are not of one package"
    )]
    Columns {
        /// When they were grown.
        expected: usize,
        /// Now.
        found: usize,
    },
}
