//! Tests of the difference between two models on the same rows.
//!
//! The paired bootstrap ([`crate::Bootstrap::paired`]) works for every metric. McNemar's test is for accuracy, DeLong's for the
//! area under the ROC curve.

mod delong;
mod mcnemar;
mod verdict;

pub use delong::{DeLongTest, delong};
pub use mcnemar::{McNemarTest, mcnemar};
pub use verdict::ModelVerdict;
