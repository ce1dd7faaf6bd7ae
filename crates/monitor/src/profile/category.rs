//! Distribution of categories.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

/// Counts of the values of a limited set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CategoryReference {
    /// The most frequent values with their counts, the most frequent first, ties in the order of their texts.
    pub values: Vec<(String, u64)>,
    /// Number of rows with any other value.
    pub other: u64,
    /// Number of distinct values, those of `other` too, at most [`Self::MOST_DISTINCT`].
    pub distinct: u64,
}

impl CategoryReference {
    /// Distinct values beyond this number are not counted.
    pub const MOST_DISTINCT: u64 = 10_000;

    /// Number of rows with a value.
    pub fn total(&self) -> u64 {
        self.values.iter().map(|(_, count)| count).sum::<u64>() + self.other
    }

    /// The error is the reason.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let counts = self.values.iter().map(|(_, count)| *count);
        if counts.chain([self.other]).try_fold(0u64, u64::checked_add).is_none() {
            return Err("counts are too large");
        }
        let distinct: HashSet<&str> = self.values.iter().map(|(value, _)| value.as_str()).collect();
        if distinct.len() < self.values.len() || (distinct.len() as u64) > self.distinct {
            return Err("values must be distinct, and no more than their number");
        }
        Ok(())
    }
}
