//! Where everything is kept.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::error::Error;
use crate::files::{folders, io};

/// The home folder: `--home`, `CUPOLA_HOME` or `./.cupola`.
#[derive(Debug, Clone)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// A home at `root`; it is made on the first write.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `runs/`
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// `models/`
    pub fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// `index.sqlite`
    pub fn index(&self) -> PathBuf {
        self.root.join("index.sqlite")
    }

    /// Names of all models.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn model_names(&self) -> Result<Vec<String>, Error> {
        Ok(folders(&self.models())?.into_iter().map(|(name, _)| name).collect())
    }

    /// Versions of a model, oldest first.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn versions(&self, name: &str) -> Result<Vec<u64>, Error> {
        let found = folders(&self.models().join(name))?;
        let mut versions: Vec<u64> = found.iter().filter_map(|(name, _)| name.parse().ok()).collect();
        versions.sort_unstable();
        Ok(versions)
    }

    /// Staged folders that a killed process left behind: those untouched for ten minutes, since a
    /// younger one may be of a process that is writing it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn leftovers(&self) -> Result<Vec<PathBuf>, Error> {
        let mut found = Vec::new();
        let mut places = vec![self.models()];
        places.extend(folders(&self.models())?.into_iter().map(|(_, path)| path));
        for (_, run) in folders(&self.runs())? {
            places.push(run.join("checkpoints"));
        }
        for place in places.iter().filter(|place| place.is_dir()) {
            for entry in fs::read_dir(place).map_err(io(place))? {
                let entry = entry.map_err(io(place))?;
                let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
                let old = age.is_some_and(|age| age > std::time::Duration::from_mins(10));
                if old && entry.file_name().to_string_lossy().starts_with(".staged-") {
                    found.push(entry.path());
                }
            }
        }
        Ok(found)
    }

    /// An exclusive lock among processes that ends with the returned file.
    pub(crate) fn lock(folder: &Path) -> Result<File, Error> {
        fs::create_dir_all(folder).map_err(io(folder))?;
        let path = folder.join(".lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io(&path))?;
        file.lock().map_err(io(&path))?;
        Ok(file)
    }
}

/// The time now, RFC 3339 in UTC, with milliseconds: runs are told apart by when they began.
pub fn now() -> String {
    format!("{:.3}", Timestamp::now())
}
