//! Calibration of predicted probabilities, and thresholds for a stated goal.
//!
//! A model is calibrated if a class with probability `p` occurs in a share `p` of the rows. Each method is fitted to rows that
//! the model was not trained on. [`platt`] and [`isotonic`] take one class against the rest: its log-odds
//! ([`log_odds`]), and whether the row is of the class; [`normalised`] makes the classes of a row add up to 1, as
//! scikit-learn's `CalibratedClassifierCV` does.

mod isotonic;
mod platt;
mod temperature;
mod threshold;

pub use self::isotonic::{IsotonicCurve, isotonic};
pub use self::platt::{PlattSigmoid, platt};
pub use self::temperature::temperature;
pub use self::threshold::{TunedThreshold, TuningGoal, tuned_threshold};

/// Log-odds of each class of a row of logits, `ln(p / (1 - p))` without loss for probabilities near 0 and 1. A single logit
/// is the log-odds of the second of two classes.
pub fn log_odds(logits: &[f64]) -> Vec<f64> {
    if let [logit] = logits {
        return vec![-logit, *logit];
    }
    let others = |class: usize| {
        let others = logits.iter().enumerate().filter(|(other, _)| *other != class).map(|(_, logit)| *logit);
        let largest = others.clone().fold(f64::NEG_INFINITY, f64::max);
        largest + others.map(|logit| (logit - largest).exp()).sum::<f64>().ln()
    };
    logits.iter().enumerate().map(|(class, logit)| logit - others(class)).collect()
}

/// Makes the calibrated probabilities of the classes of a row add up to 1: of two classes the first gets the rest, of more
/// each is divided by the sum. Equal shares if all are 0.
#[allow(clippy::cast_precision_loss)]
pub fn normalised(mut probabilities: Vec<f64>) -> Vec<f64> {
    if let [first, second] = probabilities.as_mut_slice() {
        *first = 1.0 - *second;
        return probabilities;
    }
    let sum: f64 = probabilities.iter().sum();
    let equal = 1.0 / probabilities.len().max(1) as f64;
    for p in &mut probabilities {
        *p = if sum > 0.0 { *p / sum } else { equal };
    }
    probabilities
}

#[cfg(test)]
mod tests;
