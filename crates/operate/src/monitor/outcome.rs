//! Request and outcome of a measurement of performance, with what its parts share.

use std::path::PathBuf;

use cupola_monitor::detect::{ChangeDetector, ChangeLevel, Detector, DetectorKind};
use cupola_monitor::late::{LateCounts, SeriesPerformance, StepPerformance};
use cupola_monitor::performance::{ChunkPerformance, Chunking};
use cupola_workflow::{ModelSelection, OutcomeSource};
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;

use super::join::FeedbackCounts;
use super::unmatched::SeriesMismatch;

/// Model, data and divisions to measure.
#[derive(Debug, Clone)]
pub struct PerformanceRequest<'a> {
    /// Model.
    pub model: ModelSelection,
    /// Predictions of the target, and where its values come from.
    pub source: OutcomeSource<'a>,
    /// Rows with targets that the model was not trained on, for estimates and thresholds.
    pub reference: Option<&'a str>,
    /// Folder of feedback.
    pub feedback: PathBuf,
    /// Division into chunks.
    pub chunking: Chunking,
}

/// Performance by chunk, and the changes of the errors.
#[derive(Debug, Clone, Serialize)]
pub struct PerformanceOutcome {
    /// `NAME:VERSION`
    pub package: String,
    /// Source of the data.
    pub data: String,
    /// Target.
    pub target: String,
    /// Rows of the data.
    pub rows: usize,
    /// Rows with a target.
    pub labelled: usize,
    /// Source of the reference.
    pub reference: Option<String>,
    /// Counts of the feedback by its fate.
    pub feedback: FeedbackCounts,
    /// Chunks in order.
    pub chunks: Vec<ChunkPerformance>,
    /// Changes of the errors of rows with a target, in order of time.
    pub changes: Vec<ErrorChanges>,
    /// Counts of the values that were joined by series and time; `None` for rows without series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late: Option<LateCounts>,
    /// Series of the predictions that this table does not have; `None` if it has all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unmatched: Option<SeriesMismatch>,
    /// Performance by step ahead and by series; `None` unless the target is a forecast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<ForecastPerformance>,
    /// Omissions and oddities, in sentences.
    pub notes: Vec<String>,
}

/// Alarms of a detector on the errors.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ErrorChanges {
    /// Detector.
    pub detector: DetectorKind,
    /// Errors that it saw.
    pub seen: usize,
    /// Alarms in order.
    pub drifts: Vec<ErrorChange>,
    /// State after the last error.
    pub level: ChangeLevel,
}

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorChange {
    /// Number of the error in the order of time, from 0.
    pub index: usize,
    /// Time of the prediction in ISO 8601, if the data has one.
    pub time: Option<String>,
}

/// Performance of forecasts by step ahead and by series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForecastPerformance {
    /// Source of the values; `None` for those of the data and of feedback.
    pub targets: Option<String>,
    /// Number of rows ahead.
    pub horizon: usize,
    /// Usual step between two rows; `None` if the steps are the next rows, whatever their times.
    pub step: Option<String>,
    /// Coverage that the intervals promise; `None` without intervals.
    pub coverage: Option<f64>,
    /// Metrics of all steps that have a value.
    pub overall: IndexMap<String, f64>,
    /// Metrics of each step ahead.
    pub steps: Vec<StepPerformance>,
    /// Columns of the key of a series; empty for a single one.
    pub keys: Vec<String>,
    /// Metrics of the series with the largest errors.
    pub series: Vec<SeriesPerformance>,
}

/// A reference has no times of predictions, so periods become ten chunks.
pub(super) fn chunking_of_reference(chunking: Chunking) -> Chunking {
    if matches!(chunking, Chunking::Period(_)) { Chunking::default() } else { chunking }
}

/// Errors with their times, in order of time; rows without a time last.
pub(super) fn in_order(
    errors: &[Option<f64>],
    times: Option<&[Option<Timestamp>]>,
) -> Vec<(f64, Option<Timestamp>)> {
    let time = |row: usize| times.and_then(|times| times.get(row).copied().flatten());
    let known = errors.iter().enumerate().filter_map(|(row, error)| Some(((*error)?, time(row))));
    let mut order: Vec<(f64, Option<Timestamp>)> = known.collect();
    order.sort_by_key(|(_, time)| time.map_or((1, Timestamp::MIN), |time| (0, time)));
    order
}

/// Alarms of the detectors that the errors fit.
pub(super) fn changes(errors: &[(f64, Option<Timestamp>)], bits: bool) -> Vec<ErrorChanges> {
    if errors.is_empty() {
        return Vec::new();
    }
    let fitting = DetectorKind::ALL.into_iter().filter(|kind| bits || !kind.needs_bits());
    let run = |kind: DetectorKind| {
        let mut detector = Detector::new(kind);
        let mut drifts = Vec::new();
        for (index, (error, time)) in errors.iter().enumerate() {
            if detector.observe(*error) == ChangeLevel::Drift {
                drifts.push(ErrorChange { index, time: time.map(|time| time.to_string()) });
            }
        }
        ErrorChanges { detector: kind, seen: errors.len(), drifts, level: detector.level() }
    };
    fitting.map(run).collect()
}
