//! Runs, packages and aliases in the files of a home, and their difference from the index.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use cupola_spec::config_settings;
use cupola_store::VERSION_LIMIT;
use serde_json::Value;

use crate::alias::AliasState;
use crate::error::Error;
use crate::home::{Home, MANIFEST};
use crate::package::Package;
use crate::run::{RECORD, RunFolder, RunRecord};

/// Name and version of a package.
pub(super) type PackageKey = (String, u64);

/// State of a home: each run and package with the stamp of its file, and all aliases.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Contents {
    pub runs: BTreeMap<String, String>,
    pub packages: BTreeMap<PackageKey, String>,
    /// Model, alias and version.
    pub aliases: BTreeSet<(String, String, u64)>,
}

/// Record of a run, and the values of its config by dotted key.
#[derive(Debug)]
pub(super) struct IndexedRun {
    pub record: RunRecord,
    pub settings: BTreeMap<String, Value>,
}

/// Rows to write so that the index has the state of the files.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub dropped_runs: Vec<String>,
    pub dropped_packages: Vec<PackageKey>,
    /// Runs with their stamps.
    pub runs: Vec<(IndexedRun, String)>,
    /// Packages with their places and stamps.
    pub packages: Vec<(Package, PackageKey, String)>,
    pub aliases: Option<BTreeSet<(String, String, u64)>>,
}

impl Contents {
    /// State of the files. Only names and times are read, and the aliases.
    pub fn of(home: &Home) -> Result<Self, Error> {
        let mut found = Self::default();
        for (id, folder) in RunFolder::folders(home)? {
            found.runs.extend(stamp(&folder.path().join(RECORD)).map(|stamp| (id, stamp)));
        }
        for name in home.cached_model_names()? {
            let folder = home.models().join(&name);
            let versions = home.versions(&name)?;
            for version in &versions {
                let stamp = stamp(&folder.join(version.to_string()).join(MANIFEST));
                found.packages.extend(stamp.map(|stamp| ((name.clone(), *version), stamp)));
            }
            // Damaged aliases must not hide the packages; `cupola doctor` reports them.
            for (alias, version) in AliasState::load(home, &name).unwrap_or_default().aliases {
                if version <= VERSION_LIMIT {
                    found.aliases.insert((name.clone(), alias, version));
                }
            }
        }
        Ok(found)
    }

    /// Changes that lead from an index to this state.
    pub fn changes(self, home: &Home, indexed: &Self) -> Changes {
        let mut changes = Changes::default();
        for (id, stamp) in &self.runs {
            if indexed.runs.get(id) != Some(stamp) {
                let run = IndexedRun::read(&RunFolder::at(home, id));
                changes.runs.extend(run.map(|run| (run, stamp.clone())));
            }
        }
        for (key, stamp) in &self.packages {
            if indexed.packages.get(key) != Some(stamp) {
                let path = home.models().join(&key.0).join(key.1.to_string());
                changes
                    .packages
                    .extend(Package::open(&path).map(|package| (package, key.clone(), stamp.clone())));
            }
        }
        let readable_run = |id: &String| changes.runs.iter().any(|(run, _)| run.record.id == *id);
        let current = |id: &&String| indexed.runs.get(*id) == self.runs.get(*id) || readable_run(id);
        changes.dropped_runs = indexed.runs.keys().filter(|id| !current(id)).cloned().collect();
        let readable = |key: &PackageKey| changes.packages.iter().any(|(_, place, _)| place == key);
        let current =
            |key: &&PackageKey| indexed.packages.get(*key) == self.packages.get(*key) || readable(key);
        changes.dropped_packages = indexed.packages.keys().filter(|key| !current(key)).cloned().collect();
        changes.aliases = (self.aliases != indexed.aliases).then_some(self.aliases);
        changes
    }
}

impl IndexedRun {
    /// Run of a folder; `None` if its record cannot be read. A config that cannot be read has no settings.
    fn read(folder: &RunFolder) -> Option<Self> {
        let record = folder.own_record()?;
        let settings = folder.config_text().map(|text| config_settings(&text)).unwrap_or_default();
        Some(Self { record, settings })
    }
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        let Self { dropped_runs, dropped_packages, runs, packages, aliases } = self;
        let rows = dropped_runs.len() + dropped_packages.len() + runs.len() + packages.len();
        rows == 0 && aliases.is_none()
    }
}

/// Identity of a file's content as far as the file system tells: a replaced file has another one.
fn stamp(path: &Path) -> Option<String> {
    let about = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(format!("{}-{}-{}.{}", about.ino(), about.len(), about.mtime(), about.mtime_nsec()))
}
