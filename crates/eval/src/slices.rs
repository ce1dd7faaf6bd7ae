//! Parts of the data on which a model's errors are larger, found by a small tree.
//!
//! One half of the rows, chosen by a hash of their numbers, grows the tree; the other half measures the errors, so that a
//! slice's error is not exaggerated by the search for it (honest estimation: Athey and Imbens 2016).

mod condition;
mod measure;
mod tree;

pub use measure::{LossSlice, error_slices};

/// Column on whose values a slice may depend. Rows beyond its end count as missing.
#[derive(Debug, Clone, Copy)]
pub enum SliceColumn<'a> {
    /// Numbers; NaN is missing.
    Numbers {
        /// Name of the column.
        name: &'a str,
        /// Value of each row.
        values: &'a [f64],
    },
    /// Values of a category.
    Categories {
        /// Name of the column.
        name: &'a str,
        /// Texts of the values.
        labels: &'a [String],
        /// Index of each row's value in `labels`; `None` if it is missing.
        codes: &'a [Option<u32>],
    },
}

/// Limits of the search for slices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SliceOptions {
    /// Seed of the sample, of its halves and of the intervals.
    pub seed: u64,
    /// Confidence level of the intervals and of the test, between 0 and 1.
    pub level: f64,
    /// Conditions of a slice at most; not more than 6.
    pub depth: usize,
    /// Share of the rows that a slice has at least, from 0 to 1.
    pub min_share: f64,
    /// Rows that a slice has at least.
    pub min_rows: usize,
    /// Rows that are searched at most, chosen at random.
    pub max_rows: usize,
    /// Slices that are returned at most.
    pub max_slices: usize,
}

impl Default for SliceOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            level: 0.95,
            depth: 3,
            min_share: 0.02,
            min_rows: 20,
            max_rows: 200_000,
            max_slices: 10,
        }
    }
}

#[cfg(test)]
mod tests;
