//! Checks that the objects of a journal are one whole history.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use cupola_store::{read_limited, sha256_hex};

use super::{JournalObjects, LIMIT};
use crate::watch::error::WatchError;

impl JournalObjects {
    /// Checks with the store that no object is missing, and that the last one that was read is there as it was. Returns the
    /// number of its last object, 0 without any.
    ///
    /// # Errors
    /// [`WatchError::History`]; a store that does not answer.
    pub(super) fn check(&self) -> Result<u64, WatchError> {
        let last = self.check_list()?;
        if self.read > 0 {
            let found = self.remote.read(&self.key(self.read), LIMIT)?;
            let found = found.ok_or_else(|| self.missing(self.read, self.read))?;
            if self.last.as_ref() != Some(&sha256_hex(&found)) {
                return Err(self.foreign(self.read));
            }
        }
        Ok(last)
    }

    /// Checks with the store that no object is missing. Returns the number of the last one, 0 without any.
    pub(super) fn check_list(&self) -> Result<u64, WatchError> {
        let listed = self.remote.list(&self.prefix())?;
        let numbers = self.numbers(listed.iter().map(|object| object.key.as_str()));
        self.check_numbers(&numbers, self.read)?;
        Ok(numbers.last().copied().unwrap_or(0))
    }

    /// Checks that the store has each object as this machine has read it: its copies in the cache tell nothing of a change in
    /// the store, which would keep other machines from reading the journal.
    ///
    /// # Errors
    /// [`WatchError::History`]; a store that does not answer.
    pub(super) fn check_objects(&self) -> Result<(), WatchError> {
        let keys: Vec<String> = (1..=self.read).map(|number| self.key(number)).collect();
        let equal = AtomicU64::new(0);
        self.remote.read_all(&keys, |key, found| {
            if read_limited(&self.remote.root().join(key), LIMIT)? != found {
                let number = self.numbers([key].into_iter()).first().copied();
                return Err(self.changed(number.unwrap_or_default()));
            }
            equal.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })?;
        if equal.into_inner() == self.read {
            return Ok(());
        }
        Err(self.away(&self.prefix(), "not all records of the journal could be read; try again"))
    }

    /// Checks that the numbers from 1 to the last one are all there, and those that this machine knows.
    pub(super) fn check_numbers(&self, numbers: &BTreeSet<u64>, known: u64) -> Result<(), WatchError> {
        let last = numbers.last().copied().unwrap_or(0).max(known);
        match (1..=last).find(|number| !numbers.contains(number)) {
            Some(missing) => Err(self.missing(missing, last)),
            None => Ok(()),
        }
    }

    /// Checks that the cache has no object beyond the last one that was read: a copy of an earlier one has failed.
    pub(super) fn check_cache(&self) -> Result<(), WatchError> {
        let last = self.cached_numbers().last().copied().unwrap_or(0);
        if last <= self.read {
            return Ok(());
        }
        let why = "this machine has no copy of the record yet, and the store does not answer; try again";
        Err(self.away(&self.key(self.read + 1), why))
    }

    /// Numbers of keys of this journal. Other keys are left out.
    pub(super) fn numbers<'a>(&self, keys: impl Iterator<Item = &'a str>) -> BTreeSet<u64> {
        let prefix = self.prefix();
        keys.filter_map(|key| {
            let number = key.strip_prefix(&prefix)?.strip_suffix(".json")?.parse().ok()?;
            (number > 0 && self.key(number) == key).then_some(number)
        })
        .collect()
    }

    /// Numbers of the objects that the cache has.
    pub(super) fn cached_numbers(&self) -> BTreeSet<u64> {
        let prefix = self.prefix();
        let entries = std::fs::read_dir(self.remote.root().join(&prefix)).into_iter().flatten().flatten();
        let keys: Vec<String> =
            entries.map(|entry| format!("{prefix}{}", entry.file_name().to_string_lossy())).collect();
        self.numbers(keys.iter().map(String::as_str))
    }

    /// Error of a store that does not answer.
    fn away(&self, key: &str, why: &str) -> WatchError {
        let location = self.remote.address(key).to_string_lossy().into_owned();
        cupola_store::Error::Remote { location, why: why.to_owned(), transient: true }.into()
    }

    /// Error of an object that is not there, although the journal goes on to `last`.
    pub(super) fn missing(&self, number: u64, last: u64) -> WatchError {
        let why = format!("the record is missing in a journal of {last}");
        self.broken(number, why)
    }

    /// Error of an object that does not follow the one before, or is not the one that was read.
    pub(super) fn foreign(&self, number: u64) -> WatchError {
        self.broken(
            number,
            "the record belongs to another history than the ones that were read before".to_owned(),
        )
    }

    /// Error of an object that is another one in the store than in the cache.
    fn changed(&self, number: u64) -> WatchError {
        self.broken(number, "the record is not the one that this machine has read".to_owned())
    }

    fn broken(&self, number: u64, why: String) -> WatchError {
        let key = self.key(number);
        let (copy, cache) = (self.remote.root().join(&key), self.remote.root().join(self.prefix()));
        let from = if copy.is_file() {
            format!("compare it with the copy in {} and restore it", copy.display())
        } else {
            "restore it from a backup, or from the cache of another machine".to_owned()
        };
        let (journal, cache) = (self.remote.address(self.prefix().trim_end_matches('/')), cache.display());
        let journal = journal.display();
        let remedy =
            format!("{from}; to begin anew, move away all of {journal} and, on each machine, {cache}");
        WatchError::History { path: self.remote.address(&key), why, remedy }
    }
}
