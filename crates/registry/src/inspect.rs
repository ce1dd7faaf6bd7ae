//! Inspection of a home: entries that are neither listed nor used.

use std::collections::BTreeMap;
use std::fs::{self, FileType};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cupola_spec::is_name;
use cupola_store::{STAGED_PREFIX, is_plain_file_name, version_number};
use serde::Serialize;

use crate::alias::Aliases;
use crate::home::{Home, MANIFEST};
use crate::package::Package;
use crate::run::{RECORD, RunFolder};

/// Folders of `data/` that are not datasets.
const DATA_FOLDERS: [&str; 4] = ["blobs", "cache", "quarantine", "prepared"];
/// Rights of groups and others.
const FOREIGN_RIGHTS: u32 = 0o077;
const SET_GROUP_ID: u32 = 0o2000;

/// An entry of a home that commands leave out, or that other users may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Path of the entry.
    pub path: PathBuf,
    /// Reason, and the remedy.
    pub problem: String,
}

impl Home {
    /// Finds the entries that commands leave out: folders with odd names, links, files in place of folders,
    /// damaged packages and records, and aliases of versions that do not exist.
    pub fn findings(&self) -> Vec<Finding> {
        let mut found = Findings::default();
        found.index(self);
        found.models(self);
        found.runs(self);
        found.datasets(self);
        found.rights(self);
        found.0
    }
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, path: &Path, problem: impl Into<String>) {
        self.0.push(Finding { path: path.to_owned(), problem: problem.into() });
    }

    fn index(&mut self, home: &Home) {
        let path = home.index();
        if fs::symlink_metadata(&path).is_ok_and(|entry| entry.is_dir()) {
            self.add(&path, "a folder in place of the index; move it away");
        }
    }

    fn models(&mut self, home: &Home) {
        for (name, path, kind) in self.entries(&home.models()) {
            match name.filter(|name| is_name(name)) {
                Some(name) if kind.is_dir() => self.model(home, &name, &path),
                Some(_) => self.add(&path, "not a folder; move it away"),
                None => self.add(&path, "not the name of a model; rename it or move it away"),
            }
        }
    }

    fn model(&mut self, home: &Home, name: &str, folder: &Path) {
        for (entry, path, kind) in self.entries(folder) {
            let entry = entry.unwrap_or_default();
            if kind.is_file() && ["aliases.json", "moves.json"].contains(&entry.as_str()) {
                continue;
            }
            match version_number(&entry) {
                None => self.add(&path, "not the number of a version; move it away"),
                Some(_) if !kind.is_dir() => self.add(&path, "not a folder; move it away"),
                Some(version) => match Package::open(&path) {
                    Err(error) => self.add(&path, format!("unreadable package: {error}")),
                    Ok(package) if package.manifest.name != name || package.manifest.version != version => {
                        let label = package.label();
                        self.add(&path, format!("a copy of {label}; move it to its own folder or away"));
                    }
                    Ok(_) => {}
                },
            }
        }
        let (aliases, versions) = (Aliases::read(home, name), home.versions(name).unwrap_or_default());
        match aliases {
            Err(error) => self.add(&folder.join("aliases.json"), error.to_string()),
            Ok(aliases) => {
                for (alias, version) in aliases.into_iter().filter(|(_, to)| !versions.contains(to)) {
                    let remedy = format!("set it with `cupola models alias {name} {alias} VERSION`");
                    let alias = alias.escape_debug();
                    let problem = format!("alias `{alias}` is at the unknown version {version}; {remedy}");
                    self.add(&folder.join("aliases.json"), problem);
                }
            }
        }
    }

    fn runs(&mut self, home: &Home) {
        for (name, path, kind) in self.entries(&home.runs()) {
            match name.filter(|name| is_plain_file_name(name)) {
                Some(id) if kind.is_dir() => {
                    let folder = RunFolder::at(home, &id);
                    match folder.record() {
                        Err(error) => self.add(&path.join(RECORD), format!("unreadable record: {error}")),
                        Ok(record) if record.id != id => {
                            let id = record.id.escape_debug();
                            self.add(&path, format!("a copy of the run `{id}`; move it away"));
                        }
                        Ok(_) => {}
                    }
                }
                Some(_) => self.add(&path, "not a folder; move it away"),
                None => self.add(&path, "not the id of a run; move it away"),
            }
        }
    }

    fn datasets(&mut self, home: &Home) {
        for (name, path, kind) in self.entries(&home.root().join("data")) {
            match name.filter(|name| is_name(name)) {
                Some(name) if kind.is_dir() && !DATA_FOLDERS.contains(&name.as_str()) => self.dataset(&path),
                Some(_) if kind.is_dir() => {}
                Some(_) => self.add(&path, "not a folder; move it away"),
                None => self.add(&path, "not the name of a dataset; move it away"),
            }
        }
    }

    fn dataset(&mut self, folder: &Path) {
        for (name, path, kind) in self.entries(folder) {
            let name = name.unwrap_or_default();
            if kind.is_dir() && name == "inbox" {
                continue;
            }
            if version_number(&name).is_none() {
                self.add(&path, "not the number of a version; move it away");
            } else if !kind.is_dir() {
                self.add(&path, "not a folder; move it away");
            } else if !path.join(MANIFEST).is_file() {
                self.add(&path, "a version without a manifest; move it away");
            }
        }
    }

    /// Reports the folders of a home that other users may read. A home with the set-group-ID bit is shared
    /// on purpose.
    fn rights(&mut self, home: &Home) {
        let mode = |path: &Path| fs::symlink_metadata(path).map(|entry| entry.permissions().mode());
        if mode(home.root()).is_ok_and(|mode| mode & SET_GROUP_ID != 0) {
            return;
        }
        for name in ["models", "runs", "data", "index.sqlite", "keys.json", "audit.jsonl", "feedback"] {
            let path = home.root().join(name);
            if mode(&path).is_ok_and(|mode| mode & FOREIGN_RIGHTS != 0) {
                self.add(
                    &path,
                    "other users may read it; run `chmod -R go= PATH`, or share the home on purpose",
                );
            }
        }
    }

    /// Entries of a folder in the order of their names, without locks and staged ones. A name that is not
    /// text is `None`. Reports a folder that cannot be read.
    fn entries(&mut self, folder: &Path) -> Vec<(Option<String>, PathBuf, FileType)> {
        let found = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                self.add(folder, error.to_string());
                return Vec::new();
            }
        };
        let mut entries = BTreeMap::new();
        for entry in found.flatten() {
            let name = entry.file_name();
            let bytes = name.as_bytes();
            let hidden =
                [STAGED_PREFIX, ".tmp", ".lock"].iter().any(|start| bytes.starts_with(start.as_bytes()));
            if let Ok(kind) = entry.file_type()
                && !hidden
            {
                entries.insert(name, (entry.path(), kind));
            }
        }
        entries.into_iter().map(|(name, (path, kind))| (name.into_string().ok(), path, kind)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn odd_entries_are_found_and_a_new_home_has_none() {
        let folder = cupola_testkit::temporary();
        let home = Home::new(folder.path().join("home"));
        assert!(home.findings().is_empty());
        let models = home.models();
        cupola_store::create_folder(&models.join("m")).unwrap();
        cupola_store::create_folder(&home.runs().join("r")).unwrap();
        cupola_store::create_folder(&home.root().join("data").join("blobs")).unwrap();
        for name in ["m/18446744073709551615", "m/01", "m/7", "new\nline", ".hidden"] {
            fs::create_dir(models.join(name)).unwrap();
        }
        fs::create_dir(models.join(OsStr::from_bytes(b"\xff"))).unwrap();
        symlink(models.join("m"), models.join("linked")).unwrap();
        fs::write(models.join("m/8"), "a file").unwrap();
        fs::write(models.join("m/aliases.json"), "{\"latest\": 3}").unwrap();
        fs::create_dir(models.join("m").join(format!("{STAGED_PREFIX}x"))).unwrap();
        let found = home.findings();
        let at = |path: &Path| found.iter().filter(|one| one.path == path).count();
        for name in ["m/18446744073709551615", "m/01", "m/7", "m/8", "new\nline", ".hidden", "linked"] {
            assert_eq!(at(&models.join(name)), 1, "{name:?} in {found:?}");
        }
        assert_eq!(at(&models.join(OsStr::from_bytes(b"\xff"))), 1);
        assert_eq!(at(&models.join("m/aliases.json")), 1);
        assert_eq!(at(&home.runs().join("r").join(RECORD)), 1);
        assert_eq!(found.len(), 10, "{found:?}");
        assert!(home.model_names().unwrap() == ["m"] && home.versions("m").unwrap().is_empty());
    }

    #[test]
    fn a_home_that_others_may_read_is_reported_unless_it_is_shared() {
        let folder = cupola_testkit::temporary();
        let home = Home::new(folder.path().join("home"));
        cupola_store::create_folder(&home.models()).unwrap();
        fs::set_permissions(home.models(), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(home.findings().len(), 1);
        fs::set_permissions(home.root(), fs::Permissions::from_mode(0o2770)).unwrap();
        assert!(home.findings().is_empty());
    }
}
