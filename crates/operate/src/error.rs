//! Errors of the operation of models.

/// Failure of a report, a retraining or a job.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A stage of the workflow failed.
    #[error(transparent)]
    Workflow(#[from] cupola_workflow::Error),
    /// Values, profiles or rules are unusable.
    #[error(transparent)]
    Monitor(#[from] cupola_monitor::Error),
    /// Retraining.
    #[error(transparent)]
    Watch(#[from] crate::watch::WatchError),
    /// A job on a cluster.
    #[error(transparent)]
    Submit(#[from] crate::submit::SubmitError),
    /// A package without a reference profile, where no other reference is given.
    #[error(
        "{package} has no reference profile, as packages that were imported or published by an earlier version; give its \
         training data with --reference FILE, or train it again"
    )]
    NoProfile {
        /// `NAME:VERSION`
        package: String,
    },
    /// Data without rows.
    #[error("{data} has no rows; give data that has some")]
    NoRows {
        /// Source.
        data: String,
    },
    /// No column of the data that the reference has too.
    #[error(
        "{package} has no column with a distribution to compare; give its training data with --reference FILE"
    )]
    NothingToCompare {
        /// `NAME:VERSION`
        package: String,
    },
    /// Feedback that cannot be read.
    #[error("failed to read {}: {source}; check --feedback", .path.display())]
    Feedback {
        /// Path of the file.
        path: std::path::PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// A performance log that cannot be read.
    #[error("failed to read {}: {why}; a server writes it with `performance_log` in `[monitor]`", .path.display())]
    ServiceLog {
        /// Path of the folder or file.
        path: std::path::PathBuf,
        /// Reason.
        why: String,
    },
    /// Multivariate drift without rows to compare with.
    #[error(
        "multivariate drift requires rows to compare with, which a profile does not have; give the training data with \
         --reference FILE"
    )]
    NoReferenceRows,
    /// Drift of embeddings for a package that has none to compare with.
    #[error(
        "drift of embeddings requires rows to compare with: {package} has no `monitor.safetensors`, which training seals with a \
         network of texts or pictures unless `data.example = false`; give the training data with --reference FILE"
    )]
    NoReferenceEmbeddings {
        /// `NAME:VERSION`
        package: String,
    },
    /// Embeddings of the package and of the rows differ in width.
    #[error(
        "the embeddings of {package} have {sealed} values, those of the rows {found}; publish the model again, or give the \
         training data with --reference FILE"
    )]
    EmbeddingWidth {
        /// `NAME:VERSION`
        package: String,
        /// Values of a sealed vector.
        sealed: usize,
        /// Values of a vector of the rows.
        found: usize,
    },
    /// A threshold that every score of a statistic is below.
    #[error(
        "`--threshold {threshold}` is out of range: the scores of `{method}` are at most 1; give a smaller number"
    )]
    Threshold {
        /// Threshold.
        threshold: f64,
        /// Statistic.
        method: &'static str,
    },
    /// A file without the state of a server's windows.
    #[error(
        "failed to read {}: {why}; give files with the answer of `GET /v1/models/NAME/monitor?state=1`", .path.display()
    )]
    StateFile {
        /// Path of the file.
        path: std::path::PathBuf,
        /// Reason.
        why: String,
    },
    /// A state that is given twice.
    #[error("{} has the same state as {}, whose rows would count twice; give the answer of each server once", .path.display(), .other.display())]
    SameState {
        /// Path of the file.
        path: std::path::PathBuf,
        /// Path of the file before it.
        other: std::path::PathBuf,
    },
    /// States of servers that are judged by the package of another model.
    #[error(
        "the states are of {states}, the package is {package}; give the one that the servers have loaded"
    )]
    OtherModel {
        /// `NAME:VERSION` of the package.
        package: String,
        /// Model and version of the states.
        states: String,
    },
    /// States of servers without embeddings, or a package without any.
    #[error(
        "the states have no embeddings of {model}: a server samples them for a package with `monitor.safetensors` unless \
         `[monitor]` has `embeddings = false`; leave out --model to merge the other sketches"
    )]
    NoMergedEmbeddings {
        /// `NAME:VERSION`
        model: String,
    },
    /// Data without targets, where no reference allows an estimate.
    #[error(
        "{data} has no row whose `{target}` is known: give feedback with --feedback DIR, or rows with targets that the \
         model was not trained on with --reference FILE"
    )]
    NoTargets {
        /// Source.
        data: String,
        /// Name of the target.
        target: String,
    },
    /// Forecasts without values.
    #[error(
        "{data} has forecasts, but not what came of them: give the table of the series with --targets FILE, feedback with \
         --feedback DIR, or rows that the model was not trained on with --reference FILE, which estimate the errors"
    )]
    NoLateTargets {
        /// Source.
        data: String,
    },
}

impl Error {
    /// `true` if the user can correct the cause.
    pub fn is_user_error(&self) -> bool {
        match self {
            Self::Workflow(error) => error.is_user_error(),
            Self::Watch(error) => error.is_user_error(),
            Self::Submit(error) => error.is_user_error(),
            Self::Monitor(_)
            | Self::Feedback { .. }
            | Self::NoTargets { .. }
            | Self::NoLateTargets { .. }
            | Self::NoReferenceRows
            | Self::NoReferenceEmbeddings { .. }
            | Self::EmbeddingWidth { .. }
            | Self::Threshold { .. }
            | Self::StateFile { .. }
            | Self::SameState { .. }
            | Self::OtherModel { .. }
            | Self::NoMergedEmbeddings { .. }
            | Self::ServiceLog { .. }
            | Self::NoProfile { .. }
            | Self::NoRows { .. }
            | Self::NothingToCompare { .. } => true,
        }
    }
}
