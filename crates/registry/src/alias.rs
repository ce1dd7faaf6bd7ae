//! Aliases of a model: names such as `champion` for one of its versions.

use std::collections::BTreeMap;

use cupola_store::{JSON_LIMIT, Lock, Name, to_json};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::home::{Home, now};

/// Aliases of one model, `aliases.json`.
pub type Map = BTreeMap<String, u64>;

/// Moves that a model remembers; a roll-back needs the newest only.
const MOVES_LIMIT: usize = 10_000;

/// One move of an alias, an entry of `moves.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Move {
    alias: String,
    from: Option<u64>,
    to: u64,
    time: String,
    /// `true` for a roll-back.
    #[serde(default)]
    back: bool,
}

/// Functions that read and move aliases.
#[derive(Debug)]
pub struct Aliases;

impl Aliases {
    /// All aliases of a model.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn read(home: &Home, name: &str) -> Result<Map, Error> {
        load(home, name, "aliases.json")
    }

    /// Moves `alias` to `version`, provided it is at `expected` (`Some(None)`: it does not exist);
    /// unconditionally if `expected` is `None`. Returns its previous version.
    ///
    /// # Errors
    /// [`Error::Unknown`] for an unknown version, [`Error::BrokenGate`] for one that broke its gate, [`Error::Moved`] if
    /// another process was faster.
    pub fn set(
        home: &Home,
        name: &str,
        alias: &str,
        version: u64,
        expected: Option<Option<u64>>,
    ) -> Result<Option<u64>, Error> {
        check_alias(alias)?;
        check_gate(home, name, version)?;
        Self::force(home, name, alias, version, expected)
    }

    /// As [`Self::set`], also to a version that broke its gate.
    ///
    /// # Errors
    /// As [`Self::set`], without [`Error::BrokenGate`].
    pub fn force(
        home: &Home,
        name: &str,
        alias: &str,
        version: u64,
        expected: Option<Option<u64>>,
    ) -> Result<Option<u64>, Error> {
        check_alias(alias)?;
        require_version(home, name, version)?;
        let _lock = lock(home, name)?;
        let found = Self::read(home, name)?.get(alias).copied();
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
        Self::write_locked(home, name, alias, version)?;
        Ok(found)
    }

    /// Moves an alias back to its version before the last move. Returns its version before and
    /// after this call. With `force` that version may be one that broke its gate.
    ///
    /// # Errors
    /// [`Error::Unknown`] for an unknown alias, or one without an earlier version; [`Error::BrokenGate`].
    pub fn roll_back(home: &Home, name: &str, alias: &str, force: bool) -> Result<(u64, u64), Error> {
        let missing = |what| unknown(home, what, format!("{name}@{alias}"));
        if !home.models().join(name).is_dir() {
            return Err(missing("alias"));
        }
        let _lock = lock(home, name)?;
        let current = Self::read(home, name)?.get(alias).copied().ok_or_else(|| missing("alias"))?;
        let moves = moves(home, name, alias, Some(current))?;
        let came = moves.iter().rev().find(|one| one.alias == alias && one.to == current && !one.back);
        let before = came.and_then(|came| came.from).ok_or_else(|| missing("earlier version of alias"))?;
        if !home.versions(name)?.contains(&before) {
            return Err(missing("earlier version of alias"));
        }
        if !force {
            check_gate(home, name, before)?;
        }
        change(home, name, alias, before, true)?;
        Ok((current, before))
    }

    /// Number of moves of an alias to a version that were made. It tells a move that is still to be made from one that
    /// was made and undone.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn moves_to(home: &Home, name: &str, alias: &str, version: u64) -> Result<usize, Error> {
        let current = Self::read(home, name)?.get(alias).copied();
        let moves = moves(home, name, alias, current)?;
        Ok(moves.iter().filter(|one| one.alias == alias && one.to == version && !one.back).count())
    }

    /// Reads the files that a move of an alias changes, so that damage is reported before it.
    pub(crate) fn check(home: &Home, name: &str, alias: &str) -> Result<(), Error> {
        let current = Self::read(home, name)?.get(alias).copied();
        moves(home, name, alias, current).map(drop)
    }

    /// Moves an alias. The caller holds the model's lock.
    pub(crate) fn write_locked(home: &Home, name: &str, alias: &str, version: u64) -> Result<(), Error> {
        change(home, name, alias, version, false)
    }
}

fn require_version(home: &Home, name: &str, version: u64) -> Result<(), Error> {
    if home.versions(name)?.contains(&version) {
        return Ok(());
    }
    Err(unknown(home, "version", format!("{name}:{version}")))
}

/// Checks that a version passed the gate that it was published with.
fn check_gate(home: &Home, name: &str, version: u64) -> Result<(), Error> {
    require_version(home, name, version)?;
    let package = home.version(name, version)?;
    if package.passed_gate()? { Ok(()) } else { Err(Error::BrokenGate { package: package.label() }) }
}

/// Checks an alias: a valid name that does not read as a version.
fn check_alias(alias: &str) -> Result<(), Error> {
    if alias.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(cupola_store::Error::Name { text: alias.to_owned() }.into());
    }
    Name::new(alias)?;
    Ok(())
}

fn unknown(home: &Home, what: &'static str, name: String) -> Error {
    let (home, hint) = (home.root().to_owned(), String::new());
    Error::Unknown { what, name, home, hint, list: "cupola models list" }
}

/// Waits for the lock of a model.
pub(crate) fn lock(home: &Home, name: &str) -> Result<Lock, Error> {
    Ok(home.storage().lock(&format!("models/{name}"))?)
}

/// Moves an alias: first the entry of `moves.json`, then the alias. A process that is killed in between
/// leaves an entry that [`moves`] recognises, since the alias is not where it leads.
fn change(home: &Home, name: &str, alias: &str, version: u64, back: bool) -> Result<(), Error> {
    let mut aliases = Aliases::read(home, name)?;
    let from = aliases.insert(alias.to_owned(), version);
    if from == Some(version) {
        return Ok(());
    }
    let mut moves = moves(home, name, alias, from)?;
    moves.push(Move { alias: alias.to_owned(), from, to: version, time: now(), back });
    let excess = moves.len().saturating_sub(MOVES_LIMIT);
    moves.drain(..excess);
    save(home, name, "moves.json", &moves)?;
    save(home, name, "aliases.json", &aliases)
}

/// Moves of a model, without the last one of `alias` if it was begun and never made.
fn moves(home: &Home, name: &str, alias: &str, current: Option<u64>) -> Result<Vec<Move>, Error> {
    let mut moves: Vec<Move> = load(home, name, "moves.json")?;
    let last = moves.iter().rposition(|one| one.alias == alias);
    if let Some(last) = last
        && Some(moves[last].to) != current
        && moves[last].from == current
    {
        moves.remove(last);
    }
    Ok(moves)
}

fn load<T: DeserializeOwned + Default>(home: &Home, name: &str, file: &str) -> Result<T, Error> {
    let key = format!("models/{name}/{file}");
    let Some(bytes) = home.storage().read(&key, JSON_LIMIT)? else { return Ok(T::default()) };
    serde_json::from_slice(&bytes).map_err(|error| Error::damaged(&home.root().join(key), error.to_string()))
}

fn save<T: Serialize>(home: &Home, name: &str, file: &str, value: &T) -> Result<(), Error> {
    let key = format!("models/{name}/{file}");
    Ok(home.storage().write(&key, &to_json(&home.root().join(&key), value)?)?)
}
