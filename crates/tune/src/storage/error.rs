//! Error of stored studies.

use std::path::{Path, PathBuf};

use crate::TuneError;

/// Failure of a stored study. Those of spaces and samplers, which read no file, are [`TuneError`]s.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
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
    /// A space, or a sampler that does not support it.
    #[error(transparent)]
    Tune(#[from] TuneError),
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
    /// A database that cannot be reached or opened, or refuses a statement.
    #[error(
        "study in {database}: {why}; check the database and the address in --storage or `tune.storage`, then give the same \
         command again"
    )]
    Database {
        /// Address without a password.
        database: String,
        /// Reason.
        why: String,
    },
    /// A study on a server, which needs another build.
    #[error(
        "this binary is built without PostgreSQL; build it with: cargo build --release --features postgres"
    )]
    NoServer,
    /// A folder where the journal should be.
    #[error(
        "{path} is a folder, expected the journal of a study; move it away, or give another name with --study"
    )]
    NotAJournal {
        /// The folder.
        path: PathBuf,
    },
    /// A database file that cannot be read or written.
    #[error("{path}: {source}; give a file that you may write with --storage or `tune.storage`")]
    Storage {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A folder of a database file that does not exist.
    #[error("{folder}: no such folder; create it, or correct --storage")]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// A study that began with another config.
    #[error("study {name} began with another config; give another name with --study, or restore the config")]
    OtherConfig {
        /// Name of the study.
        name: String,
    },
    /// A study that another program has deleted from its journal.
    #[error("{path} has no study {name}; give another name with --study")]
    Missing {
        /// The journal.
        path: PathBuf,
        /// Name of the study.
        name: String,
    },
    /// A trial that another worker has taken, since this one did not renew its lease.
    #[error("trial {number} was taken by another worker")]
    LostTrial {
        /// Number of the trial.
        number: usize,
    },
    /// A lock that other processes hold all the time.
    #[error(
        "{path} is locked by another process; stop the process, or remove the file if none writes the study"
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
}

/// Names the file of an error.
pub(crate) fn at(path: &Path) -> impl Fn(std::io::Error) -> StudyError {
    let path = path.to_owned();
    move |source| StudyError::Io { path: path.clone(), source }
}
