//! Errors of a manifest.

use std::path::PathBuf;

/// Failure to describe a deployment or to write its files.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Files, names or digests.
    #[error(transparent)]
    Store(#[from] cupola_store::Error),
    /// The package.
    #[error(transparent)]
    Registry(#[from] cupola_registry::Error),
    /// An option that no deployment can meet.
    #[error("{why}; {remedy}")]
    Option {
        /// Reason.
        why: String,
        /// Remedy.
        remedy: String,
    },
    /// A file in place of the folder.
    #[error("{path} is not a folder; choose another --out")]
    NotAFolder {
        /// Path as given.
        path: PathBuf,
    },
    /// A folder with files of something else, or with edited ones.
    #[error(
        "{path} has other or edited files, such as {found}; choose another --out, or write among them with --force"
    )]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// Name of one of them.
        found: String,
    },
    /// A folder that cannot be written.
    #[error("{path}: {source}; choose another --out")]
    Write {
        /// File or folder.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A document that does not become YAML or JSON.
    #[error("failed to write {file}: {reason}")]
    Document {
        /// Name of the file.
        file: String,
        /// Message of the serialiser.
        reason: String,
    },
}

impl ManifestError {
    /// `true` if the user can correct the cause.
    pub fn is_user_error(&self) -> bool {
        match self {
            Self::Option { .. } | Self::NotAFolder { .. } | Self::Occupied { .. } => true,
            Self::Write { source, .. } => {
                use std::io::ErrorKind;
                matches!(
                    source.kind(),
                    ErrorKind::PermissionDenied
                        | ErrorKind::ReadOnlyFilesystem
                        | ErrorKind::NotFound
                        | ErrorKind::NotADirectory
                        | ErrorKind::AlreadyExists
                )
            }
            Self::Registry(error) => error.is_user_error(),
            Self::Store(error) => error.is_user_error(),
            Self::Document { .. } => false,
        }
    }

    /// Error of an option.
    pub(super) fn option(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Option { why: why.into(), remedy: remedy.into() }
    }
}
