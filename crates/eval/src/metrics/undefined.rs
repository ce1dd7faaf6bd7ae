//! Reasons for which rows do not define a metric.

/// Reason for which rows do not define a metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undefined {
    /// No row has a positive weight.
    #[error("there are no rows")]
    NoRows,
    /// A prediction, score or target is NaN or infinite.
    #[error("a prediction or a target is not a finite number")]
    NotFinite,
    /// All rows have one class.
    #[error("all rows have one class")]
    OneClass,
    /// No row has the class that is looked for.
    #[error("no row has the positive class")]
    NoPositives,
    /// No row is predicted to have the class.
    #[error("no row is predicted to have the positive class")]
    NoPredictedPositives,
    /// No row has the class, and none is predicted to have it.
    #[error("no row has the positive class or is predicted to have it")]
    NoPositivesAtAll,
    /// Targets or predictions have one class only, which leaves nothing to correlate.
    #[error("the targets or the predictions have one class")]
    ConstantClass,
    /// All rows have one value of the target.
    #[error("all rows have one value of the target")]
    ConstantTarget,
    /// All residuals are equal.
    #[error("all residuals are equal")]
    ConstantResidual,
    /// A relative error of a target that is 0.
    #[error("a target is 0, which has no relative error")]
    ZeroTarget,
    /// The naive forecast has no error to compare with.
    #[error("the naive forecast has no error on the training rows")]
    NaiveWithoutError,
    /// A relevance below 0, which has no place in a gain.
    #[error("a relevance is negative")]
    NegativeRelevance,
    /// No group has a relevant row.
    #[error("no group has a relevant row")]
    NoRelevantGroup,
    /// Fewer rows than the metric looks at.
    #[error("there are fewer than {0} rows")]
    TooFewRows(usize),
    /// More rows than ranks are counted for.
    #[error("there are more than 4,294,967,295 rows")]
    TooManyRows,
}
