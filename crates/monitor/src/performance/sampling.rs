//! Standard errors of metrics that are due to the size of a chunk.
//!
//! The reference gives the variance of a metric for a single relevant row, and the share of relevant rows; a chunk of `n`
//! rows has the variance divided by `n` times the share.

use cupola_eval::ScoreRanking;
use serde::{Deserialize, Serialize};

use super::classified::{ClassifierMetric, ClassifierRows};
use crate::twister::MersenneTwister;

/// Samples of the reference from which the error of average precision is taken.
const SAMPLES: usize = 50;
/// Most rows of such a sample.
const MAX_SAMPLE: usize = 50_000;
/// Seed of these samples.
const SEED: u32 = 0;
/// Factor of `NannyML` for the area under the curve of several classes.
const SEVERAL_CLASSES_AUC: f64 = 1.2;

/// Errors of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SamplingError {
    parts: Vec<ErrorPart>,
}

/// Variance for a single relevant row, and the share of such rows, of one class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct ErrorPart {
    /// `None` if it is undefined.
    variance: Option<f64>,
    share: f64,
}

impl SamplingError {
    /// Errors by the rows of a reference that have targets.
    pub fn new(metric: ClassifierMetric, reference: &ClassifierRows) -> Self {
        let all: Vec<usize> = (0..reference.len()).collect();
        let labelled: Vec<(usize, usize)> = reference.labelled(&all).collect();
        if metric == ClassifierMetric::Accuracy {
            let right = labelled
                .iter()
                .map(|(row, target)| f64::from(u8::from(reference.predicted(*row) == *target)));
            return Self { parts: vec![ErrorPart::new(&right.collect::<Vec<f64>>(), 1.0)] };
        }
        let part = |class: usize| {
            let positive: Vec<bool> = labelled.iter().map(|(_, target)| *target == class).collect();
            let scores = || labelled.iter().map(|(row, _)| reference.probabilities(*row)[class]).collect();
            match metric {
                ClassifierMetric::RocAuc => area_part(positive, scores()),
                ClassifierMetric::AveragePrecision => precision_part(&positive, &scores()),
                _ => {
                    let predicted = labelled.iter().map(|(row, _)| reference.predicted(*row) == class);
                    counted_part(metric, &positive, &predicted.collect::<Vec<bool>>(), reference.classes())
                }
            }
        };
        Self { parts: reference.one_against_rest().map(part).collect() }
    }

    /// Standard error of a chunk of `rows` rows; NaN if it is undefined.
    #[allow(clippy::cast_precision_loss, reason = "rows are far below 2^53")]
    pub fn of_chunk(&self, metric: ClassifierMetric, rows: usize) -> f64 {
        let classes = self.parts.len() as f64;
        let variance = |part: &ErrorPart| part.variance.unwrap_or(f64::NAN) / (rows as f64 * part.share);
        let sum: f64 = self.parts.iter().map(variance).sum();
        match metric {
            // The mean of the classes' variances, not the variance of their mean; as NannyML.
            ClassifierMetric::AveragePrecision => (sum / classes).sqrt(),
            ClassifierMetric::RocAuc if self.parts.len() > 1 => sum.sqrt() / classes * SEVERAL_CLASSES_AUC,
            _ => sum.sqrt() / classes,
        }
    }
}

impl ErrorPart {
    fn new(values: &[f64], share: f64) -> Self {
        Self { variance: Some(variance(values)).filter(|value| value.is_finite()), share }
    }
}

/// Population variance; NaN without values.
#[allow(clippy::cast_precision_loss, reason = "rows are far below 2^53")]
pub(super) fn variance(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n
}

/// Share of the rest that each positive row is ranked above.
#[allow(clippy::cast_precision_loss, reason = "rows are far below 2^53")]
fn area_part(mut positive: Vec<bool>, mut scores: Vec<f64>) -> ErrorPart {
    let rows = positive.len();
    if 2 * positive.iter().filter(|own| **own).count() > rows {
        for (positive, score) in positive.iter_mut().zip(&mut scores) {
            *positive = !*positive;
            *score = 1.0 - *score;
        }
    }
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let positives = positive.iter().filter(|own| **own).count();
    let rest = (rows - positives) as f64;
    // NannyML loses a positive row of the lowest rank, and counts the following ones from 0.
    let ranks = order.iter().enumerate().skip(1).filter(|(_, row)| positive[**row]).map(|(rank, _)| rank);
    let above: Vec<f64> = ranks.enumerate().map(|(before, rank)| (rank - before) as f64 / rest).collect();
    ErrorPart::new(&above, positives as f64 / rows as f64)
}

/// Variance of average precision over samples of half of the rows, which are drawn with a fixed seed (`NannyML` draws
/// without one).
#[allow(clippy::cast_precision_loss, reason = "rows are far below 2^53")]
fn precision_part(positive: &[bool], scores: &[f64]) -> ErrorPart {
    let size = (positive.len() / 2).min(MAX_SAMPLE);
    let bound = u32::try_from(positive.len()).unwrap_or(u32::MAX);
    let mut random = MersenneTwister::of_numpy(SEED);
    let values = (0..SAMPLES).filter_map(|_| {
        let rows: Vec<usize> = (0..size).map(|_| random.python_below(bound) as usize).collect();
        let positive: Vec<bool> = rows.iter().map(|row| positive[*row]).collect();
        let scores: Vec<f64> = rows.iter().map(|row| scores[*row]).collect();
        ScoreRanking::new(&positive, &scores).and_then(|ranking| ranking.average_precision(None)).ok()
    });
    ErrorPart::new(&values.collect::<Vec<f64>>(), 1.0 / size as f64)
}

#[allow(clippy::cast_precision_loss, reason = "rows are far below 2^53")]
fn counted_part(metric: ClassifierMetric, target: &[bool], predicted: &[bool], classes: usize) -> ErrorPart {
    let rows = target.len() as f64;
    let count = |of: (bool, bool)| {
        let pairs = target.iter().copied().zip(predicted.iter().copied());
        pairs.filter(|pair| *pair == of).count()
    };
    let (tp, fp) = (count((true, true)), count((false, true)));
    let (fn_, tn) = (count((true, false)), count((false, false)));
    let (right, wrong, share) = match metric {
        ClassifierMetric::Precision => (tp, fp, (tp + fp) as f64 / rows),
        ClassifierMetric::Recall => (tp, fn_, (tp + fn_) as f64 / rows),
        ClassifierMetric::Specificity => (tn, fp, (tn + fp) as f64 / rows),
        _ => (tp, fp + fn_, (tp + fp + fn_) as f64 / rows),
    };
    // NannyML scales the rows of F1 for two classes only.
    let scale = if metric == ClassifierMetric::F1 && classes == 2 {
        (right + wrong) as f64 / (right as f64 + 0.5 * wrong as f64)
    } else {
        1.0
    };
    let mut values = vec![scale; right];
    values.resize(right + wrong, 0.0);
    ErrorPart::new(&values, share)
}
