//! Monitoring of a published model on data of its use.

mod document;
mod drift;

pub use self::document::drift_page;
pub use self::drift::{DriftOutcome, DriftReference, DriftRequest, measure_drift};
