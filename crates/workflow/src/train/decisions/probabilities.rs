//! Calibration of probabilities and tuning of thresholds.

use cupola_eval::calibration::{
    IsotonicCurve, TunedThreshold, TuningGoal, isotonic, log_odds, platt, temperature, tuned_threshold,
};
use cupola_prep::{CalibrationCurve, FittedTarget, Prepared, ProbabilityCalibration, SplitPart};
use cupola_spec::{CalibrationMethod, Evaluate, ThresholdGoal};
use serde_json::{Map, Value, json};

use super::{LEAST_ROWS, SealedDecisions, SplitLogits, offsets};
use crate::error::Error;
use crate::evaluate::coverage::class_indices;
use crate::train::final_model::FinalModel;

/// Most rows of the valid split that calibration and threshold are fitted on.
const MOST_ROWS: usize = 100_000;
/// Metrics that are reported before and after the calibration.
const COMPARED: [&str; 3] = ["log_loss", "ece", "brier"];

impl SealedDecisions {
    /// Fits calibration and threshold of each target with classes on the valid split.
    pub(super) fn fit_probabilities(
        &mut self,
        evaluate: &Evaluate,
        prepared: &Prepared,
        model: &mut dyn FinalModel,
    ) -> Result<(), Error> {
        let split = SplitLogits::of(prepared, SplitPart::Valid, MOST_ROWS, model)?;
        if split.rows() < LEAST_ROWS {
            self.warnings.push(format!(
                "calibration and threshold are left out: the valid split has {} rows, but {LEAST_ROWS} are required; raise `split.valid`",
                split.rows()
            ));
            return Ok(());
        }
        let offsets = offsets(&self.plan);
        let (mut calibrated, mut thresholds) = (Map::new(), Map::new());
        for (index, (targets, at)) in split.targets.iter().zip(offsets).enumerate() {
            let Some(target) = self.plan.targets.iter_mut().nth(index) else { continue };
            let (name, width) = (target.name().to_owned(), target.width());
            let expected = class_indices(targets);
            let logits = split.of_target(at, width);
            let FittedTarget::Category { classes, calibration, .. } = target else { continue };
            let classes = classes.len();
            if let Some(method) = evaluate.calibration {
                *calibration = fitted(method, &logits, classes, &expected);
                match calibration {
                    Some(fitted) => {
                        calibrated.insert(name.clone(), described(method, fitted));
                    }
                    None => self.warnings.push(format!(
                        "the probabilities of `{name}` are not calibrated: the valid split lacks rows of a class; raise `split.valid`"
                    )),
                }
            }
            if let (Some(goal), 2) = (&evaluate.threshold, classes) {
                match tuned(target, &logits, &expected, goal) {
                    Some(found) => {
                        thresholds.insert(name, described_threshold(&found));
                        if let FittedTarget::Category { threshold, .. } = target {
                            *threshold = Some(found.threshold);
                        }
                    }
                    None => self.warnings.push(format!(
                        "no threshold of `{name}` is set: none on the valid split reaches the goal; lower it in `evaluate.threshold`"
                    )),
                }
            }
        }
        if !calibrated.is_empty() {
            let (before, after) = self.compared(prepared, model)?;
            let part = if prepared.rows(SplitPart::Test) > 0 { "test" } else { "valid" };
            // The valid split is what the calibration was fitted on, so what it says of itself is too good.
            let entry = json!({
                "targets": calibrated,
                "fitted_on": "valid",
                "split": part,
                "in_sample": part == "valid",
                "before": before,
                "after": after,
            });
            self.about.insert("calibration".to_owned(), entry);
        }
        if !thresholds.is_empty() {
            self.about.insert("threshold".to_owned(), Value::Object(thresholds));
        }
        Ok(())
    }

    /// Metrics of the probabilities without and with the calibration, on the test split, or on the valid split without one.
    fn compared(&self, prepared: &Prepared, model: &mut dyn FinalModel) -> Result<(Value, Value), Error> {
        let part = if prepared.rows(SplitPart::Test) > 0 { SplitPart::Test } else { SplitPart::Valid };
        let mut of = |plan| {
            let values = model.score(part, plan)?.values;
            let is_compared = |name: &str| COMPARED.contains(&name.rsplit('/').next().unwrap_or(name));
            let kept = values.into_iter().filter(|(name, _)| is_compared(name));
            Ok::<_, Error>(Value::Object(kept.map(|(name, value)| (name, value.into())).collect()))
        };
        Ok((of(&prepared.plan)?, of(&self.plan)?))
    }
}

/// Calibration of logits `[rows, width]`; `None` if a class has no rows.
fn fitted(
    method: CalibrationMethod,
    logits: &[f32],
    classes: usize,
    expected: &[usize],
) -> Option<ProbabilityCalibration> {
    if (0..classes).any(|class| !expected.contains(&class)) && method != CalibrationMethod::Temperature {
        return None;
    }
    let width = if classes == 2 { 1 } else { classes };
    let logits: Vec<f64> = logits.iter().map(|logit| f64::from(*logit)).collect();
    if method == CalibrationMethod::Temperature {
        let temperature = temperature(&logits, width, expected)?;
        return Some(ProbabilityCalibration::Temperature { temperature });
    }
    let odds: Vec<Vec<f64>> = logits.chunks(width).map(log_odds).collect();
    let first = classes - width;
    let of_class = |class: usize| {
        let scores: Vec<f64> = odds.iter().map(|row| row[class]).collect();
        let positive: Vec<bool> = expected.iter().map(|own| *own == class).collect();
        (scores, positive)
    };
    let each = (first..classes).map(of_class);
    if method == CalibrationMethod::Platt {
        let sigmoids: Option<Vec<_>> = each.map(|(scores, positive)| platt(&scores, &positive)).collect();
        let (slopes, intercepts) = sigmoids?.iter().map(|own| (own.slope, own.intercept)).unzip();
        return Some(ProbabilityCalibration::Platt { slopes, intercepts });
    }
    let curve = |curve: IsotonicCurve| {
        let IsotonicCurve { scores, probabilities } = curve;
        CalibrationCurve { scores, probabilities }
    };
    let curves = each.map(|(scores, positive)| isotonic(&scores, &positive).map(curve));
    Some(ProbabilityCalibration::Isotonic { curves: curves.collect::<Option<_>>()? })
}

/// Threshold of the positive class, from the calibrated probabilities.
fn tuned(
    target: &FittedTarget,
    logits: &[f32],
    expected: &[usize],
    goal: &ThresholdGoal,
) -> Option<TunedThreshold> {
    let p = logits.iter().filter_map(|logit| target.probabilities(&[*logit]).get(1).copied());
    let positive: Vec<bool> = expected.iter().map(|class| *class == 1).collect();
    tuned_threshold(&p.map(f64::from).collect::<Vec<f64>>(), &positive, tuning_goal(goal))
}

fn tuning_goal(goal: &ThresholdGoal) -> TuningGoal {
    let ThresholdGoal::Bound(bound) = goal else { return TuningGoal::FBeta(1.0) };
    if let Some(precision) = bound.precision {
        return TuningGoal::Precision(precision);
    }
    if let Some(recall) = bound.recall {
        return TuningGoal::Recall(recall);
    }
    match (bound.false_positive, bound.false_negative) {
        (Some(false_positive), Some(false_negative)) => TuningGoal::Cost { false_positive, false_negative },
        _ => TuningGoal::FBeta(bound.f_beta.unwrap_or(1.0)),
    }
}

/// Calibration in `metrics.json`: the method, and of a temperature its value.
fn described(method: CalibrationMethod, calibration: &ProbabilityCalibration) -> Value {
    let mut entry = json!({ "method": method });
    if let ProbabilityCalibration::Temperature { temperature } = calibration {
        entry["temperature"] = (*temperature).into();
    }
    entry
}

/// Threshold in `metrics.json`, with the rates on the valid split that it was tuned on.
fn described_threshold(found: &TunedThreshold) -> Value {
    let TunedThreshold { threshold, precision, recall, .. } = found;
    json!({ "threshold": threshold, "valid": { "precision": precision, "recall": recall } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(classes: usize, calibration: Option<ProbabilityCalibration>) -> FittedTarget {
        let classes = (0..classes).map(|class| format!("c{class}")).collect();
        let (name, column) = ("y".to_owned(), "y".to_owned());
        FittedTarget::Category { name, column, classes, numeric: false, calibration, threshold: None }
    }

    #[test]
    fn sealed_calibrations_give_the_probabilities_that_were_fitted() {
        let logits: Vec<f32> = (0..90_u8).map(|at| f32::from(at * 37 % 90) / 9.0 - 5.0).collect();
        for classes in [2, 3] {
            let width = if classes == 2 { 1 } else { classes };
            let rows = logits.len() / width;
            let expected: Vec<usize> = (0..rows).map(|row| row * 7 % 11 % classes).collect();
            for method in
                [CalibrationMethod::Temperature, CalibrationMethod::Platt, CalibrationMethod::Isotonic]
            {
                let sealed = target(classes, fitted(method, &logits, classes, &expected));
                let mut sum = vec![0.0; classes];
                for row in logits.chunks(width) {
                    let p = sealed.probabilities(row);
                    assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{method:?}: {p:?}");
                    sum.iter_mut().zip(&p).for_each(|(sum, p)| *sum += f64::from(*p));
                }
                // An isotonic curve keeps the share of the positive class on the rows it is fitted to.
                if let (CalibrationMethod::Isotonic, 2) = (method, classes) {
                    let positive = expected.iter().filter(|class| **class == 1).count() as f64;
                    assert!((sum[1] - positive).abs() < 1e-4, "{} of {positive}", sum[1]);
                }
            }
        }
        assert_eq!(fitted(CalibrationMethod::Platt, &logits, 3, &[0; 30]), None);
    }

    #[test]
    fn thresholds_are_tuned_on_calibrated_probabilities() {
        let logits = [-3.0, -2.0, -1.0, 0.5, 2.0];
        let cooled = target(2, Some(ProbabilityCalibration::Temperature { temperature: 10.0 }));
        let goal: ThresholdGoal = serde_json::from_value(json!("f1")).unwrap();
        let found = tuned(&cooled, &logits, &[0, 0, 1, 1, 1], &goal).unwrap();
        // Between the probabilities of -2 and -1 with a temperature of 10.
        assert!(found.threshold > 0.45 && found.threshold < 0.475, "{found:?}");
        let goal: ThresholdGoal = serde_json::from_value(json!({ "recall": 0.9 })).unwrap();
        assert_eq!(tuning_goal(&goal), TuningGoal::Recall(0.9));
    }
}
