//! Files called by the SHA-256 of their bytes, which never change.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::version::FileVersion;
use crate::watch::Watch;

/// `data/blobs` of a home.
pub(super) struct Blobs {
    root: PathBuf,
}

impl Blobs {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where a blob is, or would be.
    pub fn path(&self, sha256: &str) -> PathBuf {
        let (first, rest) = sha256.split_at(sha256.len().min(2));
        self.root.join(first).join(rest)
    }

    /// A blob of the right size.
    pub fn checked(&self, file: &FileVersion) -> Result<PathBuf, Error> {
        let path = self.path(&file.sha256);
        let damaged =
            |why: String| Error::Damaged { path: path.clone(), why: format!("{}: {why}", file.name) };
        let about = std::fs::metadata(&path).map_err(|error| damaged(error.to_string()))?;
        if about.len() != file.bytes {
            return Err(damaged(format!("expected {} bytes, found {}", file.bytes, about.len())));
        }
        Ok(path)
    }

    /// A blob whose bytes are what they were.
    pub fn verify(&self, file: &FileVersion, watch: &dyn Watch) -> Result<(), Error> {
        let path = self.checked(file)?;
        let found = FileVersion::of(&path, watch)?.sha256;
        if found == file.sha256 {
            return Ok(());
        }
        let why = format!("{}: expected SHA-256 {}, found {found}", file.name, file.sha256);
        Err(Error::Damaged { path, why })
    }

    /// Takes a file in, as a copy, if it is not here yet. Its digest is checked once more: a file that
    /// changed meanwhile must not stand under another one's name.
    pub fn add(&self, path: &Path, file: &FileVersion, watch: &dyn Watch) -> Result<(), Error> {
        if self.checked(file).is_ok() {
            return Ok(());
        }
        let target = self.path(&file.sha256);
        let folder = target.parent().unwrap_or(&self.root);
        let io = |source| Error::Io { path: target.clone(), source };
        std::fs::create_dir_all(folder).map_err(io)?;
        let staged = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
        std::fs::copy(path, staged.path()).map_err(io)?;
        let copied = FileVersion::of(staged.path(), watch)?;
        if copied.sha256 != file.sha256 {
            let why = "it changed while it was read; run the command again".to_owned();
            return Err(Error::Engine { path: path.display().to_string(), why });
        }
        staged.as_file().sync_all().map_err(io)?;
        let mut permissions = staged.as_file().metadata().map_err(io)?.permissions();
        permissions.set_readonly(true);
        staged.as_file().set_permissions(permissions).map_err(io)?;
        staged.persist(&target).map_err(|error| Error::Io { path: target.clone(), source: error.error })?;
        Ok(())
    }
}
