//! Outputs of a model as plain numbers, in the units of the target.

use cupola_prep::{FittedTarget, Plan, PredictedValue, Targets, mean_squared_difference, number_text};
use cupola_train::{SplitOutputs, TargetObjective};

/// Targets and predictions of all rows for one target.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TargetOutputs {
    /// Classes.
    Classes {
        names: Vec<String>,
        targets: Vec<usize>,
        /// `[rows, classes]`
        probabilities: Vec<f32>,
        /// Probability from which a row counts as the second of two classes; `None` for the likelier class.
        threshold: Option<f64>,
    },
    /// Numbers.
    Numbers { targets: Vec<f64>, predicted: Vec<f64> },
    /// Values at several steps ahead, `[rows, horizon]`.
    Forecast { horizon: usize, naive: Option<f64>, targets: Vec<f64>, predicted: Vec<f64> },
    /// Anomaly scores.
    Scores {
        scores: Vec<f64>,
        /// `true` for each row that is an anomaly; empty if that is unknown.
        anomalies: Vec<bool>,
        /// Score above which a row counts as an anomaly.
        threshold: Option<f64>,
    },
    /// Scores that order the rows of groups.
    Ranks {
        /// Key of the group of each row.
        groups: Vec<u64>,
        grades: Vec<f64>,
        scores: Vec<f64>,
    },
    /// Outputs without plots, such as those of a language model.
    Other,
}

impl TargetOutputs {
    /// Outputs of each target of a plan.
    pub fn of(plan: &Plan, objectives: &[TargetObjective], outputs: &SplitOutputs) -> Vec<Self> {
        let SplitOutputs { logits, examples } = outputs;
        let all = plan.width().max(1);
        let targets = plan.targets.iter().zip(objectives).zip(examples.targets.iter());
        let each = targets.map(|((target, objective), targets)| {
            let own = logits.chunks_exact(all).map(|row| &row[objective.at..objective.at + objective.width]);
            decoded(target, targets, own, &examples.examples.dense)
        });
        each.collect()
    }

    /// Loss of each row, the larger the worse: negative logarithm of the probability of the class, or the mean absolute
    /// error. Empty where a row has none.
    pub fn losses(&self) -> Vec<f64> {
        match self {
            Self::Classes { names, targets, probabilities, .. } => {
                let rows = targets.iter().zip(probabilities.chunks_exact(names.len().max(1)));
                rows.map(|(target, own)| -f64::from(own[*target]).max(f64::from(f32::EPSILON)).ln()).collect()
            }
            Self::Numbers { targets, predicted } => {
                targets.iter().zip(predicted).map(|(target, predicted)| (target - predicted).abs()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Target and prediction of a row as texts.
    pub fn texts(&self, row: usize) -> (String, String) {
        match self {
            Self::Classes { names, targets, probabilities, threshold } => {
                let own = &probabilities[row * names.len()..(row + 1) * names.len()];
                let best = decided(own, *threshold);
                let predicted = format!("{} ({:.0} %)", names[best], 100.0 * own[best]);
                (names[targets[row]].clone(), predicted)
            }
            Self::Numbers { targets, predicted } => (short(targets[row]), short(predicted[row])),
            _ => (String::new(), String::new()),
        }
    }
}

/// Number with at most six significant digits.
fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return number_text(value);
    }
    let digits = 5.0 - value.abs().log10().floor();
    let factor = 10_f64.powf(digits.clamp(-300.0, 300.0));
    number_text((value * factor).round() / factor)
}

/// Index of the largest value, the first of equals.
pub(crate) fn likeliest(values: &[f32]) -> usize {
    (0..values.len()).fold(0, |best, index| if values[index] > values[best] { index } else { best })
}

/// Class that a model decides for: the second of two from its threshold on, else the most probable one.
pub(crate) fn decided(own: &[f32], threshold: Option<f64>) -> usize {
    match (own, threshold) {
        ([_, positive], Some(threshold)) => usize::from(f64::from(*positive) >= threshold),
        _ => likeliest(own),
    }
}

fn decoded<'a>(
    target: &FittedTarget,
    targets: &Targets,
    logits: impl Iterator<Item = &'a [f32]>,
    dense: &[f32],
) -> TargetOutputs {
    let width = target.width().max(1);
    let number = |scaled: &[f32]| match target.decode(scaled, &[]).value {
        #[allow(clippy::cast_precision_loss, reason = "a prediction as a number")]
        PredictedValue::Integer(value) => vec![value as f64],
        PredictedValue::Number(value) => vec![value],
        PredictedValue::Numbers(values) => values,
        PredictedValue::Text(_) => vec![f64::NAN],
    };
    match (target, targets) {
        (FittedTarget::Category { classes, threshold, .. }, Targets::Class(expected)) => {
            TargetOutputs::Classes {
                threshold: *threshold,
                names: classes.clone(),
                targets: expected.iter().map(|class| usize::try_from(*class).unwrap_or_default()).collect(),
                probabilities: logits.flat_map(|row| target.probabilities(row)).collect(),
            }
        }
        (FittedTarget::Forecast { horizon, naive, .. }, Targets::Vector { values, .. }) => {
            TargetOutputs::Forecast {
                horizon: (*horizon).max(1),
                naive: *naive,
                targets: values.chunks(width).flat_map(number).collect(),
                predicted: logits.flat_map(number).collect(),
            }
        }
        (FittedTarget::Reconstruct { threshold, .. }, Targets::Reconstruction { anomalies }) => {
            let rows = logits.zip(dense.chunks_exact(width));
            TargetOutputs::Scores {
                scores: rows.map(|(row, own)| mean_squared_difference(row, own)).collect(),
                anomalies: anomalies.clone(),
                threshold: *threshold,
            }
        }
        (FittedTarget::Rank { .. }, Targets::Relevance { groups, values }) => TargetOutputs::Ranks {
            groups: groups.clone(),
            grades: values.iter().map(|grade| f64::from(*grade)).collect(),
            scores: logits.flat_map(number).collect(),
        },
        (FittedTarget::Number { .. }, Targets::Number(expected)) => TargetOutputs::Numbers {
            targets: expected.chunks(1).flat_map(number).collect(),
            predicted: logits.flat_map(number).collect(),
        },
        _ => TargetOutputs::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_those_of_the_targets() {
        let classes = TargetOutputs::Classes {
            names: vec!["a".into(), "b".into()],
            targets: vec![0, 1],
            probabilities: vec![0.5, 0.5, 0.75, 0.25],
            threshold: None,
        };
        let losses = classes.losses();
        assert!((losses[0] - 2_f64.ln()).abs() < 1e-12 && (losses[1] - 4_f64.ln()).abs() < 1e-12);
        assert_eq!(classes.texts(1), ("b".to_owned(), "a (75 %)".to_owned()));
        let numbers = TargetOutputs::Numbers { targets: vec![1.0], predicted: vec![1_234.567_89] };
        assert_eq!(numbers.texts(0), ("1".to_owned(), "1234.57".to_owned()));
        assert_eq!([decided(&[0.7, 0.3], None), decided(&[0.7, 0.3], Some(0.25))], [0, 1]);
        assert_eq!(TargetOutputs::Other.losses(), Vec::<f64>::new());
    }
}
