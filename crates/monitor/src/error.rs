//! Errors of monitoring.

/// What is wrong with values, profiles or rules that were given.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A reference profile does not parse, or its numbers contradict each other.
    #[error("invalid reference profile: {0}")]
    Profile(String),
    /// Sketches of different columns, bins or categories.
    #[error("sketches of {what} differ: {why}; merge those of one version of one model")]
    Merge {
        /// Column, or the whole table.
        what: String,
        /// Difference.
        why: &'static str,
    },
    /// A document of sketches does not parse, or its numbers contradict each other.
    #[error("invalid sketches: {0}")]
    Sketch(String),
}
