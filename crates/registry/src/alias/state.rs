//! Aliases of a model with their moves, and where a home keeps them.

use cupola_store::{JSON_LIMIT, to_json};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Map, lock};
use crate::error::Error;
use crate::home::{Home, precise_now};

/// Moves that a model remembers; a roll-back needs the newest only.
const MOVES_LIMIT: usize = 10_000;
/// Object with aliases and moves of a model in an object store. One object, because two cannot be replaced at once.
const POINTERS: &str = "pointers.json";

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

/// Aliases of a model and their moves, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct AliasState {
    pub aliases: Map,
    moves: Vec<Move>,
}

impl AliasState {
    /// Aliases of a model, as [`Self::read`] finds them. Damaged moves do not hide them.
    pub fn aliases(home: &Home, name: &str) -> Result<Map, Error> {
        if home.remote().is_some() {
            return Ok(Self::read(home, name)?.aliases);
        }
        load(home, name, "aliases.json")
    }

    /// State of a model. If the object store of the home fails, that of the cache.
    pub fn read(home: &Home, name: &str) -> Result<Self, Error> {
        let Some(remote) = home.remote() else { return Self::load(home, name) };
        match remote.try_document(&key(name), JSON_LIMIT) {
            None => Self::load(home, name),
            Some(None) => Ok(Self::default()),
            Some(Some(bytes)) => Self::cache(home, name, &bytes),
        }
    }

    /// State in the files of the home.
    pub fn load(home: &Home, name: &str) -> Result<Self, Error> {
        let (aliases, moves) = (load(home, name, "aliases.json")?, load(home, name, "moves.json")?);
        Ok(Self { aliases, moves })
    }

    /// Copies the object of a store to the files of its cache.
    pub fn cache(home: &Home, name: &str, bytes: &[u8]) -> Result<Self, Error> {
        let state = Self::parse(home, name, bytes)?;
        if Self::load(home, name).ok().as_ref() != Some(&state) {
            state.save(home, name)?;
        }
        Ok(state)
    }

    fn parse(home: &Home, name: &str, bytes: &[u8]) -> Result<Self, Error> {
        let path = home.remote().map_or_else(|| key(name).into(), |remote| remote.address(&key(name)));
        serde_json::from_slice(bytes).map_err(|error| Error::damaged(&path, error.to_string()))
    }

    /// Key of a model's state in an object store.
    pub fn key(name: &str) -> String {
        key(name)
    }

    /// Writes first the moves, then the aliases. A process that is killed in between leaves an entry that
    /// [`Self::moves_of`] recognises, since the alias is not where it leads.
    fn save(&self, home: &Home, name: &str) -> Result<(), Error> {
        save(home, name, "moves.json", &self.moves)?;
        save(home, name, "aliases.json", &self.aliases)
    }

    /// Changes the state of a model: under its lock, and in an object store by a conditional write, for which `change` is
    /// repeated if another writer was faster.
    ///
    /// # Errors
    /// Errors of `change`; nothing is then written. [`Error::Store`].
    pub fn update<T>(
        home: &Home,
        name: &str,
        change: impl Fn(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _lock = lock(home, name)?;
        Self::update_locked(home, name, change)
    }

    /// As [`Self::update`] for a caller that holds the model's lock.
    pub fn update_locked<T>(
        home: &Home,
        name: &str,
        change: impl Fn(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Some(remote) = home.remote() else {
            let before = Self::load(home, name)?;
            return before.changed(&change).and_then(|(state, result)| {
                if let Some(state) = state {
                    state.save(home, name)?;
                }
                Ok(result)
            });
        };
        let written = std::cell::RefCell::new(None::<Self>);
        let is_done = |bytes: &[u8]| {
            let own = written.borrow().as_ref().and_then(|state: &Self| state.moves.last().cloned());
            own.is_some_and(|own| Self::parse(home, name, bytes).is_ok_and(|now| now.moves.contains(&own)))
        };
        let result = remote.update(&key(name), JSON_LIMIT, is_done, |bytes| {
            let before = bytes.map_or_else(|| Ok(Self::default()), |bytes| Self::parse(home, name, bytes))?;
            let (state, result) = before.changed(&change)?;
            let path = remote.address(&key(name));
            let bytes = state.as_ref().map(|state| to_json(&path, state)).transpose()?;
            *written.borrow_mut() = state;
            Ok::<_, Error>((bytes, result))
        })?;
        // Others read the store; the cache is for a time without it.
        if let Some(state) = written.into_inner() {
            state.save(home, name)?;
        }
        Ok(result)
    }

    /// State after a change, `None` if it is the same, and the result of the change.
    fn changed<T>(&self, change: impl Fn(&mut Self) -> Result<T, Error>) -> Result<(Option<Self>, T), Error> {
        let mut state = self.clone();
        let result = change(&mut state)?;
        Ok(((state != *self).then_some(state), result))
    }

    /// Moves an alias, unless it is there.
    pub fn change(&mut self, alias: &str, version: u64, back: bool) {
        let from = self.aliases.get(alias).copied();
        if from == Some(version) {
            return;
        }
        self.moves = self.moves_of(alias);
        self.aliases.insert(alias.to_owned(), version);
        self.moves.push(Move { alias: alias.to_owned(), from, to: version, time: precise_now(), back });
        let excess = self.moves.len().saturating_sub(MOVES_LIMIT);
        self.moves.drain(..excess);
    }

    /// Version of an alias before its last move forward.
    pub fn before(&self, alias: &str) -> Option<u64> {
        let current = self.aliases.get(alias).copied()?;
        let moves = self.moves_of(alias);
        moves.iter().rev().find(|one| one.alias == alias && one.to == current && !one.back)?.from
    }

    /// Number of moves of an alias to a version that were made, without roll-backs.
    pub fn moves_to(&self, alias: &str, version: u64) -> usize {
        let moves = self.moves_of(alias);
        moves.iter().filter(|one| one.alias == alias && one.to == version && !one.back).count()
    }

    /// Moves without the last one of `alias` if it was begun and never made.
    fn moves_of(&self, alias: &str) -> Vec<Move> {
        let (mut moves, current) = (self.moves.clone(), self.aliases.get(alias).copied());
        if let Some(last) = moves.iter().rposition(|one| one.alias == alias)
            && Some(moves[last].to) != current
            && moves[last].from == current
        {
            moves.remove(last);
        }
        moves
    }
}

fn key(name: &str) -> String {
    format!("models/{name}/{POINTERS}")
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
