//! The error type of this crate.

use std::path::{Path, PathBuf};

/// A failure to store, read or trust something. Messages end with a remedy where there is one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A failed operation of the file system.
    #[error("{path}: {source}; {}", io_remedy(.source))]
    Io {
        /// File or folder of the operation.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A file that does not parse, or whose content is not allowed.
    #[error("{path}: {reason}; restore it from its source")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Defect of the file.
        reason: String,
    },
    /// A file whose digest differs from the recorded one.
    #[error("{path}: SHA-256 is {found}, expected {expected}; restore it from its source")]
    Digest {
        /// The file.
        path: PathBuf,
        /// Recorded digest.
        expected: String,
        /// Digest of the bytes.
        found: String,
    },
    /// A file without a signature of a trusted key.
    #[error("{path}: {reason}; sign it with `minisign -Sm {}`, or add the signer's key to `trusted`", signed(.path))]
    Signature {
        /// Path of the signature.
        path: PathBuf,
        /// Defect of the signature.
        reason: String,
    },
    /// A lock that another process holds.
    #[error("{path} is locked by {holder}; wait until it ends, or stop it")]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Process that holds it, as far as the system tells.
        holder: String,
    },
    /// A lease that cannot be read, or is gone while this process holds it.
    #[error(
        "{path}: {reason}; stop each process that works under this lease, delete the object if it is there, and start one \
         of them again: its fencing number stays larger than theirs"
    )]
    Lease {
        /// Address of the lease.
        path: PathBuf,
        /// Defect of the lease.
        reason: String,
    },
    /// A folder, a link or a special file where a file of the home belongs.
    #[error("{path} is not a regular file; move it away")]
    NotAFile {
        /// Path of the entry.
        path: PathBuf,
    },
    /// A file, or a link that leads nowhere, where a folder of the home belongs.
    #[error("{path} is not a folder; move it away, or choose another folder with --home")]
    NotAFolder {
        /// Path of the entry.
        path: PathBuf,
    },
    /// A folder whose version numbers are used up.
    #[error(
        "{path}: no version number after {} is left; move that version away, or publish under another name",
        crate::versions::VERSION_LIMIT
    )]
    VersionLimit {
        /// Folder of the versions.
        path: PathBuf,
    },
    /// Text that is not a valid name.
    #[error("invalid name `{text}`: use {}", cupola_spec::NAME_RULE)]
    Name {
        /// Text as given.
        text: String,
    },
    /// Text that is not a valid reference.
    #[error("invalid model `{text}`: expected NAME, NAME@ALIAS, NAME:VERSION or a folder")]
    Reference {
        /// Text as given.
        text: String,
    },
    /// Text after the colon of `NAME:VERSION` that is not a version number.
    #[error(
        "invalid version `{version}` of `{name}`: expected a number from 1 to {}, as in `{name}:1`",
        crate::versions::VERSION_LIMIT
    )]
    Version {
        /// Text before the colon.
        name: String,
        /// Text after the colon.
        version: String,
    },
    /// A failed operation of an object store.
    #[error("{location}: {why}")]
    Remote {
        /// Address of the store.
        location: String,
        /// Reason and remedy.
        why: String,
        /// `true` if the same operation may succeed later.
        transient: bool,
    },
    /// A storage key that leads out of its root.
    #[error("invalid key `{key}`: expected plain names separated by `/`")]
    Key {
        /// Key as given.
        key: String,
    },
}

impl Error {
    /// `true` for a failure of an object store that may pass.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Remote { transient: true, .. })
    }

    /// `true` if the user can correct the cause.
    pub fn is_user_error(&self) -> bool {
        match self {
            Self::Name { .. }
            | Self::Reference { .. }
            | Self::Version { .. }
            | Self::Signature { .. }
            | Self::Lease { .. }
            | Self::NotAFile { .. }
            | Self::NotAFolder { .. }
            | Self::VersionLimit { .. } => true,
            Self::Io { source, .. } => is_user_io(source),
            Self::Remote { transient, .. } => !transient,
            Self::Damaged { .. } | Self::Digest { .. } | Self::Locked { .. } | Self::Key { .. } => false,
        }
    }
}

/// Returns a function that attaches `path` to an I/O error, for `map_err`.
pub(crate) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
    |source| Error::Io { path: path.to_owned(), source }
}

/// `true` if the user can correct a failed operation on a file: its path, or the rights.
pub fn is_user_io(source: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
    matches!(source.kind(), NotADirectory | NotFound | PermissionDenied | ReadOnlyFilesystem)
}

/// Remedy for a failed operation on a file of the home.
pub fn io_remedy(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "the disk is full: free space, then resume",
        ErrorKind::FileTooLarge => "raise the limit for files (`ulimit -f`), or choose another disk",
        ErrorKind::IsADirectory | ErrorKind::DirectoryNotEmpty => "move the existing folder away",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "choose a writable folder with --home",
        ErrorKind::NotFound => "check the path, or choose another folder with --home",
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            "move the existing file away, or choose another --home"
        }
        _ => "check the disk",
    }
}

/// Name of the file that a `.minisig` file signs.
fn signed(signature: &Path) -> String {
    signature.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
