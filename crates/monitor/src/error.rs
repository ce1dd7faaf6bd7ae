//! Errors of monitoring.

/// What is wrong with values, profiles or rules that were given.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A reference profile does not parse, or its numbers contradict each other.
    #[error("invalid reference profile: {0}")]
    Profile(String),
    /// A statistic of drift has no such name.
    #[error("unknown statistic `{name}`; expected one of {names}")]
    Method {
        /// Name.
        name: String,
        /// All names.
        names: String,
    },
}
