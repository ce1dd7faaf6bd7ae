//! Destination of audit lines: a file, or standard error where the home is read-only.

use std::io::{self, Write as _};
use std::path::Path;

use super::file::RotatedFile;

/// Destination of audit lines.
#[derive(Debug)]
pub(super) enum AuditSink {
    /// The file in the home.
    File(RotatedFile),
    /// Standard error, which a container's runtime collects.
    Stderr,
}

impl AuditSink {
    /// Opens the file at `path`, or standard error if its file system is read-only: a container has no other place for
    /// lines that must not be lost.
    ///
    /// # Errors
    /// Errors of the file system, other than that it is read-only.
    pub fn open(path: &Path) -> io::Result<Self> {
        match RotatedFile::open(path) {
            Ok(file) => Ok(Self::File(file)),
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                tracing::warn!(path = %path.display(), "the home is read-only: the audit log goes to standard error");
                Ok(Self::Stderr)
            }
            Err(error) => Err(error),
        }
    }

    /// Appends lines: all of them, or none.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.append(lines),
            Self::Stderr => io::stderr().lock().write_all(lines),
        }
    }

    /// Path of the file, or the name of the stream.
    pub fn path(&self) -> &Path {
        match self {
            Self::File(file) => file.path(),
            Self::Stderr => Path::new("standard error"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_opened_and_a_failure_is_not_hidden() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("home/audit.jsonl");
        let mut sink = AuditSink::open(&path).unwrap();
        sink.append(b"{}\n").unwrap();
        assert_eq!((sink.path(), std::fs::read(&path).unwrap().as_slice()), (path.as_path(), &b"{}\n"[..]));
        assert!(AuditSink::open(&path.join("below a file")).is_err());
        // This file system can be written to by nobody, yet it is not read-only.
        assert!(AuditSink::open(Path::new("/proc/none/audit.jsonl")).is_err());
        let mut stderr = AuditSink::Stderr;
        assert!(stderr.append(b"").is_ok() && stderr.path() == Path::new("standard error"));
    }
}
