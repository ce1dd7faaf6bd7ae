//! Errors of retraining.

use std::path::PathBuf;

/// Failure of a watch, or a decision about its challenger.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// A stage of the workflow failed.
    #[error(transparent)]
    Workflow(#[from] cupola_workflow::Error),
    /// The workflow of another scheduler cannot be written.
    #[error(transparent)]
    Deploy(#[from] cupola_deploy::ProjectError),
    /// A line of the journal cannot be read.
    #[error("{path}:{line}: {why}; restore the file from a copy, or move it away to begin anew")]
    Journal {
        /// The journal.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// Reason.
        why: String,
    },
    /// A journal in an object store that is not the whole history, or not one history.
    #[error("{path}: {why}; stop the watch, then {remedy}")]
    History {
        /// Address of the record.
        path: PathBuf,
        /// Reason.
        why: String,
        /// Remedy.
        remedy: String,
    },
    /// The lease of the watch is damaged or gone.
    #[error(transparent)]
    Lease(cupola_store::Error),
    /// Another process watches the same model.
    #[error("{name} is watched already, by {holder}; stop it first, or leave the work to it")]
    Busy {
        /// Name of the model.
        name: String,
        /// The process.
        holder: String,
    },
    /// A request that does not fit the config or the state of the watch.
    #[error("{why}; {remedy}")]
    Request {
        /// Reason.
        why: String,
        /// Remedy.
        remedy: String,
    },
}

impl WatchError {
    pub(crate) fn request(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Request { why: why.into(), remedy: remedy.into() }
    }

    /// Error of taking or renewing the lock of a watch.
    pub(crate) fn of_lock(name: &str, error: cupola_store::Error) -> Self {
        match error {
            cupola_store::Error::Locked { holder, .. } => Self::Busy { name: name.to_owned(), holder },
            lease @ cupola_store::Error::Lease { .. } => Self::Lease(lease),
            other => other.into(),
        }
    }

    /// `true` if a watch must not go on: what it would decide on is damaged.
    pub fn ends_watch(&self) -> bool {
        matches!(self, Self::Journal { .. } | Self::History { .. } | Self::Lease(_))
    }

    /// `true` if the user can correct the cause.
    pub fn is_user_error(&self) -> bool {
        match self {
            Self::Workflow(error) => cupola_workflow::is_user_error(error),
            Self::Deploy(error) => error.is_user_error(),
            Self::Lease(error) => error.is_user_error(),
            Self::Journal { .. } | Self::History { .. } | Self::Request { .. } => true,
            // As for a run that another process trains, it is a state of affairs and no mistake.
            Self::Busy { .. } => false,
        }
    }
}

impl From<cupola_datasets::Error> for WatchError {
    fn from(error: cupola_datasets::Error) -> Self {
        Self::Workflow(error.into())
    }
}

impl From<cupola_registry::Error> for WatchError {
    fn from(error: cupola_registry::Error) -> Self {
        Self::Workflow(error.into())
    }
}

impl From<cupola_store::Error> for WatchError {
    fn from(error: cupola_store::Error) -> Self {
        Self::Workflow(error.into())
    }
}
