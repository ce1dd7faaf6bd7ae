//! Request and outcome of a measurement of performance, with what its parts share.

use std::path::PathBuf;

use cupola_monitor::detect::{ChangeDetector, ChangeLevel, Detector, DetectorKind};
use cupola_monitor::late::{LateCounts, SeriesPerformance, StepPerformance};
use cupola_monitor::performance::{ChunkPerformance, Chunking};
use cupola_workflow::ModelSelection;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;

use super::join::FeedbackCounts;

/// Model, data and divisions to measure.
#[derive(Debug, Clone)]
pub struct PerformanceRequest<'a> {
    /// Model.
    pub model: ModelSelection,
    /// Prediction log, or any data that the model predicts: a source as in a config.
    pub data: &'a str,
    /// Rows with targets that the model was not trained on, for estimates and thresholds.
    pub reference: Option<&'a str>,
    /// Folder of feedback.
    pub feedback: PathBuf,
    /// Table of the series with values that arrived after their prediction, for forecasts and windows.
    pub targets: Option<&'a str>,
    /// Target; `None` for the first.
    pub target: Option<&'a str>,
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

pub(super) fn tell_versions(others: usize, notes: &mut Vec<String>) {
    if others > 0 {
        notes.push(format!("{others} rows of other versions are left out"));
    }
}

pub(super) fn tell(counts: &FeedbackCounts, notes: &mut Vec<String>) {
    let told = [
        (counts.unknown, "rows of feedback belong to requests that the data does not have"),
        (
            counts.contradicting,
            "lines of feedback contradict an earlier one of the same row; the last one counts",
        ),
        (counts.repeated, "lines of feedback repeat an earlier one"),
        (counts.damaged, "lines of the feedback are damaged and left out"),
    ];
    notes.extend(told.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
}

/// Sentences on values that did not join, or joined oddly. `rows` are the predictions in words.
pub(super) fn tell_late(counts: Option<&LateCounts>, rows: &str, notes: &mut Vec<String>) {
    let Some(counts) = counts else { return };
    if counts.joined == 0 {
        notes.push(if counts.series_without_values == counts.series && counts.values > 0 {
            format!("no series of the {rows} has a value; a key that the log has as a pseudonym (`[log] hash`) joins nothing")
        } else {
            format!("no value for the {rows} has arrived yet")
        });
    }
    let told = [
        (counts.pending, "steps are later than the last value of their series; they have no value yet"),
        (counts.gaps, "steps have no value, though later ones of their series do"),
        (counts.series_without_values, "series of the predictions have no value"),
        (
            counts.contradicting,
            "values contradict an earlier one of the same series and time; the last one counts",
        ),
        (counts.repeated, "values repeat an earlier one of the same series and time"),
        (counts.incomplete, "rows of the values have no series, time or value"),
        (counts.unordered, "rows of the values are earlier than one before them; they are sorted by time"),
        (counts.between_steps, "values lie between two steps of a forecast, and join none"),
        (counts.repeated_forecasts, "forecasts were made again from the same time; the last one counts"),
        (counts.backward, "forecasts are from an earlier time than one made before them"),
        (counts.ahead_of_clock, "forecasts are from a time later than their prediction; check the clocks"),
    ];
    notes.extend(told.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_tell_all_that_did_not_join() {
        let counts = LateCounts { steps: 3, joined: 1, pending: 1, gaps: 1, ..LateCounts::default() };
        let mut notes = Vec::new();
        tell_late(Some(&counts), "forecasts", &mut notes);
        assert_eq!(notes.len(), 2, "{notes:?}");
        let counts = LateCounts { series: 2, series_without_values: 2, values: 5, ..LateCounts::default() };
        let mut notes = Vec::new();
        tell_late(Some(&counts), "forecasts", &mut notes);
        assert!(notes[0].contains("pseudonym") && notes[1].starts_with("2 series"), "{notes:?}");
        tell_late(None, "forecasts", &mut notes);
        assert_eq!(notes.len(), 2);
    }
}
