//! Table of served names, whose entries are replaced as a whole while requests read them.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use super::sync::{Arc, RwLock};

/// Entries by name. Readers hold an entry for as long as they need it, whatever takes its place.
pub(super) struct EntryTable<T>(RwLock<BTreeMap<String, Arc<T>>>);

impl<T> EntryTable<T> {
    /// Table without entries.
    pub fn new() -> Self {
        Self(RwLock::new(BTreeMap::new()))
    }

    /// Entry of a name.
    pub fn get(&self, name: &str) -> Option<Arc<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All entries at this moment.
    pub fn snapshot(&self) -> BTreeMap<String, Arc<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts an entry in place and returns the previous one.
    pub fn insert(&self, name: &str, entry: T) -> Option<Arc<T>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), Arc::new(entry))
    }

    /// Puts an entry in place if the present one is `seen`, and returns `true` if it was. Work that began with
    /// `seen` and took its time neither brings back a removed name nor undoes what another thread has put there.
    pub fn replace(&self, name: &str, seen: &Arc<T>, entry: T) -> bool {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match table.get_mut(name) {
            Some(present) if Arc::ptr_eq(present, seen) => {
                *present = Arc::new(entry);
                true
            }
            _ => false,
        }
    }

    /// Removes and returns an entry.
    pub fn remove(&self, name: &str) -> Option<Arc<T>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name)
    }
}
