//! Ensembles: several published models, weighted by their predictions of common rows, as one package.
//!
//! [`EnsembleJob`] takes runs, packages or configs of the same data and split, predicts the valid rows with each of them,
//! chooses weights, and publishes the weighted average as an ordinary package with the metrics of the test split.

mod candidate;
mod job;
pub(crate) mod join;
mod select;

pub use self::candidate::LeaderboardRow;
pub use self::job::{EnsembleJob, EnsembleOutcome, PublishedEnsemble};
pub use self::select::EnsembleMethod;
