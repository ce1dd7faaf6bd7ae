//! Models in production: reports of monitoring, retraining, and jobs on a cluster, as a library over `workflow`.

mod error;
mod monitor;
mod submit;
mod watch;

pub use error::Error;
pub use monitor::{
    DriftOutcome, DriftReference, DriftRequest, DriftedPart, EmbeddingOutcome, ErrorChange, ErrorChanges,
    FeedbackCounts, FeedbackTargets, ForecastPerformance, JudgedState, MergedEmbeddings, PerformanceOutcome,
    PerformanceRequest, SeriesMismatch, ServiceChunk, ServiceLog, ServiceLogRequest, drift_page,
    judge_states, measure_drift, measure_performance, merge_states, performance_page, read_service_log,
};
pub use submit::*;
pub use watch::*;
