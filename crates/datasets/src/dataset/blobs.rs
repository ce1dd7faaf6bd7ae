//! Content-addressed, immutable files.

use std::path::{Path, PathBuf};

use cupola_sources::{Decrypted, Error as SourceError, NoProgress, ProgressSink, file_version, open_file};
use cupola_store::{FileVersion, StagedFile};

use super::encryption::{decrypt, encrypt, recipients};
use crate::error::{Error, io_error};

/// Blob store of a home: `data/blobs`.
pub(super) struct Blobs {
    plain: cupola_store::Blobs,
}

/// Readable blob.
pub(super) struct Blob {
    pub path: PathBuf,
    /// Guard of the temporary file at `path`, if the blob is encrypted.
    pub decrypted: Option<Decrypted>,
}

impl Blobs {
    pub fn new(root: PathBuf) -> Self {
        Self { plain: cupola_store::Blobs::new(root) }
    }

    /// Path of a blob, which need not exist.
    pub fn path(&self, sha256: &str) -> PathBuf {
        self.plain.path(sha256)
    }

    /// Path of an encrypted blob, which need not exist.
    pub fn sealed(&self, sha256: &str) -> PathBuf {
        self.path(sha256).with_extension("age")
    }

    /// File with the recipients of new blobs; `None` without encryption.
    pub fn recipients(&self) -> Option<PathBuf> {
        Some(recipients(self.plain.root())).filter(|path| path.is_file())
    }

    /// Path of an existing blob, and `true` if it is encrypted.
    pub fn stored(&self, file: &FileVersion) -> Option<(PathBuf, bool)> {
        if self.plain.contains(&file.sha256, file.bytes) {
            return Some((self.path(&file.sha256), false));
        }
        let sealed = self.sealed(&file.sha256);
        sealed.is_file().then_some((sealed, true))
    }

    /// Opens a blob: checks its size, or decrypts it.
    pub fn checked(&self, file: &FileVersion) -> Result<Blob, Error> {
        let (path, decrypted) = match self.stored(file) {
            Some((path, true)) => {
                let decrypted = decrypt(&path)?;
                // Whoever knows a recipient can encrypt other bytes to it.
                let found = file_version(&decrypted.path(), &NoProgress)?.sha256;
                if found != file.sha256 {
                    let why = format!("{}: expected SHA-256 {}, found {found}", file.name, file.sha256);
                    return Err(Error::Damaged { path, why });
                }
                (decrypted.path(), Some(decrypted))
            }
            _ => (self.path(&file.sha256), None),
        };
        let damaged =
            |why: String| Error::Damaged { path: path.clone(), why: format!("{}: {why}", file.name) };
        let about = std::fs::metadata(&path).map_err(|error| damaged(error.to_string()))?;
        if about.len() != file.bytes {
            return Err(damaged(format!("expected {} bytes, found {}", file.bytes, about.len())));
        }
        Ok(Blob { path, decrypted })
    }

    /// Checks the digest of a blob.
    pub fn verify(&self, file: &FileVersion, progress: &dyn ProgressSink) -> Result<(), Error> {
        let blob = self.checked(file)?;
        let found = file_version(&blob.path, progress)?.sha256;
        if found == file.sha256 {
            return Ok(());
        }
        let why = format!("{}: expected SHA-256 {}, found {found}", file.name, file.sha256);
        Err(Error::Damaged { path: blob.path, why })
    }

    /// Copies a file into the store, unless it is stored already. The digest of the copy is checked, since
    /// the file may have changed after it was hashed.
    pub fn add(&self, path: &Path, file: &FileVersion, progress: &dyn ProgressSink) -> Result<(), Error> {
        if self.stored(file).is_some() {
            return Ok(());
        }
        let recipients = self.recipients();
        let target = if recipients.is_some() { self.sealed(&file.sha256) } else { self.path(&file.sha256) };
        let mut staged = StagedFile::new(&target)?;
        let copied = if let Some(recipients) = recipients {
            encrypt(&recipients, &mut open_file(path)?, staged.file_mut())?;
            file_version(path, progress)?
        } else {
            // `fs::copy` would give the copy the rights of the file.
            std::io::copy(&mut open_file(path)?, staged.file_mut()).map_err(io_error(&target))?;
            file_version(staged.path(), progress)?
        };
        if copied.sha256 != file.sha256 {
            let why = "it changed while it was read; run the command again".to_owned();
            return Err(SourceError::Engine { path: path.display().to_string(), why }.into());
        }
        Ok(staged.commit_read_only()?)
    }

    /// Starts a blob that is encrypted already.
    pub fn stage_sealed(&self, file: &FileVersion) -> Result<StagedFile, Error> {
        Ok(StagedFile::new(&self.sealed(&file.sha256))?)
    }
}
