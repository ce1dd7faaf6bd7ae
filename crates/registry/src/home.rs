//! The home folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cupola_spec::is_name;
use cupola_store::{Leftover, LocalFolder, Remote, Storage, leftovers, versions};
use jiff::Timestamp;

use crate::error::Error;

/// File that makes a folder a version.
pub(crate) const MANIFEST: &str = "manifest.json";

/// The home folder: `--home`, `CUPOLA_HOME` or `./.cupola`.
#[derive(Debug, Clone)]
pub struct Home {
    storage: LocalFolder,
    remote: Option<Arc<Remote>>,
}

impl Home {
    /// Creates a home at `root`. The folder appears with the first write. If it is the cache of an object store
    /// ([`Remote::attach`]), the home is that of the store.
    pub fn new(root: PathBuf) -> Self {
        let remote = Remote::of(&root);
        Self { storage: LocalFolder::new(root), remote }
    }

    /// Object store that the home is in; `None` for a folder.
    pub fn remote(&self) -> Option<&Arc<Remote>> {
        self.remote.as_ref()
    }

    /// The home as users name it: the address of its object store, or the path of its folder.
    pub fn location(&self) -> PathBuf {
        self.remote.as_ref().map_or_else(|| self.root().to_owned(), |remote| remote.url().into())
    }

    /// Path of the home folder.
    pub fn root(&self) -> &Path {
        self.storage.root()
    }

    /// The home as a storage.
    pub fn storage(&self) -> &dyn Storage {
        &self.storage
    }

    /// `runs/`
    pub fn runs(&self) -> PathBuf {
        self.root().join("runs")
    }

    /// `models/`
    pub fn models(&self) -> PathBuf {
        self.root().join("models")
    }

    /// `index.sqlite`
    pub fn index(&self) -> PathBuf {
        self.root().join("index.sqlite")
    }

    /// Checks that the home and its parts are folders, or missing.
    ///
    /// # Errors
    /// [`Error::Store`] names the first file in place of a folder.
    pub fn check(&self) -> Result<(), Error> {
        let root = self.root();
        // A link to a folder on another disk is welcome.
        let is_wrong = |path: &Path| path.symlink_metadata().is_ok() && !path.is_dir();
        let parts = ["models", "runs", "data"].map(|name| root.join(name));
        let in_the_way = |path: &&Path| !path.as_os_str().is_empty() && path.exists() && !path.is_dir();
        let wrong =
            std::iter::once(root).chain(parts.iter().map(PathBuf::as_path)).find(|path| is_wrong(path));
        match wrong.or_else(|| root.ancestors().find(in_the_way)) {
            Some(path) => Err(cupola_store::Error::NotAFolder { path: path.to_owned() }.into()),
            None => Ok(()),
        }
    }

    /// Checks that the object store of the home exists and takes what is published; nothing for a folder. Called before
    /// work that ends with a publication.
    ///
    /// # Errors
    /// [`Error::Store`] with the remedy.
    pub fn check_writable(&self) -> Result<(), Error> {
        match self.remote() {
            Some(remote) => Ok(remote.check_writable()?),
            None => Ok(()),
        }
    }

    /// Names of all models. Links and folders with other names are left out.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn model_names(&self) -> Result<Vec<String>, Error> {
        self.refresh_models()?;
        self.cached_model_names()
    }

    /// Names of the models in the folder.
    pub(crate) fn cached_model_names(&self) -> Result<Vec<String>, Error> {
        let mut names = self.storage.folders("models")?;
        names.retain(|name| is_name(name));
        Ok(names)
    }

    /// Versions of a model, oldest first. Links, folders without a manifest and those that are not called
    /// by a version number are left out.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn versions(&self, name: &str) -> Result<Vec<u64>, Error> {
        Ok(versions(&self.models().join(name), MANIFEST)?)
    }

    /// Staged files and folders of the whole home, and unfinished downloads, with size and age.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn leftovers(&self) -> Result<Vec<Leftover>, Error> {
        Ok(leftovers(self.root())?)
    }
}

/// Current time in UTC, RFC 3339 with milliseconds: runs are ordered by it.
pub fn now() -> String {
    format!("{:.3}", Timestamp::now())
}

/// Current time with nanoseconds, which also tells apart what several writers make at once.
pub(crate) fn precise_now() -> String {
    format!("{:.9}", Timestamp::now())
}
