//! 95 % intervals of the metrics of one target.
//!
//! All metrics are computed anew for each resample of the rows. Where that would take longer than a second or so, those that
//! are functions of sums over the rows are computed from the sums of 5,000 groups of rows, and the areas under curves from
//! scores in 128 bins.

mod areas;
mod sums;

use std::collections::HashMap;

use cupola_eval::{
    Bootstrap, BootstrapInterval, ClassifiedRows, ForecastRows, NamedValues, RegressionRows, ScoredRows,
};

use super::outputs::{TargetOutputs, decided};
use crate::evaluate::EvaluationOptions;

/// Values that all resamples together may look at.
const WORK: usize = 100_000_000;
/// Fewest resamples that are worth it.
const FEWEST: usize = 200;

/// Metrics of probabilities, which a threshold does not change.
const OF_PROBABILITIES: [&str; 6] = ["roc_auc", "pr_auc", "lift_at_10", "log_loss", "brier", "ece"];

/// Bounds by metric name.
pub(super) type Bounds = HashMap<&'static str, (f64, f64)>;

impl EvaluationOptions {
    /// Bootstrap of metrics of which each resample looks at `values` values; `None` without one that takes a reasonable time.
    pub(super) fn bootstrap(&self, values: usize) -> Option<Bootstrap> {
        let possible = WORK / values.max(1);
        let resamples = self.resamples.min(possible);
        (resamples >= FEWEST.min(self.resamples) && resamples > 0).then(|| self.full_bootstrap(resamples))
    }

    fn full_bootstrap(&self, resamples: usize) -> Bootstrap {
        Bootstrap { resamples, seed: self.seed, ..Bootstrap::default() }
    }
}

/// Intervals of the metrics that have one.
pub(super) fn intervals(outputs: &TargetOutputs, options: &EvaluationOptions) -> Bounds {
    if options.resamples == 0 {
        return Bounds::new();
    }
    let all = options.full_bootstrap(options.resamples);
    match outputs {
        TargetOutputs::Classes { names, targets, probabilities, threshold } => {
            let mut bounds = of_classes(options, names.len(), targets, probabilities);
            if threshold.is_some() && names.len() == 2 {
                let certain =
                    |own: &[f32]| if decided(own, *threshold) == 1 { [0.0, 1.0] } else { [1.0, 0.0] };
                let decisions: Vec<f32> = probabilities.chunks_exact(2).flat_map(certain).collect();
                let moved = of_classes(options, 2, targets, &decisions);
                bounds.extend(moved.into_iter().filter(|(name, _)| !OF_PROBABILITIES.contains(name)));
            }
            bounds
        }
        TargetOutputs::Numbers { targets, predicted } => {
            let Some(bootstrap) = options.bootstrap(2 * targets.len()) else {
                return sums::of_numbers(&all, targets, predicted);
            };
            let rows = RegressionRows::new(targets, predicted);
            of_rows(&bootstrap, targets.len(), |weights| rows.metrics(weights))
        }
        TargetOutputs::Forecast { horizon, naive, targets, predicted } => {
            let Some(bootstrap) = options.bootstrap(2 * targets.len()) else { return Bounds::new() };
            let rows = ForecastRows::new(targets, predicted, *horizon, *naive);
            of_rows(&bootstrap, targets.len() / horizon, |weights| rows.metrics(weights))
        }
        TargetOutputs::Scores { scores, anomalies, .. } => {
            let Some(bootstrap) = options.bootstrap(2 * scores.len()) else {
                return areas::of_scores(&all, scores, anomalies);
            };
            let rows = ScoredRows::new(scores, anomalies);
            of_rows(&bootstrap, scores.len(), |weights| rows.metrics(weights))
        }
        TargetOutputs::Ranks { groups, grades, scores } => sums::of_ranks(&all, groups, grades, scores),
        TargetOutputs::Other => Bounds::new(),
    }
}

/// Intervals of a classifier that decides for the most probable class.
fn of_classes(
    options: &EvaluationOptions,
    classes: usize,
    targets: &[usize],
    probabilities: &[f32],
) -> Bounds {
    let values = targets.len() * if classes == 2 { 4 } else { classes };
    if let Some(bootstrap) = options.bootstrap(values) {
        let rows = ClassifiedRows::new(classes, targets, probabilities).ranked();
        return of_rows(&bootstrap, targets.len(), |weights| rows.metrics(weights));
    }
    let all = options.full_bootstrap(options.resamples);
    let mut bounds = sums::of_classes(&all, classes, targets, probabilities);
    if classes == 2 {
        let scores: Vec<f64> = probabilities.iter().skip(1).step_by(2).map(|p| f64::from(*p)).collect();
        let positive: Vec<bool> = targets.iter().map(|target| *target == 1).collect();
        bounds.extend(areas::of_scores(&all, &scores, &positive));
    }
    bounds
}

/// Intervals of metrics that are computed for any weights of the rows.
fn of_rows(
    bootstrap: &Bootstrap,
    rows: usize,
    metrics: impl Fn(Option<&[f64]>) -> NamedValues + Sync,
) -> Bounds {
    let names: Vec<&'static str> = metrics(None).into_iter().map(|(name, _)| name).collect();
    let values = |weights: &[f64]| metrics(Some(weights)).into_iter().map(|(_, value)| value.ok()).collect();
    named(&names, bootstrap.intervals(rows, values))
}

/// Bounds of the intervals that are defined. The largest error has none: a bootstrap cannot exceed the largest row. Nor has
/// a metric whose resamples are all on one side of it, such as the calibration error of a well calibrated model: no
/// correction of their bias is left then, and the bounds would not even hold the value.
fn named(names: &[&'static str], intervals: Vec<Option<BootstrapInterval>>) -> Bounds {
    let found = names.iter().copied().zip(intervals).filter(|(name, _)| *name != "max_error");
    let held = found.filter_map(|(name, interval)| Some((name, interval?)));
    // Sums of the same rows in another order differ by rounding.
    let margin = |found: &BootstrapInterval| 1e-9 * found.value.abs();
    held.filter(|(_, found)| found.low - margin(found) <= found.value)
        .filter(|(_, found)| found.value <= found.high + margin(found))
        .map(|(name, found)| (name, (found.low, found.high)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> EvaluationOptions {
        EvaluationOptions { subgroups: Vec::new(), min_support: 1, resamples: 400, seed: 3 }
    }

    /// Labels and probabilities of a fair but noisy classifier.
    fn classes(rows: usize) -> TargetOutputs {
        let noise = |row: usize, at: u64| {
            let mixed = (row as u64 * 3 + at).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            ((mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40) as f32 / (1 << 24) as f32
        };
        let targets: Vec<usize> = (0..rows).map(|row| usize::from(noise(row, 1) > 0.6)).collect();
        let score = |(row, target): (usize, &usize)| {
            (0.3 + 0.4 * *target as f32 + 0.5 * (noise(row, 2) - 0.5)).clamp(0.01, 0.99)
        };
        let probabilities = targets.iter().enumerate().map(score).flat_map(|p| [1.0 - p, p]).collect();
        TargetOutputs::Classes {
            names: vec!["no".into(), "yes".into()],
            targets,
            probabilities,
            threshold: None,
        }
    }

    #[test]
    fn sums_and_bins_agree_with_all_rows() {
        let outputs = classes(6000);
        let exact = intervals(&outputs, &options());
        let TargetOutputs::Classes { targets, probabilities, .. } = &outputs else { unreachable!() };
        let bootstrap = options().full_bootstrap(400);
        let mut fast = sums::of_classes(&bootstrap, 2, targets, probabilities);
        let scores: Vec<f64> = probabilities.iter().skip(1).step_by(2).map(|p| f64::from(*p)).collect();
        let positive: Vec<bool> = targets.iter().map(|target| *target == 1).collect();
        fast.extend(areas::of_scores(&bootstrap, &scores, &positive));
        for name in
            ["accuracy", "balanced_accuracy", "precision", "recall", "f1", "macro_f1", "log_loss", "roc_auc"]
        {
            let (exact, fast) = (exact[name], fast[name]);
            let width = exact.1 - exact.0;
            assert!(
                width > 0.0
                    && (exact.0 - fast.0).abs() < 0.4 * width
                    && (exact.1 - fast.1).abs() < 0.4 * width,
                "{name}: {exact:?} {fast:?}"
            );
        }
        assert_eq!(intervals(&outputs, &options()), intervals(&outputs, &options()));
    }

    #[test]
    fn numbers_have_intervals_around_their_values() {
        let targets: Vec<f64> = (0..500_u32).map(f64::from).collect();
        let predicted: Vec<f64> = targets.iter().map(|t| t + (t * 12.9898).sin() * 20.0).collect();
        let outputs = TargetOutputs::Numbers { targets: targets.clone(), predicted: predicted.clone() };
        let exact = intervals(&outputs, &options());
        let fast = sums::of_numbers(&options().full_bootstrap(400), &targets, &predicted);
        for name in ["rmse", "mae", "r2"] {
            let (exact, fast) = (exact[name], fast[name]);
            assert!(
                exact.0 < exact.1 && (exact.0 - fast.0).abs() < exact.1 - exact.0,
                "{name} {exact:?} {fast:?}"
            );
        }
        assert!(!exact.contains_key("max_error"));
        assert!(intervals(&outputs, &EvaluationOptions { resamples: 0, ..options() }).is_empty());
    }
}
