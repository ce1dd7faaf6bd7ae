//! Confidence-based performance estimation.

use cupola_eval::calibration::IsotonicCurve;
use serde::{Deserialize, Serialize};

use super::calibrate::calibration;
use super::chunks::ChunkRows;
use super::classified::{ClassifierMetric, ClassifierRows};
use super::realised::{mean, realised};
use super::sampling::SamplingError;
use super::{AlertBand, ChunkPerformance, MetricEstimate};
use crate::Error;

/// Range of all metrics of a classifier.
const RANGE: (f64, f64) = (0.0, 1.0);

/// Confidence-based performance estimation of a classifier: a row of calibrated probability `p` is right in a share `p` of
/// cases, so the confusion matrix is expected without targets (`NannyML`'s CBPE). It assumes that the relation between
/// inputs and targets is that of the reference: it sees the effect of drift of the inputs, not of the concept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cbpe {
    classes: usize,
    /// Curve of each class; `None` where the probabilities are calibrated as they are.
    curves: Vec<Option<IsotonicCurve>>,
    metrics: Vec<FittedMetric>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct FittedMetric {
    metric: ClassifierMetric,
    error: SamplingError,
    band: AlertBand,
}

impl Cbpe {
    /// Fits the calibration, the sampling errors and the thresholds to rows with targets that the model was not trained on,
    /// divided into chunks.
    ///
    /// # Errors
    /// [`Error::NoReferenceTargets`] without a row that has a target and probabilities; [`Error::TooFewClasses`].
    pub fn fit(reference: &ClassifierRows, chunks: &[ChunkRows]) -> Result<Self, Error> {
        if reference.classes() < 2 {
            return Err(Error::TooFewClasses);
        }
        let all: Vec<usize> = (0..reference.len()).collect();
        let labelled: Vec<(usize, usize)> = reference.labelled(&all).collect();
        if labelled.is_empty() {
            return Err(Error::NoReferenceTargets);
        }
        let mut curves = vec![None; reference.classes()];
        for class in reference.one_against_rest() {
            let scores: Vec<f64> =
                labelled.iter().map(|(row, _)| reference.probabilities(*row)[class]).collect();
            let positive: Vec<bool> = labelled.iter().map(|(_, target)| *target == class).collect();
            curves[class] = calibration(&scores, &positive);
        }
        let fitted = |metric: ClassifierMetric| {
            let values: Vec<f64> =
                chunks.iter().map(|chunk| realised(metric, reference, &chunk.rows)).collect();
            let band = AlertBand::of_values(&values, RANGE);
            FittedMetric { metric, error: SamplingError::new(metric, reference), band }
        };
        let metrics = ClassifierMetric::ALL.into_iter().map(fitted).collect();
        Ok(Self { classes: reference.classes(), curves, metrics })
    }

    /// `true` for each class whose probabilities are calibrated; of two classes the second stands for both.
    pub fn calibrated(&self) -> Vec<bool> {
        self.curves.iter().map(Option::is_some).collect()
    }

    /// Estimates of all metrics in each chunk, with the realised values where targets are known.
    ///
    /// # Errors
    /// [`Error::ClassOutOfRange`] for rows of other classes.
    pub fn estimate(
        &self,
        rows: &ClassifierRows,
        chunks: &[ChunkRows],
    ) -> Result<Vec<ChunkPerformance>, Error> {
        if rows.classes() != self.classes {
            return Err(Error::ClassOutOfRange { class: rows.classes(), classes: self.classes });
        }
        Ok(chunks.iter().map(|chunk| self.chunk(rows, chunk)).collect())
    }

    fn chunk(&self, rows: &ClassifierRows, chunk: &ChunkRows) -> ChunkPerformance {
        let complete: Vec<usize> = chunk.rows.iter().copied().filter(|row| rows.is_complete(*row)).collect();
        let calibrated: Vec<Vec<f64>> =
            complete.iter().map(|row| self.calibrate(rows.probabilities(*row))).collect();
        let metrics = self.metrics.iter().map(|fitted| {
            let metric = fitted.metric;
            let value =
                if complete.is_empty() { f64::NAN } else { estimated(metric, rows, &complete, &calibrated) };
            let error = fitted.error.of_chunk(metric, complete.len());
            let known = realised(metric, rows, &chunk.rows);
            (metric.name().to_owned(), MetricEstimate::new(value, error, known, &fitted.band, RANGE))
        });
        ChunkPerformance {
            key: chunk.key.clone(),
            rows: chunk.rows.len(),
            labelled: rows.labelled(&chunk.rows).count(),
            metrics: metrics.collect(),
        }
    }

    /// Calibrated probabilities of a row.
    #[allow(clippy::cast_precision_loss, reason = "classes are few")]
    fn calibrate(&self, probabilities: &[f64]) -> Vec<f64> {
        let of_class = |(p, curve): (&f64, &Option<IsotonicCurve>)| {
            curve.as_ref().map_or(*p, |curve| curve.probability(*p))
        };
        let mut own: Vec<f64> = probabilities.iter().zip(&self.curves).map(of_class).collect();
        if let [first, second] = own.as_mut_slice() {
            *first = 1.0 - *second;
            return own;
        }
        let sum: f64 = own.iter().sum();
        let equal = 1.0 / self.classes as f64;
        for p in &mut own {
            *p = if sum == 0.0 { equal } else { *p / sum };
        }
        own
    }
}

/// Realised metrics of a classifier in each chunk, without estimates and thresholds.
pub fn realised_classifier(rows: &ClassifierRows, chunks: &[ChunkRows]) -> Vec<ChunkPerformance> {
    let chunk = |chunk: &ChunkRows| {
        let metrics = ClassifierMetric::ALL.into_iter().map(|metric| {
            let value = realised(metric, rows, &chunk.rows);
            (metric.name().to_owned(), MetricEstimate::of_realised(value))
        });
        ChunkPerformance {
            key: chunk.key.clone(),
            rows: chunk.rows.len(),
            labelled: rows.labelled(&chunk.rows).count(),
            metrics: metrics.collect(),
        }
    };
    chunks.iter().map(chunk).collect()
}

/// Expected value of a metric over rows with calibrated probabilities.
fn estimated(
    metric: ClassifierMetric,
    rows: &ClassifierRows,
    complete: &[usize],
    calibrated: &[Vec<f64>],
) -> f64 {
    if metric == ClassifierMetric::Accuracy {
        return mean(complete.iter().zip(calibrated).map(|(row, p)| p[rows.predicted(*row)]));
    }
    mean(rows.one_against_rest().map(|class| {
        let probability = calibrated.iter().map(|row| row[class]);
        match metric {
            ClassifierMetric::RocAuc | ClassifierMetric::AveragePrecision => {
                let scores: Vec<f64> = complete.iter().map(|row| rows.probabilities(*row)[class]).collect();
                let hits = cumulated(&scores, &probability.collect::<Vec<f64>>());
                if metric == ClassifierMetric::RocAuc {
                    expected_area(&hits)
                } else {
                    expected_precision(&hits)
                }
            }
            _ => {
                let predicted = complete.iter().map(|row| rows.predicted(*row) == class);
                expected_share(metric, predicted.zip(probability))
            }
        }
    }))
}

/// Expected number of positive rows among those of the highest scores, from none to all. Rounded to five digits, as
/// `NannyML` does against tiny negative steps.
fn cumulated(scores: &[f64], probability: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut sum = 0.0;
    let sums = order.into_iter().map(|row| {
        sum += probability[row];
        sum
    });
    std::iter::once(0.0).chain(sums).collect()
}

fn rounded(value: f64) -> f64 {
    (value * 1e5).round_ties_even() / 1e5
}

/// Area under the expected ROC curve.
#[allow(clippy::cast_precision_loss, reason = "rows are far below 2^53")]
fn expected_area(hits: &[f64]) -> f64 {
    let point = |(rows, hit): (usize, &f64)| (rounded(rows as f64 - hit), rounded(*hit));
    let points: Vec<(f64, f64)> = hits.iter().enumerate().map(point).collect();
    let Some((false_all, true_all)) = points.last().copied() else { return f64::NAN };
    let area: f64 = points.windows(2).map(|pair| (pair[1].0 - pair[0].0) * (pair[1].1 + pair[0].1)).sum();
    area / 2.0 / false_all / true_all
}

/// Expected average precision.
#[allow(clippy::cast_precision_loss, reason = "rows are far below 2^53")]
fn expected_precision(hits: &[f64]) -> f64 {
    let all = hits.last().map_or(f64::NAN, |all| rounded(*all));
    let steps = hits.windows(2).enumerate().map(|(row, pair)| {
        let (before, after) = (rounded(pair[0]), rounded(pair[1]));
        (after - before) / all * (after / (row as f64 + 1.0))
    });
    steps.sum()
}

/// Share of two expected cells of the confusion matrix; 0 if both are empty.
fn expected_share(metric: ClassifierMetric, rows: impl Iterator<Item = (bool, f64)>) -> f64 {
    let (mut tp, mut fp, mut fn_, mut tn) = (0.0, 0.0, 0.0, 0.0);
    for (predicted, p) in rows {
        if predicted {
            tp += p;
            fp += 1.0 - p;
        } else {
            fn_ += p;
            tn += 1.0 - p;
        }
    }
    let (part, whole) = match metric {
        ClassifierMetric::Precision => (tp, tp + fp),
        ClassifierMetric::Recall => (tp, tp + fn_),
        ClassifierMetric::Specificity => (tn, tn + fp),
        _ => (tp, tp + 0.5 * (fp + fn_)),
    };
    if whole == 0.0 { 0.0 } else { part / whole }
}
