//! Errors of jobs on a cluster.

use std::path::PathBuf;

/// Failure of a submission, or of a question about a job.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// A program of the cluster that is not installed here.
    #[error("`{program}` was not found; {remedy}")]
    NoProgram {
        /// Name of the program.
        program: String,
        /// Remedy.
        remedy: &'static str,
    },
    /// A program of the cluster that refused what it was asked for.
    #[error("`{program}` failed: {why}; {remedy}")]
    Refused {
        /// Name of the program.
        program: String,
        /// Its message in one line.
        why: String,
        /// Remedy.
        remedy: &'static str,
    },
    /// A program of the cluster that could not be started or read.
    #[error("`{program}`: {source}; {}", cupola_store::io_remedy(.source))]
    Start {
        /// Name of the program.
        program: String,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A request that no job can meet.
    #[error("{why}; {remedy}")]
    Request {
        /// Reason.
        why: String,
        /// Remedy.
        remedy: String,
    },
    /// A job that is not recorded in the home folder.
    #[error("unknown job `{id}`{hint} in {home}; list jobs with `cupola submit list`")]
    Unknown {
        /// Id as given.
        id: String,
        /// Home folder.
        home: PathBuf,
        /// Hint with the most similar id, or nothing.
        hint: String,
    },
    /// The beginning of the ids of several jobs.
    #[error("`{begin}` begins the ids of several jobs: {}; write more of it", found.join(", "))]
    Ambiguous {
        /// Beginning as given.
        begin: String,
        /// Ids that begin with it.
        found: Vec<String>,
    },
    /// Files of the home folder.
    #[error(transparent)]
    Store(#[from] cupola_store::Error),
    /// A file that cannot be read or written.
    #[error("{path}: {source}; {}", cupola_store::io_remedy(.source))]
    Io {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A manifest that does not become YAML.
    #[error("failed to write the manifest: {0}")]
    Manifest(String),
}

impl SubmitError {
    /// `true` for a mistake that the user can correct.
    pub fn is_user_error(&self) -> bool {
        match self {
            Self::NoProgram { .. }
            | Self::Refused { .. }
            | Self::Request { .. }
            | Self::Unknown { .. }
            | Self::Ambiguous { .. } => true,
            Self::Io { source, .. } => cupola_store::is_user_io(source),
            Self::Store(error) => error.is_user_error(),
            Self::Start { .. } | Self::Manifest(_) => false,
        }
    }

    /// Error of a file.
    pub(super) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}
