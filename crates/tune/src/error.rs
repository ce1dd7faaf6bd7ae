//! Errors of spaces and samplers.

/// Error of a study, its space or its sampler. Messages end with the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TuneError {
    /// A space without parameters.
    #[error("the search space is empty; name at least one parameter in `[tune.space]`")]
    EmptySpace,
    /// A parameter whose distribution, condition or name is invalid.
    #[error("`tune.space.{key}`: {reason}")]
    Param {
        /// Name of the parameter.
        key: String,
        /// Cause and remedy.
        reason: String,
    },
    /// A parameter that a grid cannot enumerate.
    #[error(
        "`tune.space.{key}`: a grid requires a finite list of values; set `step` or `choices`, or use another sampler"
    )]
    NotEnumerable {
        /// Name of the parameter.
        key: String,
    },
    /// A grid with more points than a study may have.
    #[error(
        "the grid has more than {limit} points; use larger steps, fewer parameters or the sampler `random`"
    )]
    GridTooLarge {
        /// Largest number of points.
        limit: usize,
    },
    /// A trial beyond the last point of a grid.
    #[error("all {points} points of the grid have been tried; the study is complete")]
    GridExhausted {
        /// Number of points of the grid.
        points: usize,
    },
    /// A sampler that cannot handle the number of objectives of the study.
    #[error(
        "the sampler `{sampler}` supports one objective, found {objectives}; use `nsga2`, `tpe` or `random`"
    )]
    Objectives {
        /// Name of the sampler.
        sampler: &'static str,
        /// Number of objectives.
        objectives: usize,
    },
    /// An unknown name of a sampler.
    #[error("unknown sampler `{name}`; expected one of {expected}")]
    UnknownSampler {
        /// Name as given.
        name: String,
        /// Known names.
        expected: String,
    },
}

impl TuneError {
    /// Error of one parameter of the space.
    pub(crate) fn param(key: &str, reason: impl Into<String>) -> Self {
        Self::Param { key: key.to_owned(), reason: reason.into() }
    }
}
