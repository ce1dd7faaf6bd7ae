//! What can go wrong with the record.

use std::path::PathBuf;

/// A record that cannot be written or trusted. Every message ends with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system's answer.
    #[error("{path}: {source}; {}", remedy(.source))]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// A file that does not parse, or holds what it must not.
    #[error("{path}: {why}; restore it from its source")]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file whose digest is not the manifest's.
    #[error("{path}: SHA-256 is {found}, the manifest says {expected}; restore the package from its source")]
    Digest {
        /// Where.
        path: PathBuf,
        /// By the manifest.
        expected: String,
        /// Of the file.
        found: String,
    },
    /// A package that nobody who is trusted has signed.
    #[error(
        "{path}: {why}; sign it with `minisign -Sm manifest.json`, or name the signer's key in `trusted`"
    )]
    Signature {
        /// Where the signature is, or was looked for.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A name that is not there.
    #[error("{what} `{name}` is not in {home}{near}; see `{list}`")]
    Unknown {
        /// `model`, `run`, `version`, `alias`.
        what: &'static str,
        /// As typed.
        name: String,
        /// Where it was looked for.
        home: PathBuf,
        /// ` (near it: x)`.
        near: String,
        /// A command that lists them.
        list: &'static str,
    },
    /// A reference that does not parse.
    #[error("`{text}` is no model; write NAME, NAME@ALIAS, NAME:VERSION or a folder")]
    Reference {
        /// As typed.
        text: String,
    },
    /// An alias that someone else has moved.
    #[error(
        "alias `{alias}` of `{name}` is at {found}, not at {expected}; look again with `cupola models show {name}` and decide anew"
    )]
    Moved {
        /// Of the model.
        name: String,
        /// Of the alias.
        alias: String,
        /// By the caller.
        expected: String,
        /// In the file.
        found: String,
    },
    /// The index.
    #[error("{path}: {why}; run `cupola doctor --rebuild`")]
    Index {
        /// The database.
        path: PathBuf,
        /// What `SQLite` said.
        why: String,
    },
}

fn remedy(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "the disk is full: free space, then resume",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "choose a writable place with --home",
        ErrorKind::NotFound => "check the path",
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            "move what stands there away, or choose another --home"
        }
        _ => "check the disk",
    }
}
