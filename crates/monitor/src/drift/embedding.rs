//! Drift of embeddings, the vectors that a model makes of its rows, by the methods, defaults and verdicts of Evidently 0.7.23.

mod discrepancy;
mod method;
mod reference;
mod rows;

#[cfg(test)]
mod tests;

use serde::Serialize;

use super::domain::{DescentSettings, Halves, LinearClassifier, SparseRow, area_under_curve};
use crate::profile::SortedNumbers;

pub use self::method::EmbeddingMethod;
pub use self::reference::{EmbeddingsOrigin, ReferenceEmbeddings};
pub use self::rows::EmbeddingRows;

use self::discrepancy::mean_discrepancy;
use super::distance::wasserstein;

/// Wasserstein distance from which a component has drifted, in standard deviations of the reference.
const DRIFTED_COMPONENT: f64 = 0.1;
/// Quantile of the normal distribution that one sample of a thousand exceeds by chance.
const RARE: f64 = 3.09;

/// Drift of embeddings by one method.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EmbeddingDrift {
    /// Method.
    pub method: EmbeddingMethod,
    /// Its value; `None` if the vectors have none, such as two rows for a classifier.
    pub score: Option<f64>,
    /// Its threshold.
    pub threshold: f64,
    /// `true` if the score is above the threshold.
    pub drifted: bool,
}

impl EmbeddingDrift {
    /// Compares vectors of the same width.
    pub fn between(
        reference: &EmbeddingRows,
        current: &EmbeddingRows,
        method: EmbeddingMethod,
        threshold: Option<f64>,
    ) -> Self {
        let threshold = threshold.unwrap_or_else(|| method.threshold());
        let score = score(reference, current, method).filter(|score| score.is_finite());
        Self { method, score, threshold, drifted: score.is_some_and(|score| score > threshold) }
    }

    /// Compares samples of a few hundred vectors. The area under a curve of so few has a wide distribution, so its threshold is at
    /// least the area that one pair of samples in a thousand exceeds by chance.
    pub fn between_samples(
        reference: &EmbeddingRows,
        current: &EmbeddingRows,
        method: EmbeddingMethod,
    ) -> Self {
        let chance = match method {
            EmbeddingMethod::Model => chance_area(reference.len() / 2, current.len() / 2),
            _ => 0.0,
        };
        Self::between(reference, current, method, Some(method.threshold().max(chance)))
    }
}

/// Area under the ROC curve that equal distributions exceed once in a thousand times, by the normal approximation of the Mann-Whitney U
/// statistic of `m` and `n` scores; 1 without scores.
#[allow(clippy::cast_precision_loss, reason = "a number of rows")]
fn chance_area(m: usize, n: usize) -> f64 {
    let (m, n) = (m as f64, n as f64);
    let deviation = ((m + n + 1.0) / (12.0 * m * n)).sqrt();
    if deviation.is_finite() { RARE.mul_add(deviation, 0.5).min(1.0) } else { 1.0 }
}

fn score(reference: &EmbeddingRows, current: &EmbeddingRows, method: EmbeddingMethod) -> Option<f64> {
    if reference.width() != current.width() || reference.is_empty() || current.is_empty() {
        return None;
    }
    match method {
        EmbeddingMethod::Model => classifier_area(reference, current),
        EmbeddingMethod::Ratio => Some(drifted_share(reference, current)),
        EmbeddingMethod::Mmd => mean_discrepancy(reference, current),
        _ => method.distance(&reference.mean(), &current.mean()),
    }
}

/// Area under the ROC curve of a logistic regression that tells the rows of the reference from the others, for the half of the rows
/// that it was not trained with.
fn classifier_area(reference: &EmbeddingRows, current: &EmbeddingRows) -> Option<f64> {
    let before = reference.len();
    let halves = Halves::of(before + current.len());
    let row = |row: &usize| -> SparseRow {
        let values = if *row < before { reference.row(*row) } else { current.row(*row - before) };
        values.iter().copied().enumerate().collect()
    };
    let classes = |rows: &[usize]| rows.iter().map(|row| *row < before).collect::<Vec<_>>();
    let trained = classes(&halves.train);
    if !trained.contains(&true) || !trained.contains(&false) {
        return None;
    }
    let rows: Vec<SparseRow> = halves.train.iter().map(row).collect();
    let classifier = LinearClassifier::train(DescentSettings::Logistic, reference.width(), &rows, &trained);
    let probability = |at: &usize| 1.0 / (1.0 + (-classifier.decision(&row(at))).exp());
    let scores: Vec<f64> = halves.test.iter().map(probability).collect();
    if scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    area_under_curve(&scores, &classes(&halves.test))
}

/// Share of the components whose distributions have drifted.
#[allow(clippy::cast_precision_loss, reason = "a number of components")]
fn drifted_share(reference: &EmbeddingRows, current: &EmbeddingRows) -> f64 {
    let width = reference.width();
    let has_drifted = |component: &usize| {
        let [a, b] = [reference, current].map(|rows| SortedNumbers::of(rows.component(*component)));
        wasserstein(&a, &b) >= DRIFTED_COMPONENT
    };
    (0..width).filter(has_drifted).count() as f64 / width.max(1) as f64
}
