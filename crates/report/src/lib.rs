//! Evaluation of a model as one self-contained HTML page with plots.
//!
//! [`Evaluation`] is the document: plain numbers, which `metrics.json` holds too. The page is made from it alone.

mod document;

pub use document::{
    Bar, ClassificationDetail, ColumnProfile, ComparedMetric, Comparison, DataSection, Dependence, Detail,
    Distribution, ErrorSlice, Evaluation, ForecastDetail, Histogram, Importance, Latency, LearningCurve,
    Line, Metric, ModelSection, OperatingPoint, RegressionDetail, ScoreDetail, SplitEvaluation, Subgroup,
    SubgroupTable, TargetEvaluation, WorstContent, WorstError,
};
