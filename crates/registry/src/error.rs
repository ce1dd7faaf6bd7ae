//! The error type of this crate.

use std::path::{Path, PathBuf};

/// A failure to read or change the record of runs and packages.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A failure of files, digests, signatures, names or references.
    #[error(transparent)]
    Store(#[from] cupola_store::Error),
    /// A run, model, version or alias that does not exist.
    #[error("unknown {what} `{name}` in {home}{hint}; see `{list}`")]
    Unknown {
        /// `model`, `run`, `version` or `alias`.
        what: &'static str,
        /// Name as given.
        name: String,
        /// Home folder that was searched.
        home: PathBuf,
        /// `` (did you mean `x`?)``, or empty.
        hint: String,
        /// Command that lists the known names.
        list: &'static str,
    },
    /// The beginning of several ids of runs.
    #[error("`{begin}` is the beginning of {} runs; write one of them: {}", found.len(), found.join(", "))]
    Ambiguous {
        /// Text as given.
        begin: String,
        /// Ids that begin with it.
        found: Vec<String>,
    },
    /// An id that another process has begun a run with.
    #[error("another process has just begun run {id}; wait for its end, or give another id")]
    RunTaken {
        /// The id.
        id: String,
    },
    /// A filter, or a column to sort by, that runs do not have.
    #[error("unknown {what} `{found}`{hint}; expected {expected}")]
    Query {
        /// `column` or `filter`.
        what: &'static str,
        /// Name as given.
        found: String,
        /// `` (did you mean `x`?)``, or empty.
        hint: String,
        /// Names that exist.
        expected: String,
    },
    /// A package in the folder of another model or version.
    #[error(
        "{path} holds `{found}`, expected `{expected}`: a package keeps the name and version that it was published with; move it back, or point an alias at it"
    )]
    Misplaced {
        /// Folder of the package.
        path: PathBuf,
        /// `NAME:VERSION` of the manifest.
        found: String,
        /// `NAME:VERSION` of the folder.
        expected: String,
    },
    /// A file in a signed package that the signature does not cover.
    #[error("{path}: the signed manifest.json does not list this file; remove it from the package")]
    Unlisted {
        /// The file.
        path: PathBuf,
    },
    /// A manifest without name or version.
    #[error(
        "{path}: name and version of the model are missing, so no signature covers them; publish the model again with this version of Cupola, and sign it with `minisign -Sm manifest.json`"
    )]
    Unnamed {
        /// The manifest.
        path: PathBuf,
    },
    /// An alias that another process has moved.
    #[error(
        "alias `{alias}` of `{name}` is at {found}, expected {expected}; check it with `cupola models show {name}` and try again"
    )]
    Moved {
        /// Name of the model.
        name: String,
        /// Name of the alias.
        alias: String,
        /// Version that the caller expected.
        expected: String,
        /// Version in the file.
        found: String,
    },
    /// An alias for a package whose gate is broken.
    #[error(
        "{package} broke its gate; see why with `cupola gate --model {package}`, train a better version, or point the alias at it all the same with --force"
    )]
    BrokenGate {
        /// `NAME:VERSION`
        package: String,
    },
    /// A model without the alias `latest`, such as one whose versions all broke their gates.
    #[error(
        "unknown alias `{name}@latest` in {home}: a version gets it when it passes its gate; name a version, such as `{name}:{version}`, or point the alias at it with `cupola models alias {name} latest {version} --force`"
    )]
    NoLatest {
        /// Name of the model.
        name: String,
        /// Home folder that was searched.
        home: PathBuf,
        /// Newest version.
        version: u64,
    },
    /// A failure of the `SQLite` index.
    #[error("{path}: {reason}; run `cupola doctor --rebuild`")]
    Index {
        /// Path of the database.
        path: PathBuf,
        /// Message of `SQLite`.
        reason: String,
    },
}

impl Error {
    /// `true` if the user can correct the cause.
    pub fn is_user_error(&self) -> bool {
        match self {
            Self::Unknown { .. }
            | Self::Ambiguous { .. }
            | Self::Query { .. }
            | Self::Moved { .. }
            | Self::Misplaced { .. }
            | Self::Unlisted { .. }
            | Self::Unnamed { .. }
            | Self::BrokenGate { .. }
            | Self::NoLatest { .. } => true,
            Self::Store(error) => error.is_user_error(),
            Self::Index { .. } | Self::RunTaken { .. } => false,
        }
    }

    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        cupola_store::Error::Damaged { path: path.to_owned(), reason: reason.into() }.into()
    }
}

/// Returns a function that attaches `path` to an I/O error, for `map_err`.
pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
    |source| cupola_store::Error::Io { path: path.to_owned(), source }.into()
}
