//! Metrics of a target whose positive class has a threshold.

use cupola_eval::Metrics;
use cupola_prep::FittedTarget;

/// Metrics that are computed from the probabilities, whatever class is predicted.
const OF_PROBABILITIES: [&str; 6] = ["roc_auc", "pr_auc", "lift_at_10", "log_loss", "brier", "ece"];

/// Metrics of the classes that the target's threshold predicts, with those of the probabilities as they are. `metrics`
/// computes them from probabilities `[rows, classes]`, taking the most probable class as the predicted one.
pub(super) fn decided(
    target: &FittedTarget,
    probabilities: &[f32],
    metrics: impl Fn(&[f32]) -> Metrics,
) -> Metrics {
    let plain = metrics(probabilities);
    if !matches!(target, FittedTarget::Category { threshold: Some(_), .. }) {
        return plain;
    }
    let of_class = |row: &[f32]| if target.predicted_class(row) == 1 { [0.0, 1.0] } else { [1.0, 0.0] };
    let mut decided = metrics(&probabilities.chunks(2).flat_map(of_class).collect::<Vec<f32>>());
    for name in OF_PROBABILITIES {
        if let Some(why) = plain.undefined.get(name) {
            decided.undefined.insert(name.to_owned(), why.clone());
        }
        match plain.values.get(name) {
            Some(value) => {
                decided.values.insert(name.to_owned(), *value);
            }
            None => {
                decided.values.shift_remove(name);
            }
        }
    }
    decided
}

#[cfg(test)]
mod tests {
    use cupola_eval::{MetricSet, classification};

    use super::*;

    #[test]
    fn a_threshold_moves_decisions_and_leaves_probabilities() {
        let classes = ["no".to_owned(), "yes".to_owned()];
        let target = |threshold| FittedTarget::Category {
            name: "y".to_owned(),
            column: "y".to_owned(),
            classes: classes.to_vec(),
            numeric: false,
            calibration: None,
            threshold,
        };
        let p = [0.7, 0.3, 0.9, 0.1, 0.4, 0.6];
        let of = |threshold| {
            decided(&target(threshold), &p, |p| classification(&classes, &[1, 0, 1], p, None, MetricSet::All))
        };
        let (plain, moved) = (of(None), of(Some(0.25)));
        assert!((plain.values["recall"] - 0.5).abs() < 1e-9 && (moved.values["recall"] - 1.0).abs() < 1e-9);
        assert_eq!(moved.confusion, [[1, 0], [0, 2]]);
        for name in ["roc_auc", "log_loss"] {
            assert!((plain.values[name] - moved.values[name]).abs() < 1e-12, "{name}");
        }
    }
}
