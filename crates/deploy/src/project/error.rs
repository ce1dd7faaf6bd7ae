//! Errors of a project.

use std::path::PathBuf;

/// Failure of a project.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// Files, names or digests.
    #[error(transparent)]
    Store(#[from] cupola_store::Error),
    /// Files of the project that are there already.
    #[error("{} already {}: {}; add --force to replace {}, or choose another folder",
        .folder.display(), if .files.len() == 1 { "has this file" } else { "has these files" }, .files.join(", "),
        if .files.len() == 1 { "it" } else { "them" })]
    Exists {
        /// Folder of the project.
        folder: PathBuf,
        /// Paths within it.
        files: Vec<String>,
    },
    /// A folder, or something else, where a file or the folder of the project belongs.
    #[error("{path} is not a {expected}; move it away, or choose another folder")]
    InTheWay {
        /// Path of the entry.
        path: PathBuf,
        /// `file` or `folder`.
        expected: &'static str,
    },
    /// Data that a repository cannot hold.
    #[error("{data}: {reason}; {remedy}")]
    Data {
        /// Source as given.
        data: String,
        /// Problem with it.
        reason: String,
        /// Remedy.
        remedy: &'static str,
    },
    /// A value that YAML cannot express.
    #[error("failed to write {file}: {reason}")]
    Yaml {
        /// Path within the project.
        file: &'static str,
        /// Reason of the serializer.
        reason: String,
    },
    /// A failed operation of the file system.
    #[error("{}: {source}; {}", .path.display(), cupola_store::io_remedy(.source))]
    Io {
        /// File or folder of the operation.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
}

impl ProjectError {
    /// `true` if the user can correct the cause.
    pub fn is_user_error(&self) -> bool {
        match self {
            Self::Store(error) => error.is_user_error(),
            Self::Yaml { .. } => false,
            Self::Exists { .. } | Self::InTheWay { .. } | Self::Data { .. } => true,
            Self::Io { source, .. } => {
                use std::io::ErrorKind as K;
                matches!(
                    source.kind(),
                    K::NotFound | K::PermissionDenied | K::NotADirectory | K::IsADirectory
                )
            }
        }
    }
}
