//! Coverage of the intervals and sets of a model on rows that have the target.

use cupola_prep::{FittedTarget, Plan, PredictedValue, Prediction, Targets};
use cupola_runtime::add_intervals;
use cupola_spec::TargetList;

use crate::error::Error;

/// Most rows that the coverage is measured on, evenly spaced.
const MOST_ROWS: usize = 200_000;

/// Share of the targets within their interval or set (`interval_coverage`), and the mean width (`interval_width`) or size
/// (`set_size`) of these, for each target. `logits` are `[rows, width]`; `groups` has the value of `uncertainty.by` of each
/// row, and is empty without it.
///
/// # Errors
/// A plan without scores, or with too few for the coverage.
pub(crate) fn coverage_metrics(
    plan: &Plan,
    coverage: f64,
    logits: &[f32],
    targets: &TargetList<Targets>,
    groups: &[String],
) -> Result<Vec<(String, f64)>, Error> {
    let width = plan.width().max(1);
    let rows = logits.len() / width;
    let measured = rows.min(MOST_ROWS);
    let chosen: Vec<usize> = (0..measured).map(|row| row * rows / measured).collect();
    let mut predictions: Vec<_> =
        chosen.iter().map(|row| plan.decode(&logits[row * width..(row + 1) * width], &[])).collect();
    let groups: Vec<String> = chosen.iter().filter_map(|row| groups.get(*row).cloned()).collect();
    add_intervals(plan, coverage, &groups, &mut predictions)?;
    let single = plan.targets.iter().count() == 1;
    let mut out = Vec::new();
    for (target, targets) in plan.targets.iter().zip(targets.iter()) {
        let mut found = Within::default();
        let expected = class_indices(targets);
        for (row, predictions) in chosen.iter().zip(&predictions) {
            let Some(prediction) = predictions.get(target.name()) else { continue };
            let numbers = target_numbers(target, targets, *row);
            found.add(target, prediction, expected.get(*row).copied(), &numbers);
        }
        let named =
            |metric: &str| if single { metric.to_owned() } else { format!("{}/{metric}", target.name()) };
        let size = if expected.is_empty() { "interval_width" } else { "set_size" };
        out.push((named("interval_coverage"), found.covered / found.rows.max(1.0)));
        out.push((named(size), found.size / found.rows.max(1.0)));
    }
    Ok(out)
}

/// Sums over targets and their intervals or sets.
#[derive(Default)]
struct Within {
    rows: f64,
    covered: f64,
    size: f64,
}

impl Within {
    fn add(&mut self, target: &FittedTarget, prediction: &Prediction, class: Option<usize>, numbers: &[f64]) {
        let mut count = |covered: bool, size: f64| {
            self.rows += 1.0;
            self.covered += if covered { 1.0 } else { 0.0 };
            self.size += size;
        };
        if let (Some(set), Some(class)) = (&prediction.set, class) {
            count(set.contains(&target.class_value(class)), set.len() as f64);
        }
        if let Some(interval) = &prediction.interval {
            let bounds = numbers_of(&interval.low).into_iter().zip(numbers_of(&interval.high));
            for ((low, high), target) in bounds.zip(numbers) {
                count((low..=high).contains(target), high - low);
            }
        }
    }
}

/// Numbers of a prediction: one, or one for each step; none of a class.
pub(crate) fn numbers_of(value: &PredictedValue) -> Vec<f64> {
    match value {
        PredictedValue::Number(value) => vec![*value],
        PredictedValue::Numbers(values) => values.clone(),
        PredictedValue::Integer(_) | PredictedValue::Text(_) => Vec::new(),
    }
}

/// Target of a row in its units: one number, or one for each step; none of a class.
pub(crate) fn target_numbers(target: &FittedTarget, targets: &Targets, row: usize) -> Vec<f64> {
    let encoded = match targets {
        Targets::Number(values) => &values[row..=row],
        Targets::Vector { width, values } => &values[row * width..(row + 1) * width],
        _ => return Vec::new(),
    };
    numbers_of(&target.decode(encoded, &[]).value)
}

/// Index of the class of each row; empty for a target without classes.
pub(crate) fn class_indices(targets: &Targets) -> Vec<usize> {
    match targets {
        Targets::Class(classes) => {
            classes.iter().map(|class| usize::try_from(*class).unwrap_or_default()).collect()
        }
        _ => Vec::new(),
    }
}
