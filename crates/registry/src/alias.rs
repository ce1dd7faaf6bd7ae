//! Aliases of a model: names such as `champion` for one of its versions.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::Error;
use crate::files::{read_json, to_json, write_file};
use crate::home::Home;

/// Aliases of one model, `aliases.json`.
pub type Map = BTreeMap<String, u64>;

/// Reads and moves aliases.
#[derive(Debug)]
pub struct Aliases;

impl Aliases {
    /// All aliases of a model.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Damaged`].
    pub fn read(home: &Home, name: &str) -> Result<Map, Error> {
        Self::load(&home.models().join(name))
    }

    /// Moves `alias` to `version`, provided it is at `expected` now (`None`: it does not exist);
    /// without `expected` at all, wherever it is. Returns where it was.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a version that is not there, [`Error::Moved`] when someone else was
    /// faster.
    pub fn set(
        home: &Home,
        name: &str,
        alias: &str,
        version: u64,
        expected: Option<Option<u64>>,
    ) -> Result<Option<u64>, Error> {
        let unknown = |what, text: String, list| Error::Unknown {
            what,
            name: text,
            home: home.root().to_owned(),
            near: String::new(),
            list,
        };
        if !home.versions(name)?.contains(&version) {
            return Err(unknown("version", format!("{name}:{version}"), "cupola models list"));
        }
        let plain = alias.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if alias.is_empty() || !plain || alias.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Error::Reference { text: format!("{name}@{alias}") });
        }
        let folder = home.models().join(name);
        let _lock = Home::lock(&folder)?;
        let found = Self::load(&folder)?.get(alias).copied();
        if let Some(expected) = expected
            && expected != found
        {
            let text = |v: Option<u64>| v.map_or("nothing".to_owned(), |v| format!("version {v}"));
            return Err(Error::Moved {
                name: name.to_owned(),
                alias: alias.to_owned(),
                expected: text(expected),
                found: text(found),
            });
        }
        Self::write_locked(&folder, |aliases| {
            aliases.insert(alias.to_owned(), version);
        })?;
        Ok(found)
    }

    /// Changes the file; the caller holds the model's lock.
    pub(crate) fn write_locked(folder: &Path, change: impl FnOnce(&mut Map)) -> Result<(), Error> {
        let mut aliases = Self::load(folder)?;
        change(&mut aliases);
        let path = folder.join("aliases.json");
        write_file(&path, &to_json(&path, &aliases)?)
    }

    fn load(folder: &Path) -> Result<Map, Error> {
        let path = folder.join("aliases.json");
        if path.exists() { read_json(&path) } else { Ok(Map::new()) }
    }
}
