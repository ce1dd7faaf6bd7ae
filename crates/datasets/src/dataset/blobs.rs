//! Content-addressed, immutable files.

use std::path::{Path, PathBuf};

use cupola_sources::{Decrypted, Error as SourceError, FileVersion, ProgressSink, open_file};

use super::encryption::{decrypt, encrypt, recipients};
use crate::error::{Error, io_error};

/// Blob store of a home: `data/blobs`.
pub(super) struct Blobs {
    root: PathBuf,
}

/// Readable blob.
pub(super) struct Blob {
    pub path: PathBuf,
    /// Guard of the temporary file at `path`, if the blob is encrypted.
    pub decrypted: Option<Decrypted>,
}

impl Blobs {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Path of a blob, which need not exist.
    pub fn path(&self, sha256: &str) -> PathBuf {
        let (first, rest) = sha256.split_at(sha256.len().min(2));
        self.root.join(first).join(rest)
    }

    /// Path of an encrypted blob, which need not exist.
    fn sealed(&self, sha256: &str) -> PathBuf {
        self.path(sha256).with_extension("age")
    }

    /// File with the recipients of new blobs; `None` without encryption.
    pub fn recipients(&self) -> Option<PathBuf> {
        Some(recipients(&self.root)).filter(|path| path.is_file())
    }

    /// Path of an existing blob, and `true` if it is encrypted.
    pub fn stored(&self, file: &FileVersion) -> Option<(PathBuf, bool)> {
        let (plain, sealed) = (self.path(&file.sha256), self.sealed(&file.sha256));
        if std::fs::metadata(&plain).is_ok_and(|about| about.len() == file.bytes) {
            return Some((plain, false));
        }
        sealed.is_file().then_some((sealed, true))
    }

    /// Opens a blob: checks its size, or decrypts it.
    pub fn checked(&self, file: &FileVersion) -> Result<Blob, Error> {
        let (path, decrypted) = match self.stored(file) {
            Some((path, true)) => {
                let decrypted = decrypt(&path)?;
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
        let found = FileVersion::of(&blob.path, progress)?.sha256;
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
        let folder = target.parent().unwrap_or(&self.root);
        let io = io_error(&target);
        std::fs::create_dir_all(folder).map_err(io)?;
        let mut staged = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
        let copied = if let Some(recipients) = recipients {
            encrypt(&recipients, &mut open_file(path)?, staged.as_file_mut())?;
            FileVersion::of(path, progress)?
        } else {
            std::fs::copy(path, staged.path()).map_err(io)?;
            FileVersion::of(staged.path(), progress)?
        };
        if copied.sha256 != file.sha256 {
            let why = "it changed while it was read; run the command again".to_owned();
            return Err(SourceError::Engine { path: path.display().to_string(), why }.into());
        }
        appear(staged, &target)
    }

    /// Stores a blob that is encrypted already.
    pub fn add_sealed(&self, staged: tempfile::NamedTempFile, file: &FileVersion) -> Result<(), Error> {
        let target = self.sealed(&file.sha256);
        let folder = target.parent().unwrap_or(&self.root);
        std::fs::create_dir_all(folder).map_err(io_error(&target))?;
        appear(staged, &target)
    }
}

/// Syncs a file, makes it read-only and moves it to its path.
fn appear(staged: tempfile::NamedTempFile, target: &Path) -> Result<(), Error> {
    let io = io_error(target);
    staged.as_file().sync_all().map_err(io)?;
    let mut permissions = staged.as_file().metadata().map_err(io)?.permissions();
    permissions.set_readonly(true);
    staged.as_file().set_permissions(permissions).map_err(io)?;
    staged.persist(target).map_err(|error| io(error.error))?;
    Ok(())
}
