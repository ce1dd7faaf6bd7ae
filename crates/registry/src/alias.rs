//! Aliases of a model: names such as `champion` for one of its versions.

mod state;

use std::collections::BTreeMap;

use cupola_store::{Lock, Name};

use crate::error::Error;
use crate::home::Home;

pub(crate) use self::state::AliasState;

/// Aliases of one model, `aliases.json`.
pub type Map = BTreeMap<String, u64>;

/// Functions that read and move aliases.
#[derive(Debug)]
pub struct Aliases;

impl Aliases {
    /// All aliases of a model.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn read(home: &Home, name: &str) -> Result<Map, Error> {
        AliasState::aliases(home, name)
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
        AliasState::update(home, name, |state| {
            let found = state.aliases.get(alias).copied();
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
            state.change(alias, version, false);
            Ok(found)
        })
    }

    /// Moves an alias back to its version before the last move. Returns its version before and
    /// after this call. With `force` that version may be one that broke its gate.
    ///
    /// # Errors
    /// [`Error::Unknown`] for an unknown alias, or one without an earlier version; [`Error::BrokenGate`].
    pub fn roll_back(home: &Home, name: &str, alias: &str, force: bool) -> Result<(u64, u64), Error> {
        let missing = |what| home.unknown(what, format!("{name}@{alias}"), String::new());
        home.refresh_model(name)?;
        if !home.models().join(name).is_dir() {
            return Err(missing("alias"));
        }
        AliasState::update(home, name, |state| {
            let current = state.aliases.get(alias).copied().ok_or_else(|| missing("alias"))?;
            let before = state.before(alias).ok_or_else(|| missing("earlier version of alias"))?;
            if !home.versions(name)?.contains(&before) {
                return Err(missing("earlier version of alias"));
            }
            if !force {
                check_gate(home, name, before)?;
            }
            state.change(alias, before, true);
            Ok((current, before))
        })
    }

    /// Number of moves of an alias to a version that were made. It tells a move that is still to be made from one that
    /// was made and undone.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn moves_to(home: &Home, name: &str, alias: &str, version: u64) -> Result<usize, Error> {
        Ok(AliasState::read(home, name)?.moves_to(alias, version))
    }
}

fn require_version(home: &Home, name: &str, version: u64) -> Result<(), Error> {
    if home.versions(name)?.contains(&version) {
        return Ok(());
    }
    home.refresh_model(name)?;
    if home.versions(name)?.contains(&version) {
        return Ok(());
    }
    Err(home.unknown("version", format!("{name}:{version}"), String::new()))
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

/// Waits for the lock of a model.
pub(crate) fn lock(home: &Home, name: &str) -> Result<Lock, Error> {
    Ok(home.storage().lock(&format!("models/{name}"))?)
}
