//! From logits to a typed answer.

use super::{FittedTarget, Label, Prediction};

impl FittedTarget {
    /// The answer that one row's logits (`width` values) stand for; `own` are the real numbers of the
    /// row's example.
    pub fn decode(&self, logits: &[f32], own: &[f32]) -> Prediction {
        let number = |value| Prediction { value: Label::Number(value), probabilities: None };
        match self {
            Self::NextToken { .. } => {
                let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
                let best = best.map_or(0, |(index, _)| index);
                number(best as f64)
            }
            Self::Number { shift, factor, .. } => number(f64::from(logits[0]) / factor + shift),
            Self::Forecast { shift, factor, .. } => {
                let ahead = logits.iter().map(|x| f64::from(*x) / factor + shift).collect();
                Prediction { value: Label::Numbers(ahead), probabilities: None }
            }
            Self::Embedding { .. } => {
                let vector = logits.iter().map(|x| f64::from(*x)).collect();
                Prediction { value: Label::Numbers(vector), probabilities: None }
            }
            Self::Reconstruct { .. } => number(distance(logits, own)),
            Self::Category { classes, numeric, .. } => {
                let probabilities = self.probabilities(logits);
                let best = probabilities
                    .iter()
                    .enumerate()
                    .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)))
                    .map_or(0, |(index, _)| index);
                let value = match classes[best].parse() {
                    Ok(number) if *numeric => Label::Number(number),
                    _ => Label::Text(classes[best].clone()),
                };
                let named = classes.iter().cloned().zip(probabilities).collect();
                Prediction { value, probabilities: Some(named) }
            }
        }
    }

    /// Probability of each class; softmax, or a sigmoid for two classes. Empty for a number.
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f32> {
        match self {
            Self::Category { classes, .. } if classes.len() == 2 => {
                let p = 1.0 / (1.0 + (-logits[0]).exp());
                vec![1.0 - p, p]
            }
            Self::Category { .. } => {
                let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let exps: Vec<f32> = logits.iter().map(|x| (x - most).exp()).collect();
                let sum: f32 = exps.iter().sum();
                exps.into_iter().map(|e| e / sum).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Mean squared difference of two lists.
#[allow(clippy::cast_precision_loss)]
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    sum / a.len().max(1) as f64
}
