//! Settings of inputs of kind `category`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Encoding of a category as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// One 0/1 column for each value.
    OneHot,
    /// Index into a learned embedding.
    Index,
    /// One number: rank of the value in their order, standardised.
    Ordinal,
    /// One number: share of the value in the training rows, standardised.
    Frequency,
    /// One number: mean of the target in the training rows with this value, smoothed towards the mean of all
    /// rows with the weight of ten rows (Micci-Barreca 2001), standardised. For a training row its own fold
    /// of five is left out, so that it does not see its own target.
    Target,
    /// One 0/1 column for each of `buckets` hashes. Nothing is learned, so the set of values may be open.
    Hash,
}

/// Treatment of a category that is not in the training split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unseen {
    /// Encode it as one extra value, "other", which also encodes a missing value.
    Other,
    /// Reject the row.
    Error,
}

/// Settings of a category; see [`Encoding`] and [`Unseen`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// Encoding of the value.
    pub encode: Encoding,
    /// Treatment of values that are not in the training split.
    pub unseen: Unseen,
    /// Number of buckets of a hash.
    pub buckets: usize,
    /// Replacement of a missing value; `mode` for the most frequent value.
    pub fill: Option<String>,
}
