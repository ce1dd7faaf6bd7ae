//! Errors of monitoring.

/// What is wrong with values, profiles or rules that were given.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Lists of rows that differ in length.
    #[error("mismatched rows: expected {expected} values, found {found}")]
    MismatchedRows {
        /// Expected number of values.
        expected: usize,
        /// Number that was found.
        found: usize,
    },
    /// A class that the model does not have.
    #[error("class {class} is out of range: the model has {classes} classes")]
    ClassOutOfRange {
        /// Number of the class.
        class: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A classifier with a single class.
    #[error("performance of a classifier is estimated for at least two classes")]
    TooFewClasses,
    /// A reference without targets.
    #[error("the reference has no row with a target and a prediction; give rows whose targets are known")]
    NoReferenceTargets,
    /// Chunks by period for rows without times.
    #[error(
        "chunks by period require a time in each row; choose chunks by size or count, such as `size:500`"
    )]
    NoTimes,
    /// A division into chunks that does not exist.
    #[error(
        "unknown chunks `{0}`; expected `size:N`, `count:N`, `hour`, `day`, `week`, `month`, `quarter` or `year`"
    )]
    UnknownChunking(String),
}
