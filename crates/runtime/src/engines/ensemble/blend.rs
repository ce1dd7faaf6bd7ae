//! Scale on which members are averaged: probabilities of classes, and numbers in their units.

use cupola_prep::{FittedTarget, NumberOutputs, PredictedValue};
use cupola_spec::TargetList;

/// Smallest probability, so that logits are finite.
const LEAST: f64 = 1e-30;
/// Smallest probability after a calibration, which computes in 32 bits.
const LEAST_CALIBRATED: f64 = 1e-7;

/// Values `[rows, values]` that logits `[rows, width]` stand for: the probability of each class, a number in its units, and
/// each step of a forecast.
pub fn blended_values(targets: &TargetList<FittedTarget>, logits: &[f32]) -> Vec<f64> {
    let width: usize = targets.iter().map(FittedTarget::width).sum();
    let mut out = Vec::with_capacity(logits.len());
    for row in logits.chunks_exact(width.max(1)) {
        let mut rest = row;
        for target in targets {
            let (own, after) = rest.split_at(target.width().min(rest.len()));
            rest = after;
            push_values(target, own, &mut out);
        }
    }
    out
}

fn push_values(target: &FittedTarget, logits: &[f32], out: &mut Vec<f64>) {
    match target {
        FittedTarget::Category { calibration: Some(_), .. } => {
            let found = target.probabilities(logits);
            out.extend(found.into_iter().map(|p| at_least(LEAST_CALIBRATED, f64::from(p))));
        }
        FittedTarget::Category { classes, .. } if classes.len() == 2 => {
            // Both in 64 bits: the rest of 1 would lose the digits of the smaller one.
            let logit = f64::from(logits.first().copied().unwrap_or_default());
            out.extend([1.0 / (1.0 + logit.exp()), 1.0 / (1.0 + (-logit).exp())]);
        }
        FittedTarget::Category { .. } => {
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let exps = logits.iter().map(|logit| f64::from(logit - largest).exp());
            let sum: f64 = exps.clone().sum();
            out.extend(exps.map(|exp| exp / sum));
        }
        // The outputs of its interval are the member's own.
        FittedTarget::Number { .. } => {
            if let PredictedValue::Number(value) = target.decode(logits, &[]).value {
                out.push(value);
            }
        }
        FittedTarget::Forecast { shift, factor, .. } => {
            out.extend(logits.iter().map(|logit| f64::from(*logit) / factor + shift));
        }
        // Joined plans have no other targets.
        _ => out.extend(logits.iter().map(|logit| f64::from(*logit))),
    }
}

/// Values `[rows, values]` that a member with this index and weight adds to the ensemble's: its share of an average, and its
/// own number where the target has one for each member.
pub(super) fn shared_values(
    targets: &TargetList<FittedTarget>,
    index: usize,
    weight: f64,
    values: &[f64],
) -> Vec<f64> {
    let members = |target: &FittedTarget| match target {
        FittedTarget::Number { outputs: NumberOutputs::Folds(members), .. } => Some(*members),
        _ => None,
    };
    let own = |target: &FittedTarget| members(target).map_or_else(|| value_count(target), |_| 1);
    let width: usize = targets.iter().map(own).sum();
    let mut out = Vec::with_capacity(values.len());
    for row in values.chunks_exact(width.max(1)) {
        let mut rest = row;
        for target in targets {
            let (values, after) = rest.split_at(own(target));
            rest = after;
            match members(target) {
                Some(members) => {
                    out.extend((0..members).map(|member| if member == index { values[0] } else { 0.0 }));
                }
                None => out.extend(values.iter().map(|value| weight * value)),
            }
        }
    }
    out
}

/// Logits `[rows, width]` whose predictions are these values `[rows, values]`.
#[allow(clippy::cast_possible_truncation, reason = "logits have 32 bits")]
pub fn logits_of_blend(targets: &TargetList<FittedTarget>, values: &[f64]) -> Vec<f32> {
    let width: usize = targets.iter().map(value_count).sum();
    let mut out = Vec::with_capacity(values.len());
    for row in values.chunks_exact(width.max(1)) {
        let mut rest = row;
        for target in targets {
            let (own, after) = rest.split_at(value_count(target).min(rest.len()));
            rest = after;
            match (target, own) {
                (FittedTarget::Category { .. }, [negative, positive]) => {
                    out.push((at_least(LEAST, *positive).ln() - at_least(LEAST, *negative).ln()) as f32);
                }
                (FittedTarget::Category { .. }, _) => {
                    out.extend(own.iter().map(|probability| at_least(LEAST, *probability).ln() as f32));
                }
                (
                    FittedTarget::Number { shift, factor, .. } | FittedTarget::Forecast { shift, factor, .. },
                    _,
                ) => {
                    out.extend(own.iter().map(|value| ((value - shift) * factor) as f32));
                }
                _ => out.extend(own.iter().map(|value| *value as f32)),
            }
        }
    }
    out
}

/// The larger number; not a number if `value` is none, so that a member that fails is no answer.
fn at_least(least: f64, value: f64) -> f64 {
    if value.is_nan() { value } else { value.max(least) }
}

/// Number of values of a target.
fn value_count(target: &FittedTarget) -> usize {
    match target {
        FittedTarget::Category { classes, .. } => classes.len(),
        _ => target.width(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn category(classes: &[&str]) -> FittedTarget {
        FittedTarget::Category {
            name: "c".to_owned(),
            column: "c".to_owned(),
            classes: classes.iter().map(|class| (*class).to_owned()).collect(),
            numeric: false,
            calibration: None,
            threshold: None,
        }
    }

    fn number(shift: f64, factor: f64) -> FittedTarget {
        FittedTarget::Number {
            name: "n".to_owned(),
            column: "n".to_owned(),
            shift,
            factor,
            range: None,
            outputs: NumberOutputs::Value,
        }
    }

    #[test]
    fn what_is_not_a_number_stays_so() {
        let targets =
            TargetList::new(category(&["a", "b", "c"]), vec![number(0.0, 1.0), category(&["x", "y"])]);
        let logits = logits_of_blend(&targets, &blended_values(&targets, &[f32::NAN; 5]));
        assert!(logits.len() == 5 && logits.iter().all(|logit| logit.is_nan()), "{logits:?}");
    }

    #[test]
    fn logits_that_become_values_come_back() {
        let targets =
            TargetList::new(category(&["a", "b", "c"]), vec![number(100.0, 0.25), category(&["x", "y"])]);
        let logits = [1.0, -2.0, 0.5, 1.5, -30.0, -1.0, 40.0, 3.0, -0.25, 25.0];
        let values = blended_values(&targets, &logits);
        assert_eq!(values.len(), 2 * 6);
        assert!((values[3] - 106.0).abs() < 1e-9 && values[4] > 0.999 && values[5] > 0.0);
        let back = logits_of_blend(&targets, &values);
        for (row, (old, new)) in logits.chunks(5).zip(back.chunks(5)).enumerate() {
            // A softmax does not change if the same number is added to all of its logits.
            let shift = old[0] - new[0];
            for at in 0..3 {
                assert!((old[at] - new[at] - shift).abs() < 1e-4, "row {row}: {old:?} {new:?}");
            }
            assert!(
                (old[3] - new[3]).abs() < 1e-5 && (old[4] - new[4]).abs() < 1e-4,
                "row {row}: {old:?} {new:?}"
            );
        }
    }

    #[test]
    fn members_add_their_share_of_an_average_or_a_number_of_their_own() {
        let mut folds = number(10.0, 2.0);
        if let FittedTarget::Number { outputs, .. } = &mut folds {
            *outputs = NumberOutputs::Folds(2);
        }
        let targets = TargetList::new(category(&["x", "y"]), vec![folds, number(0.0, 1.0)]);
        let rows =
            [[0.25, 0.75, 11.0, 4.0, 0.5, 0.5, 12.0, 6.0], [0.75, 0.25, 13.0, 8.0, 0.5, 0.5, 14.0, 0.0]];
        let added = [0, 1].map(|index| shared_values(&targets, index, 0.5, &rows[index]));
        let sum: Vec<f64> = added[0].iter().zip(&added[1]).map(|(a, b)| a + b).collect();
        assert_eq!(sum, [0.5, 0.5, 11.0, 13.0, 6.0, 0.5, 0.5, 12.0, 14.0, 3.0]);
        let logits = logits_of_blend(&targets, &sum);
        assert_eq!(logits[..4], [0.0, 2.0, 6.0, 6.0]);
        let own = targets.iter().nth(1).map(|target| target.decode(&logits[1..3], &[])).unwrap();
        assert_eq!((own.value, own.outputs), (PredictedValue::Number(12.0), vec![11.0, 13.0]));
        // A member with quantiles, or one that is an average itself, gives its number alone.
        let mut quantiles = number(10.0, 2.0);
        if let FittedTarget::Number { outputs, .. } = &mut quantiles {
            *outputs = NumberOutputs::quantiles(0.9);
        }
        assert_eq!(blended_values(&TargetList::single(quantiles), &[4.0, 0.0, 9.0]), [12.0]);
        let folds = targets.iter().nth(1).cloned().map(TargetList::single).unwrap();
        assert_eq!(blended_values(&folds, &[2.0, 6.0]), [12.0]);
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "the values are exact")]
    fn numbers_of_members_with_different_scales_are_averaged_in_their_units() {
        let [a, b] = [number(10.0, 2.0), number(-5.0, 0.5)].map(TargetList::single);
        let values = [blended_values(&a, &[4.0])[0], blended_values(&b, &[10.0])[0]];
        assert_eq!(values, [12.0, 15.0]);
        let logit = logits_of_blend(&a, &[0.25 * values[0] + 0.75 * values[1]])[0];
        assert!((f64::from(logit) / 2.0 + 10.0 - 14.25).abs() < 1e-6);
    }
}
