//! A home folder for one look, in which versions of datasets are made and removed again.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use cupola_datasets::Datasets;
use cupola_registry::Home;
use cupola_spec::{Run, Watch};
use cupola_store::StagedFolder;

use crate::watch::contest::champion_of;
use crate::watch::error::WatchError;

/// Folders of `data` without versions that a look has to see.
const LEFT_OUT: [&str; 2] = ["prepared", "quarantine"];
/// Folders of `data` with many files that are replaced and never changed: the files are linked.
const LINKED: [&str; 2] = ["blobs", "cache"];

/// Temporary home folder with the models and datasets of another one. It is removed when it is dropped.
pub(in crate::watch) struct ScratchHome {
    folder: StagedFolder,
}

impl ScratchHome {
    /// Home folder with links to the models and the blobs of `home`, and copies of the manifests and the pushed rows of its
    /// datasets. It lies in `home`, or in the temporary folder if there is no `home` yet.
    ///
    /// # Errors
    /// Files that cannot be read, links that cannot be made.
    pub fn of(home: &Home) -> Result<Self, WatchError> {
        let Ok(root) = fs::canonicalize(home.root()) else {
            return Ok(Self { folder: StagedFolder::scratch(&std::env::temp_dir())? });
        };
        let folder = StagedFolder::scratch(&root)?;
        let own = folder.path();
        for (name, path) in entries(&root)? {
            let target = own.join(&name);
            if name == "data" {
                mirror_data(&path, &target)?;
            } else if name == "models" || (path.is_file() && !name.starts_with("index.sqlite")) {
                symlink(&path, &target).map_err(at(&target))?;
            }
        }
        Ok(Self { folder })
    }

    /// The home folder.
    pub fn home(&self) -> Home {
        Home::new(self.folder.path().to_owned())
    }
}

/// Downloads what a look reads to the cache of a home in an object store, which a scratch home has links to.
///
/// # Errors
/// A store that does not answer; a damaged champion.
pub(in crate::watch) fn fill_cache(home: &Home, run: &Run, watch: &Watch) -> Result<(), WatchError> {
    if home.remote().is_none() {
        return Ok(());
    }
    champion_of(home, &run.name, &watch.alias)?;
    let datasets = Datasets::new(home.root());
    let own = watch.dataset.as_deref().unwrap_or(&run.name);
    let recent = format!("{own}-recent");
    let sources = run.data.source.patterns().iter().map(String::as_str).chain(watch.recent.as_deref());
    let named = sources.filter_map(|source| source.strip_prefix("dataset:"));
    for name in named.chain([own, recent.as_str()]) {
        match datasets.named(name) {
            Ok(manifest) => datasets.download(&manifest)?,
            // There is no version yet.
            Err(cupola_datasets::Error::Dataset { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn mirror_data(data: &Path, own: &Path) -> Result<(), WatchError> {
    fs::create_dir(own).map_err(at(own))?;
    for (name, path) in entries(data)? {
        if !LEFT_OUT.contains(&name.as_str()) {
            mirror(&path, &own.join(&name), LINKED.contains(&name.as_str()))?;
        }
    }
    Ok(())
}

/// Copies a file or folder, or links its files.
fn mirror(from: &Path, to: &Path, links: bool) -> Result<(), WatchError> {
    if from.is_dir() {
        fs::create_dir(to).map_err(at(to))?;
        for (name, path) in entries(from)? {
            mirror(&path, &to.join(name), links)?;
        }
    } else if links {
        symlink(from, to).map_err(at(to))?;
    } else if from.is_file() {
        fs::copy(from, to).map_err(at(from))?;
    }
    Ok(())
}

/// Names and paths in a folder, without hidden ones, which staged files have.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, WatchError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let entry = entry.map_err(at(folder))?;
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
        {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> WatchError {
    move |source| cupola_workflow::Error::Io { path: path.to_owned(), source }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_written_reaches_the_home() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("home");
        for (name, text) in [
            ("data/blobs/ab/cd", "rows"),
            ("data/shop/1/manifest.json", "{}"),
            ("data/shop/inbox/a.jsonl", "pushed"),
            ("data/prepared/x", "examples"),
            ("models/shop/aliases.json", "{}"),
            ("index.sqlite", "index"),
        ] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let scratch = ScratchHome::of(&Home::new(root.clone())).unwrap();
        let home = scratch.home();
        let own = home.root().to_owned();
        assert_eq!(fs::read_to_string(own.join("data/blobs/ab/cd")).unwrap(), "rows");
        assert_eq!(home.model_names().unwrap(), ["shop"]);
        assert!(!own.join("data/prepared").exists() && !own.join("index.sqlite").exists());
        assert_eq!(cupola_store::versions(&own.join("data/shop"), "manifest.json").unwrap(), [1]);
        fs::create_dir(own.join("data/shop/2")).unwrap();
        fs::write(own.join("data/blobs/ab/ef"), "more").unwrap();
        fs::remove_file(own.join("data/shop/inbox/a.jsonl")).unwrap();
        drop(scratch);
        assert!(
            !own.exists() && !root.join("data/shop/2").exists() && !root.join("data/blobs/ab/ef").exists()
        );
        assert_eq!(fs::read_to_string(root.join("data/blobs/ab/cd")).unwrap(), "rows");
        assert_eq!(fs::read_to_string(root.join("data/shop/inbox/a.jsonl")).unwrap(), "pushed");
        // There is no home before the first run, and none after the look.
        let absent = folder.path().join("absent");
        let scratch = ScratchHome::of(&Home::new(absent.clone())).unwrap();
        assert!(scratch.home().root().is_dir() && !absent.exists());
    }
}
