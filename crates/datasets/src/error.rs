//! Errors of datasets.

use std::path::{Path, PathBuf};

/// Failure to read, check or keep a dataset. Messages end with a remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Source that cannot be collected or read.
    #[error(transparent)]
    Source(#[from] cupola_sources::Error),
    /// Unmet expectations with the severity `fail`.
    #[error(
        "{count} of `[[expect]]` {are} not met:\n{list}\ncorrect the data, or change the severity to `warn` or `quarantine`"
    )]
    Unmet {
        /// Number of unmet expectations.
        count: usize,
        /// `is` or `are`.
        are: &'static str,
        /// One line for each.
        list: String,
    },
    /// Invalid expectation.
    #[error("[[expect]] {what}: {why}")]
    Expectation {
        /// Expectation in words.
        what: String,
        /// Reason and remedy.
        why: String,
    },
    /// Unknown dataset or version, or an operation that it does not allow.
    #[error("dataset {name}: {why}")]
    Dataset {
        /// Name of the dataset.
        name: String,
        /// Reason and remedy.
        why: String,
    },
    /// Damaged file of the dataset store.
    #[error("{path}: {why}; fetch it again with `cupola data pull`, or restore it from a copy")]
    Damaged {
        /// Path of the file.
        path: PathBuf,
        /// Reason.
        why: String,
    },
    /// Version whose parent is not the newest one any more.
    #[error("dataset {name}: other processes have made versions meanwhile; try again")]
    Superseded {
        /// Name of the dataset.
        name: String,
    },
    /// Spool of pushed rows without space while the object store is away.
    #[error("{mib} MiB of pushed rows wait for {location}; try again when it answers")]
    SpoolFull {
        /// Address of the store.
        location: String,
        /// Space of the spool in MiB.
        mib: u64,
    },
}

impl From<cupola_store::Error> for Error {
    fn from(error: cupola_store::Error) -> Self {
        Self::Source(error.into())
    }
}

/// Error for a [`DatasetResolver`](cupola_sources::DatasetResolver).
impl From<Error> for cupola_sources::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Source(error) => error,
            other => Self::Resolver(Box::new(other)),
        }
    }
}

/// Converts an [`std::io::Error`] about `path`.
pub(crate) fn io_error(path: &Path) -> impl Fn(std::io::Error) -> Error + Copy + '_ {
    move |source| cupola_sources::Error::Io { path: path.to_owned(), source }.into()
}
