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
    /// A job on a cluster.
    #[error(transparent)]
    Submit(#[from] crate::submit::SubmitError),
}
