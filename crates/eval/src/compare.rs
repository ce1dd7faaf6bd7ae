//! Several models on the same rows: tests of the difference between two, weights of an average, and scores over the folds
//! of a cross-validation.
//!
//! The paired bootstrap ([`crate::Bootstrap::paired`]) works for every metric. McNemar's test is for accuracy, DeLong's for the
//! area under the ROC curve.

mod delong;
mod ensemble;
mod folds;
mod mcnemar;
mod verdict;

pub use delong::{DeLongTest, delong};
pub use ensemble::{
    GreedyRound, GreedySelection, greedy_selection, shrink_weights, stack_by_log_loss, stack_by_squared_error,
};
pub use folds::{FoldInterval, fold_interval};
pub use mcnemar::{McNemarTest, mcnemar};
pub use verdict::ModelVerdict;
