//! Error of the crate.

use std::path::{Path, PathBuf};

/// Failure of a study or of its storage.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be read or written.
    #[error("{path}: {source}; {}", cupola_store::io_remedy(.source))]
    Io {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A folder that cannot be created.
    #[error(transparent)]
    Store(#[from] cupola_store::Error),
    /// A line of a journal that is no operation.
    #[error("{path}:{line}: {why}; restore the file, or remove its folder to start the study again")]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// Reason.
        why: String,
    },
    /// A lock that other processes hold all the time.
    #[error("{path} is locked by another process; stop the process, or remove the file if none writes the study")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
}

/// Names the file of an error.
pub(crate) fn at(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { path: path.clone(), source }
}
