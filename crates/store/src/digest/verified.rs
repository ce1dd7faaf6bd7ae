//! Files whose digest was checked and which are then read in parts.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::SystemTime;

use super::Sha256Hasher;
use crate::error::{Error, at};

/// Size of the buffer that a digest is computed through, in bytes.
const BUFFER: usize = 1 << 20;

/// An open file whose SHA-256 was checked. The handle stays open, so that the file whose digest was
/// checked is also the one that is read, even if another one takes its place in the folder. A program
/// that writes into the file itself is not noticed.
#[derive(Debug)]
pub struct VerifiedFile {
    file: File,
    length: u64,
    /// Time of the last change before the digest was computed, if the file system tells it.
    modified: Option<SystemTime>,
}

impl VerifiedFile {
    /// Opens a file of at most `limit` bytes and checks its digest, in constant memory.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`] for a larger file, [`Error::Digest`] for another digest.
    pub fn open(path: &Path, expected: &str, limit: u64) -> Result<Self, Error> {
        let file = File::open(path).map_err(at(path))?;
        let modified = modified(&file);
        let (mut hasher, mut length, mut buffer) = (Sha256Hasher::new(), 0, vec![0; BUFFER]);
        loop {
            let count = match (&file).read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(at(path)(error)),
            };
            hasher.update(&buffer[..count]);
            length += count as u64;
            if length > limit {
                let reason = format!("larger than {limit} bytes");
                return Err(Error::Damaged { path: path.to_owned(), reason });
            }
        }
        let found = hasher.finish();
        if found != expected {
            return Err(Error::Digest { path: path.to_owned(), expected: expected.to_owned(), found });
        }
        Ok(Self { file, length, modified })
    }

    /// `true` unless the open file was written to after its digest was checked.
    pub fn is_unchanged(&self) -> bool {
        self.modified.is_some() && modified(&self.file) == self.modified
    }

    /// Length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// Errors of the operating system, and an end of the file before the buffer is full.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

fn modified(file: &File) -> Option<SystemTime> {
    file.metadata().and_then(|metadata| metadata.modified()).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::digest::sha256_hex;

    #[test]
    fn the_file_that_was_checked_is_the_one_that_is_read() {
        let folder = cupola_testkit::temporary();
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..=255).cycle().take(BUFFER + 1_000).collect();
        fs::write(&path, &bytes).unwrap();
        let file = VerifiedFile::open(&path, &sha256_hex(&bytes), u64::MAX).unwrap();
        assert_eq!(file.length(), bytes.len() as u64);
        // Another file takes its place.
        fs::write(folder.path().join("other"), b"other").unwrap();
        fs::rename(folder.path().join("other"), &path).unwrap();
        let mut part = [0; 500];
        file.read_exact_at(&mut part, BUFFER as u64).unwrap();
        assert_eq!(part, bytes[BUFFER..BUFFER + 500]);
        assert!(file.read_exact_at(&mut part, file.length() - 499).is_err());
        assert!(matches!(
            VerifiedFile::open(&path, &sha256_hex(&bytes), u64::MAX),
            Err(Error::Digest { .. })
        ));
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let folder = cupola_testkit::temporary();
        let path = folder.path().join("file");
        fs::write(&path, b"abc").unwrap();
        let digest = sha256_hex(b"abc");
        assert!(VerifiedFile::open(&path, &digest, 3).is_ok());
        assert!(matches!(VerifiedFile::open(&path, &digest, 2), Err(Error::Damaged { .. })));
        assert!(matches!(VerifiedFile::open(folder.path(), &digest, 3), Err(Error::Io { .. })));
    }
}
