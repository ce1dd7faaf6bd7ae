//! Model serving without a network protocol: versions, scheduling, access, telemetry.
//!
//! A request takes this way, whatever protocol it came by:
//!
//! 1. [`access`] identifies the caller by a key or a JWT and applies its rate limit.
//! 2. [`Pipeline`] refuses the request while the server drains, and asks the [`Catalog`] for the model version
//!    (main version, canary, or the version that the request names).
//! 3. The rows become examples; the version's [`Scheduler`] queues them, or runs a single quick row at once.
//!    Each engine replica has a thread that takes what waits, up to a batch, without a timer.
//! 4. Logits become predictions. A shadow version is asked too, and a sample of the requests is recorded.
//! 5. After the response, rows and predictions go to the sketches of the version's [`VersionMonitor`].
//!
//! [`Pipeline::generate`] is the same for text generation, where an engine decodes one token per sequence and
//! step, and sequences join and leave between steps.
//!
//! No type of HTTP appears here. Protocols give headers as [`RequestMetadata`] and map [`Error`] to their own
//! status codes by [`ProtocolError`].

pub mod access;
mod capture;
mod catalog;
mod error;
mod metadata;
pub mod notify;
mod pipeline;
mod processors;
mod scheduler;
mod telemetry;

/// Primitives of the scheduler's queue and the catalog's table, which take them from here so that a test can compile
/// both with loom's.
mod sync {
    pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock};
}

pub use capture::{
    FeedbackLog, OutcomeJoin, PredictionRecord, PredictionRecorder, Pseudonyms, PushError, RecordPrivacy,
    RecordSampler, RecordedColumn, RecordedValues, RowIntake, RowSink,
};
pub use catalog::{Catalog, IndexedVersion, Loader, ModelVersion};
pub use error::{Error, ProtocolError};
pub use metadata::RequestMetadata;
pub use pipeline::{
    GENERATION_CANCELLED, GenerateRequest, GenerationStream, Lifecycle, Pipeline, PredictRequest,
    PredictResponse, QUICK_BODY_BYTES, TokenUsage, checked_coverage,
};
pub use processors::{Processors, WorkSize};
pub use scheduler::{Scheduler, SchedulerLimits};
pub use telemetry::{
    AlertMetrics, GpuCards, LimitMetrics, MetricDescription, MetricKind, ModelMetrics, ModelTotals,
    MonitorSettings, OutcomeMetrics, PerformanceLogger, QueueTimes, Telemetry, TraceExporter, VersionMonitor,
    WindowChoice, export, metric_list,
};
