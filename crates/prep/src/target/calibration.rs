//! Sealed calibration of the probabilities of classes.

use serde::{Deserialize, Serialize};

/// Calibration of a target's probabilities, fitted on the valid split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum ProbabilityCalibration {
    /// Logits divided by one number.
    Temperature {
        /// Divisor, above 0.
        temperature: f64,
    },
    /// Sigmoid `1 / (1 + exp(slope * log-odds + intercept))` of each class against the rest; of two classes only of the
    /// second.
    Platt {
        /// Slope of each class.
        slopes: Vec<f64>,
        /// Intercept of each class.
        intercepts: Vec<f64>,
    },
    /// Rising curve of the log-odds of each class against the rest; of two classes only of the second.
    Isotonic {
        /// Curve of each class.
        curves: Vec<CalibrationCurve>,
    },
}

/// Rising curve from log-odds to a probability, linear between its points and constant beyond.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationCurve {
    /// Log-odds in ascending order.
    pub scores: Vec<f64>,
    /// Probabilities there.
    pub probabilities: Vec<f64>,
}

impl ProbabilityCalibration {
    /// Calibrated probability of each class of a row of logits; a single logit is that of the second of two classes.
    #[allow(clippy::cast_possible_truncation, reason = "probabilities are served with 32 bits")]
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f32> {
        let logits: Vec<f64> = logits.iter().map(|logit| f64::from(*logit)).collect();
        let calibrated = match self {
            Self::Temperature { temperature } => softmax(&logits, *temperature),
            Self::Platt { slopes, intercepts } => {
                let each = log_odds(&logits).into_iter().zip(slopes.iter().zip(intercepts));
                normalised(
                    each.map(|(score, (slope, intercept))| sigmoid(-(slope * score + intercept))).collect(),
                )
            }
            Self::Isotonic { curves } => {
                let each = log_odds(&logits).into_iter().zip(curves);
                normalised(each.map(|(score, curve)| curve.at(score)).collect())
            }
        };
        calibrated.into_iter().map(|p| p as f32).collect()
    }

    /// Reason why it does not fit a target of `classes` classes; `None` if it does.
    pub(crate) fn problem(&self, classes: usize) -> Option<String> {
        let curves = if classes == 2 { 1 } else { classes };
        let (count, finite) = match self {
            Self::Temperature { temperature } => (curves, temperature.is_finite() && *temperature > 0.0),
            Self::Platt { slopes, intercepts } => {
                let finite = slopes.iter().chain(intercepts).all(|value| value.is_finite());
                (slopes.len(), finite && intercepts.len() == slopes.len())
            }
            Self::Isotonic { curves } => (curves.len(), curves.iter().all(CalibrationCurve::is_valid)),
        };
        if count != curves {
            return Some(format!("expected {curves} curves, found {count}"));
        }
        (!finite).then(|| "expected finite, ascending values".to_owned())
    }
}

impl CalibrationCurve {
    /// Probability at a score.
    fn at(&self, score: f64) -> f64 {
        let (x, y) = (&self.scores, &self.probabilities);
        let above = x.partition_point(|own| *own < score);
        let Some(below) = above.checked_sub(1) else { return y[0] };
        match x.get(above) {
            Some(upper) => (y[above] - y[below]) / (upper - x[below]) * (score - x[below]) + y[below],
            None => y[below],
        }
    }

    fn is_valid(&self) -> bool {
        let ascends = |values: &[f64]| values.windows(2).all(|pair| pair[0] < pair[1]);
        let shares = self.probabilities.iter().all(|p| (0.0..=1.0).contains(p));
        let sizes = !self.scores.is_empty() && self.scores.len() == self.probabilities.len();
        sizes && shares && self.scores.iter().all(|score| score.is_finite()) && ascends(&self.scores)
    }
}

/// Log-odds of each class; of two classes only that of the second.
fn log_odds(logits: &[f64]) -> Vec<f64> {
    if logits.len() == 1 {
        return logits.to_vec();
    }
    let others = |class: usize| {
        let others = logits.iter().enumerate().filter(|(other, _)| *other != class).map(|(_, logit)| *logit);
        let largest = others.clone().fold(f64::NEG_INFINITY, f64::max);
        largest + others.map(|logit| (logit - largest).exp()).sum::<f64>().ln()
    };
    logits.iter().enumerate().map(|(class, logit)| logit - others(class)).collect()
}

/// Probabilities that add up to 1. A single one is that of the second of two classes.
fn normalised(probabilities: Vec<f64>) -> Vec<f64> {
    if let [second] = probabilities.as_slice() {
        return vec![1.0 - second, *second];
    }
    let sum: f64 = probabilities.iter().sum();
    let equal = 1.0 / probabilities.len().max(1) as f64;
    probabilities.into_iter().map(|p| if sum > 0.0 { p / sum } else { equal }).collect()
}

fn softmax(logits: &[f64], temperature: f64) -> Vec<f64> {
    if let [logit] = logits {
        let p = sigmoid(logit / temperature);
        return vec![1.0 - p, p];
    }
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exps: Vec<f64> = logits.iter().map(|logit| ((logit - largest) / temperature).exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.into_iter().map(|exp| exp / sum).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: &[f32], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{found}, expected {expected}");
        }
    }

    #[test]
    fn each_method_gives_probabilities_of_all_classes() {
        let temperature = ProbabilityCalibration::Temperature { temperature: 2.0 };
        near(&temperature.probabilities(&[2.0]), &[0.268_941_421, 0.731_058_579]);
        near(&temperature.probabilities(&[0.0, 0.0, 0.0, 0.0]), &[0.25; 4]);
        let platt = ProbabilityCalibration::Platt { slopes: vec![-1.0], intercepts: vec![0.0] };
        near(&platt.probabilities(&[1.0]), &[0.268_941_421, 0.731_058_579]);
        let three = ProbabilityCalibration::Platt { slopes: vec![-1.0; 3], intercepts: vec![0.0; 3] };
        // The identity: a sigmoid of log-odds is the probability.
        near(&three.probabilities(&[1.0, 2.0, 3.0]), &[0.090_030_573, 0.244_728_471, 0.665_240_956]);
        let curve = CalibrationCurve { scores: vec![-1.0, 1.0], probabilities: vec![0.2, 0.8] };
        let isotonic = ProbabilityCalibration::Isotonic { curves: vec![curve.clone()] };
        near(&isotonic.probabilities(&[0.5]), &[0.35, 0.65]);
        near(&isotonic.probabilities(&[-9.0]), &[0.8, 0.2]);
        near(&isotonic.probabilities(&[9.0]), &[0.2, 0.8]);
        let saturated = ProbabilityCalibration::Isotonic { curves: vec![curve; 3] };
        near(&saturated.probabilities(&[900.0, -900.0, -900.0]), &[2.0 / 3.0, 1.0 / 6.0, 1.0 / 6.0]);
    }

    #[test]
    fn curves_that_do_not_fit_are_problems() {
        let curve = |scores: &[f64], probabilities: &[f64]| CalibrationCurve {
            scores: scores.to_vec(),
            probabilities: probabilities.to_vec(),
        };
        let isotonic = |curves| ProbabilityCalibration::Isotonic { curves };
        let good = curve(&[0.0], &[0.5]);
        assert_eq!(isotonic(vec![good.clone()]).problem(2), None);
        assert_eq!(isotonic(vec![good.clone(); 3]).problem(3), None);
        for (calibration, classes) in [
            (isotonic(vec![good.clone()]), 3),
            (isotonic(vec![good; 2]), 2),
            (isotonic(vec![curve(&[], &[])]), 2),
            (isotonic(vec![curve(&[1.0, 0.0], &[0.1, 0.2])]), 2),
            (isotonic(vec![curve(&[0.0], &[1.5])]), 2),
            (isotonic(vec![curve(&[f64::NAN], &[0.5])]), 2),
            (ProbabilityCalibration::Temperature { temperature: 0.0 }, 2),
            (ProbabilityCalibration::Platt { slopes: vec![1.0], intercepts: vec![] }, 2),
        ] {
            assert!(calibration.problem(classes).is_some(), "{calibration:?}");
        }
    }
}
