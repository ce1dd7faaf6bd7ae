//! Decoding of logits to predictions.

use cupola_values::number_text;

use super::{FittedTarget, PredictedValue, Prediction};

impl FittedTarget {
    /// Decodes the logits of one row, `width` values. `dense` are the real values of its example, which a
    /// reconstruction is compared with.
    pub fn decode(&self, logits: &[f32], dense: &[f32]) -> Prediction {
        let number = |value| Prediction::new(PredictedValue::Number(value));
        let numbers = |values: Vec<f64>| Prediction::new(PredictedValue::Numbers(values));
        match self {
            Self::NextToken { .. } => {
                let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
                number(best.map_or(0, |(index, _)| index) as f64)
            }
            Self::Number { shift, factor, outputs, .. } => {
                let found: Vec<f64> = logits.iter().map(|x| f64::from(*x) / factor + shift).collect();
                let (value, outputs) = outputs.decode(&found);
                Prediction { outputs, ..number(value) }
            }
            Self::Forecast { shift, factor, .. } => {
                numbers(logits.iter().map(|x| f64::from(*x) / factor + shift).collect())
            }
            Self::Rank { .. } => number(f64::from(logits.first().copied().unwrap_or_default())),
            Self::Embedding { .. } => numbers(logits.iter().map(|x| f64::from(*x)).collect()),
            Self::Reconstruct { threshold, .. } => {
                let score = mean_squared_difference(logits, dense);
                let anomaly = threshold.map(|threshold| score > threshold);
                Prediction { threshold: *threshold, anomaly, ..number(score) }
            }
            Self::Category { classes, numeric, .. } => {
                let probabilities = self.probabilities(logits);
                let best = self.predicted_class(&probabilities);
                let value = class_value(&classes[best], *numeric);
                let named = classes.iter().cloned().zip(probabilities).collect();
                Prediction { probabilities: Some(named), ..Prediction::new(value) }
            }
        }
    }

    /// Class with this index as a prediction; an empty text if the target has no such class.
    pub fn class_value(&self, index: usize) -> PredictedValue {
        let empty = || PredictedValue::Text(String::new());
        let Self::Category { classes, numeric, .. } = self else { return empty() };
        classes.get(index).map_or_else(empty, |class| class_value(class, *numeric))
    }

    /// Index of the predicted class: the second of two classes from its threshold on if there is one, else the most probable
    /// one, the first of equals.
    pub fn predicted_class(&self, probabilities: &[f32]) -> usize {
        if let (Self::Category { threshold: Some(threshold), .. }, [_, positive]) = (self, probabilities) {
            return usize::from(f64::from(*positive) >= *threshold);
        }
        let each = probabilities.iter().enumerate();
        each.max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0))).map_or(0, |(index, _)| index)
    }

    /// Probability of each class: a sigmoid for two classes, else a softmax, and the calibration of the target if it has
    /// one. Empty if the target is not a class.
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f32> {
        match self {
            Self::Category { calibration: Some(calibration), .. } => calibration.probabilities(logits),
            Self::Category { classes, .. } if classes.len() == 2 => {
                let p = 1.0 / (1.0 + (-logits[0]).exp());
                vec![1.0 - p, p]
            }
            Self::Category { .. } => {
                let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let exps: Vec<f32> = logits.iter().map(|x| (x - largest).exp()).collect();
                let sum: f32 = exps.iter().sum();
                exps.into_iter().map(|e| e / sum).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Class as a prediction: a number if its column has numbers and the number has exactly that text.
fn class_value(class: &str, numeric: bool) -> PredictedValue {
    let whole = class.parse().ok().filter(|_| numeric).map(PredictedValue::Integer);
    let number = || {
        let number: f64 = class.parse().ok().filter(|_| numeric)?;
        (number_text(number) == class).then_some(PredictedValue::Number(number))
    };
    whole.or_else(number).unwrap_or_else(|| PredictedValue::Text(class.to_owned()))
}

/// Mean squared difference of two lists of the same length.
#[allow(clippy::cast_precision_loss)]
pub fn mean_squared_difference(a: &[f32], b: &[f32]) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    sum / a.len().max(1) as f64
}
