//! Monitoring of a published model on data of its use.

mod document;
mod drift;
mod embeddings;
mod forecasts;
mod join;
mod notes;
mod outcome;
mod performance;
mod relations;
mod replicas;
mod service_log;
mod unmatched;

pub use self::document::{drift_page, performance_page};
pub use self::drift::{DriftOutcome, DriftReference, DriftRequest, DriftedPart, measure_drift};
pub use self::embeddings::EmbeddingOutcome;
pub use self::join::{FeedbackCounts, FeedbackTargets};
pub use self::outcome::{
    ErrorChange, ErrorChanges, ForecastPerformance, PerformanceOutcome, PerformanceRequest,
};
pub use self::performance::measure_performance;
pub use self::replicas::{JudgedState, MergedEmbeddings, judge_states, merge_states};
pub use self::service_log::{ServiceChunk, ServiceLog, ServiceLogRequest, read_service_log};
pub use self::unmatched::SeriesMismatch;
