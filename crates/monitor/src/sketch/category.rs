//! Sketch of a column of categories.

use serde::{Deserialize, Serialize};

/// Unseen values that are kept by name.
const NAMED: usize = 8;
/// Longest name of an unseen value, in characters.
const NAME_LENGTH: usize = 64;

/// Categories of a stream: counts of the reference's values, and of all others.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CategorySketch {
    /// Rows with each value of the layout.
    pub counts: Vec<u64>,
    /// Rows with any other value.
    pub other: u64,
    /// Rows without a value.
    pub missing: u64,
    /// Frequent values among the others with upper bounds of their counts, by the Space-Saving algorithm (Metwally, Agrawal
    /// and El Abbadi, "Efficient computation of frequent and top-k elements in data streams", ICDT 2005). Empty unless the
    /// layout shows values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<(String, u64)>,
}

impl CategorySketch {
    /// Empty sketch of a column with this number of values.
    pub fn new(values: usize) -> Self {
        Self { counts: vec![0; values], ..Self::default() }
    }

    /// Adds a row with a value of the layout.
    pub fn add_known(&mut self, value: usize) {
        match self.counts.get_mut(value) {
            Some(count) => *count += 1,
            None => self.other += 1,
        }
    }

    /// Adds a row without a value.
    pub fn add_missing(&mut self) {
        self.missing += 1;
    }

    /// Adds a row with a value that the layout does not have, by name if it is `shown`.
    pub fn add_other(&mut self, value: &str, shown: bool) {
        self.other += 1;
        if shown {
            let name: String = value.chars().take(NAME_LENGTH).collect();
            self.count_named(name, 1);
        }
    }

    /// The least frequent name makes room for a new one, which inherits its count.
    fn count_named(&mut self, name: String, rows: u64) {
        if let Some((_, count)) = self.named.iter_mut().find(|(known, _)| *known == name) {
            *count = count.saturating_add(rows);
        } else if self.named.len() < NAMED {
            self.named.push((name, rows));
        } else if let Some(least) = self.named.iter_mut().min_by_key(|(_, count)| *count) {
            *least = (name, least.1.saturating_add(rows));
        }
    }

    /// Number of rows with a value.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(self.other, |sum, count| sum.saturating_add(*count))
    }

    /// Number of rows, those without a value too.
    pub fn rows(&self) -> u64 {
        self.count().saturating_add(self.missing)
    }

    /// Adds the rows of another sketch. Returns `false`, and changes nothing, if the values differ.
    #[must_use]
    pub fn merge(&mut self, other: &Self) -> bool {
        if self.counts.len() != other.counts.len() {
            return false;
        }
        for (own, count) in self.counts.iter_mut().zip(&other.counts) {
            *own = own.saturating_add(*count);
        }
        self.other = self.other.saturating_add(other.other);
        self.missing = self.missing.saturating_add(other.missing);
        for (name, rows) in &other.named {
            self.count_named(name.clone(), *rows);
        }
        true
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let names = self.named.iter().map(|(name, _)| name.capacity() + size_of::<(String, u64)>());
        self.counts.capacity() * size_of::<u64>() + names.sum::<usize>()
    }

    /// `true` if an untrusted document is bounded as sketches are.
    pub(super) fn is_valid(&self) -> bool {
        let is_short = |(name, _): &(String, u64)| name.chars().count() <= NAME_LENGTH;
        self.named.len() <= NAMED && self.named.iter().all(is_short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unseen_values_are_counted_and_a_few_are_named() {
        let mut sketch = CategorySketch::new(2);
        sketch.add_known(0);
        sketch.add_missing();
        for at in 0..100 {
            sketch.add_other(if at % 2 == 0 { "frequent" } else { "rare" }, true);
            sketch.add_other(&format!("once {at}"), true);
        }
        sketch.add_other("hidden", false);
        assert_eq!((sketch.count(), sketch.rows(), sketch.other), (202, 203, 201));
        assert_eq!(sketch.named.len(), NAMED);
        // No count is below the true one, and the frequent values are held.
        for name in ["frequent", "rare"] {
            assert!(sketch.named.iter().any(|(known, count)| known == name && *count >= 50), "{name}");
        }
        let mut merged = CategorySketch::new(2);
        assert!(merged.merge(&sketch) && !merged.merge(&CategorySketch::new(3)));
        assert_eq!(merged.count(), 202);
        assert!(merged.is_valid());
    }
}
