//! Multivariate drift: columns that keep their distributions while the relations between them change.
//!
//! The directions in which the rows of a reference vary most explain its columns up to a remainder. Rows whose remainder is
//! larger than that of the reference have relations that it does not have. The procedure and its defaults are those of the data
//! reconstruction of `NannyML` 0.13.1.

mod drift;
mod encode;
mod features;
mod reconstruct;

#[cfg(test)]
mod tests;

pub use self::drift::{MultivariateDrift, ReconstructionChunk};
pub use self::features::{FeatureCategories, FeatureColumn, FeatureTable, FeatureValues};
