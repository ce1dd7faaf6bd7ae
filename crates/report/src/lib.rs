//! Evaluation of a model as one self-contained HTML page with plots.
//!
//! [`Evaluation`] is the document: plain numbers, which `metrics.json` holds too. The page ([`html`]) and the short tables
//! for a pull request ([`markdown`]) are made from it alone. A section of the page is one file of `page/`; its plots are
//! drawn by `plot`.

#![allow(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "clearer than `write!` with a result that cannot fail; a page is a few kilobytes"
)]

mod document;
mod markdown;
mod monitoring;
mod page;
mod plot;
mod study;
mod text;

pub use document::{
    Bar, ClassificationDetail, ColumnSummary, ComparedMetric, Comparison, DataSection, Dependence, Detail,
    Distribution, ErrorSlice, Evaluation, ForecastDetail, Histogram, Importance, Latency, LearningCurve,
    Line, Metric, ModelSection, OperatingPoint, RegressionDetail, ScoreDetail, SplitEvaluation, Subgroup,
    SubgroupTable, TargetEvaluation, WorstContent, WorstError,
};
pub use markdown::markdown;
pub use monitoring::{
    ForecastPage, ForecastRow, MonitoredChunk, MonitoredColumn, MonitoredEmbeddings, MonitoredMethod,
    MonitoredRelations, MonitoredShape, MonitoringPage, PerformanceChange, PerformanceChunk,
    PerformanceMetric, PerformancePage, PerformanceValue, monitoring_html, performance_html,
};
pub use page::{PAGE_BYTES, html};
pub use study::{StudyKey, StudyMetric, StudyPage, StudyTrial, StudyValue, study_html};
pub use text::row_count;
