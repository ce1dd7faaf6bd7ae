//! Outputs of a model for a number, of which some tell its interval.

use serde::{Deserialize, Serialize};

/// Outputs of a model for a number.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberOutputs {
    /// The number alone.
    #[default]
    Value,
    /// The number, and its quantiles at these two levels, the lower one first.
    Quantiles([f64; 2]),
    /// The number by each of so many models, of which each was trained without one fold of the rows. Their mean is the
    /// prediction.
    Folds(usize),
}

/// Most folds.
const MOST_FOLDS: usize = 1000;

impl NumberOutputs {
    /// `true` for the number alone.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub fn is_value(&self) -> bool {
        *self == Self::Value
    }

    /// Quantiles that leave out equal shares on both sides of this coverage (Romano et al. 2019, 4).
    pub fn quantiles(coverage: f64) -> Self {
        let below = (1.0 - coverage) / 2.0;
        Self::Quantiles([below, 1.0 - below])
    }

    /// Number of outputs.
    pub fn width(self) -> usize {
        match self {
            Self::Value => 1,
            Self::Quantiles(_) => 3,
            Self::Folds(folds) => folds,
        }
    }

    /// Number and, for an interval, the other outputs. `outputs` may be the encoded target, one value. Quantiles that cross
    /// change places (Chernozhukov et al. 2010, "Quantile and probability curves without crossing").
    pub(super) fn decode(self, outputs: &[f64]) -> (f64, Vec<f64>) {
        let value = outputs.first().copied().unwrap_or(f64::NAN);
        match (self, outputs) {
            (Self::Quantiles(_), [_, low, high]) if high < low => (value, vec![*high, *low]),
            (Self::Quantiles(_), [_, low, high]) => (value, vec![*low, *high]),
            #[allow(clippy::cast_precision_loss)]
            (Self::Folds(_), [_, ..]) => {
                (outputs.iter().sum::<f64>() / outputs.len() as f64, outputs.to_vec())
            }
            _ => (value, Vec::new()),
        }
    }

    /// Reason why it is invalid; `None` if it is not.
    pub(crate) fn problem(self) -> Option<String> {
        match self {
            Self::Quantiles([low, high]) if !(0.0 < low && low < high && high < 1.0) => {
                Some(format!("expected two ascending levels between 0 and 1, found {low} and {high}"))
            }
            Self::Folds(folds) if !(2..=MOST_FOLDS).contains(&folds) => {
                Some(format!("expected 2 to {MOST_FOLDS} folds, found {folds}"))
            }
            Self::Value | Self::Quantiles(_) | Self::Folds(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{FittedTarget, PredictedValue};

    #[test]
    fn quantiles_are_in_units_of_the_target_and_in_order() {
        let outputs = NumberOutputs::quantiles(0.9);
        let (name, column) = ("y".to_owned(), "y".to_owned());
        let target = FittedTarget::Number { name, column, shift: 10.0, factor: 0.5, range: None, outputs };
        assert_eq!(target.width(), 3);
        let decoded = |logits: &[f32]| {
            let found = target.decode(logits, &[]);
            (found.value, found.outputs)
        };
        assert_eq!(decoded(&[1.0, -1.0, 2.0]), (PredictedValue::Number(12.0), vec![8.0, 14.0]));
        assert_eq!(decoded(&[1.0, 2.0, -1.0]), (PredictedValue::Number(12.0), vec![8.0, 14.0]));
        assert_eq!(decoded(&[1.0]), (PredictedValue::Number(12.0), Vec::new()), "an encoded target");
    }

    #[test]
    fn the_prediction_of_folds_is_their_mean() {
        let (name, column) = ("y".to_owned(), "y".to_owned());
        let outputs = NumberOutputs::Folds(3);
        let target = FittedTarget::Number { name, column, shift: 10.0, factor: 0.5, range: None, outputs };
        let found = target.decode(&[1.0, -1.0, 3.0], &[]);
        assert_eq!((found.value, found.outputs), (PredictedValue::Number(12.0), vec![12.0, 8.0, 16.0]));
        assert_eq!(target.decode(&[1.0], &[]).value, PredictedValue::Number(12.0), "an encoded target");
        assert_eq!(
            [1, 3, 1001].map(|folds| NumberOutputs::Folds(folds).problem().is_some()),
            [true, false, true]
        );
    }

    #[test]
    fn plans_without_the_key_have_the_number_alone() {
        let text = r#"{"kind":"number","name":"y","column":"y","shift":0.0,"factor":1.0}"#;
        let target: FittedTarget = serde_json::from_str(text).unwrap();
        assert_eq!((target.width(), serde_json::to_string(&target).unwrap().as_str()), (1, text));
        let quantiles = text.replace('}', r#","outputs":{"quantiles":[0.05,0.95]}}"#);
        let target: FittedTarget = serde_json::from_str(&quantiles).unwrap();
        assert_eq!((target.width(), serde_json::to_string(&target).unwrap()), (3, quantiles));
        assert!(NumberOutputs::Quantiles([0.9, 0.1]).problem().is_some());
        assert!(NumberOutputs::Quantiles([f64::NAN, 0.1]).problem().is_some());
        assert_eq!(NumberOutputs::quantiles(0.8).problem(), None);
    }
}
