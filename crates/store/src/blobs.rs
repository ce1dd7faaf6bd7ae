//! Content-addressed files: each is called by the SHA-256 of its bytes and never changes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::digest::sha256_file;
use crate::disk::staged::StagedFile;
use crate::error::{Error, at};

/// A folder of content-addressed files. The first two digits of a digest are a folder, so that no
/// folder becomes too large.
#[derive(Debug, Clone)]
pub struct Blobs {
    root: PathBuf,
}

impl Blobs {
    /// Creates a store at `root`. The folder appears with the first blob.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The root folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Path of a blob, which need not exist.
    pub fn path(&self, sha256: &str) -> PathBuf {
        let (first, rest) = sha256.split_at(sha256.len().min(2));
        self.root.join(first).join(rest)
    }

    /// `true` if the blob exists with this length. Its bytes are not read.
    pub fn contains(&self, sha256: &str, length: u64) -> bool {
        fs::metadata(self.path(sha256)).is_ok_and(|metadata| metadata.len() == length)
    }

    /// Copies a file into the store. `progress` receives the size of each part of the copy that was
    /// hashed.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Digest`] if the copy's digest is not `sha256`: the file changed
    /// after it was hashed.
    pub fn add(&self, file: &Path, sha256: &str, progress: impl FnMut(u64)) -> Result<(), Error> {
        let mut staged = StagedFile::new(&self.path(sha256))?;
        // `fs::copy` would give the copy the rights of the file.
        let mut source = File::open(file).map_err(at(file))?;
        std::io::copy(&mut source, staged.file_mut()).map_err(at(staged.target()))?;
        let (found, _) = sha256_file(staged.path(), progress)?;
        if found != sha256 {
            return Err(Error::Digest { path: file.to_owned(), expected: sha256.to_owned(), found });
        }
        staged.commit_read_only()
    }

    /// Reads a blob and compares its digest with its name.
    ///
    /// # Errors
    /// [`Error::Digest`], or [`Error::Io`].
    pub fn verify(&self, sha256: &str, progress: impl FnMut(u64)) -> Result<(), Error> {
        let path = self.path(sha256);
        let (found, _) = sha256_file(&path, progress)?;
        if found == sha256 {
            return Ok(());
        }
        Err(Error::Digest { path, expected: sha256.to_owned(), found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256_hex;

    #[test]
    fn a_blob_is_called_by_its_digest() {
        let folder = cupola_testkit::temporary();
        let (file, blobs) = (folder.path().join("file"), Blobs::new(folder.path().join("blobs")));
        fs::write(&file, b"rows").unwrap();
        let sha256 = sha256_hex(b"rows");
        assert!(!blobs.contains(&sha256, 4));
        assert!(matches!(blobs.add(&file, &sha256_hex(b"other"), drop), Err(Error::Digest { .. })));
        blobs.add(&file, &sha256, drop).unwrap();
        blobs.add(&file, &sha256, drop).unwrap();
        assert!(blobs.contains(&sha256, 4) && !blobs.contains(&sha256, 5));
        blobs.verify(&sha256, drop).unwrap();
        let path = blobs.path(&sha256);
        fs::remove_file(&path).unwrap();
        fs::write(&path, b"Rows").unwrap();
        assert!(matches!(blobs.verify(&sha256, drop), Err(Error::Digest { .. })));
    }
}
