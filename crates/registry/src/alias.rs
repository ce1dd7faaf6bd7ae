//! Aliases of a model: names such as `champion` for one of its versions.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::files::{read_json, to_json, write_file};
use crate::home::{Home, now};

/// Aliases of one model, `aliases.json`.
pub type Map = BTreeMap<String, u64>;

/// An alias was moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Move {
    alias: String,
    from: Option<u64>,
    to: u64,
    time: String,
    /// Back to where it came from.
    #[serde(default)]
    back: bool,
}

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

    /// Moves an alias back to the version that it was at before it was moved to where it is. Returns both:
    /// where it was, and where it is now.
    ///
    /// # Errors
    /// [`Error::Unknown`] for an alias that is not there, or has been nowhere else.
    pub fn roll_back(home: &Home, name: &str, alias: &str) -> Result<(u64, u64), Error> {
        let folder = home.models().join(name);
        let unknown = |what| Error::Unknown {
            what,
            name: format!("{name}@{alias}"),
            home: home.root().to_owned(),
            near: String::new(),
            list: "cupola models list",
        };
        if !folder.is_dir() {
            return Err(unknown("alias"));
        }
        let _lock = Home::lock(&folder)?;
        let now = Self::load(&folder)?.get(alias).copied().ok_or_else(|| unknown("alias"))?;
        let moves = Self::moves(&folder)?;
        let came = moves.iter().rev().find(|one| one.alias == alias && one.to == now && !one.back);
        let before = came.and_then(|came| came.from).ok_or_else(|| unknown("earlier version of alias"))?;
        if !home.versions(name)?.contains(&before) {
            return Err(unknown("earlier version of alias"));
        }
        Self::change(&folder, true, |aliases| {
            aliases.insert(alias.to_owned(), before);
        })?;
        Ok((now, before))
    }

    /// Changes the file; the caller holds the model's lock.
    pub(crate) fn write_locked(folder: &Path, change: impl FnOnce(&mut Map)) -> Result<(), Error> {
        Self::change(folder, false, change)
    }

    fn change(folder: &Path, back: bool, change: impl FnOnce(&mut Map)) -> Result<(), Error> {
        let before = Self::load(folder)?;
        let mut aliases = before.clone();
        change(&mut aliases);
        let path = folder.join("aliases.json");
        write_file(&path, &to_json(&path, &aliases)?)?;
        let mut moves = Self::moves(folder)?;
        let known = moves.len();
        for (alias, &to) in &aliases {
            let from = before.get(alias).copied();
            if from != Some(to) {
                moves.push(Move { alias: alias.clone(), from, to, time: now(), back });
            }
        }
        if moves.len() == known {
            return Ok(());
        }
        let path = folder.join("moves.json");
        write_file(&path, &to_json(&path, &moves)?)
    }

    /// Where aliases have been, oldest first.
    fn moves(folder: &Path) -> Result<Vec<Move>, Error> {
        let path = folder.join("moves.json");
        if path.exists() { read_json(&path) } else { Ok(Vec::new()) }
    }

    fn load(folder: &Path) -> Result<Map, Error> {
        let path = folder.join("aliases.json");
        if path.exists() { read_json(&path) } else { Ok(Map::new()) }
    }
}
