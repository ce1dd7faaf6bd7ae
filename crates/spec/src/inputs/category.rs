//! Settings of inputs of kind `category`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a category becomes numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// One column of 0/1 for each value.
    OneHot,
    /// An index into a learned embedding.
    Index,
    /// One number: its place in the order of the values, standardised.
    Ordinal,
    /// One number: its share of the training rows, standardised.
    Frequency,
    /// One number: the mean of the target in the training rows with this value, drawn towards the mean of
    /// all as ten rows would (Micci-Barreca 2001), standardised. A training row's own fold of five is left
    /// out, so it does not see its own target.
    Target,
    /// One column of 0/1 for each of `buckets` hashes: nothing is learned, so the values may be endless.
    Hash,
}

/// What to do with a category that was not in the training split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unseen {
    /// Treat it as one extra value, "other", that also stands for missing.
    Other,
    /// Refuse the row.
    Error,
}

/// Declared policy for categories; see [`Encoding`] and [`Unseen`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// How the value becomes numbers.
    pub encode: Encoding,
    /// What to do with values not seen in training.
    pub unseen: Unseen,
    /// Hashes that are told apart.
    pub buckets: usize,
    /// What stands for a missing value; `mode` for the most frequent one.
    pub fill: Option<String>,
}
