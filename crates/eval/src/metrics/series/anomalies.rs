//! Metrics of anomaly scores.

use super::super::scores::ScoreRanking;
use super::super::undefined::Undefined;
use super::super::weights::RowWeights;
use super::super::{MetricSet, Metrics, NamedValues};

/// Reported quantiles of anomaly scores.
const QUANTILES: [(&str, f64); 3] = [("score_p50", 0.5), ("score_p95", 0.95), ("score_p99", 0.99)];
/// Numbers of highest scores of which precision and recall are reported.
const HIGHEST: [(&str, &str, usize); 2] =
    [("precision_at_10", "recall_at_10", 10), ("precision_at_100", "recall_at_100", 100)];

/// Metrics of anomaly scores, with a weight for each row or `None` for equal ones: their quantiles and, with labels
/// (`true` for an anomaly), `roc_auc`, scikit-learn's `average_precision` (the area under the precision-recall curve),
/// and precision and recall among the 10 and 100 highest scores. The latter are left out of fewer rows.
pub fn anomaly(scores: &[f64], labels: &[bool], weights: Option<&[f64]>, set: MetricSet) -> Metrics {
    let mut values = ScoredRows::new(scores, labels).metrics(weights);
    if set == MetricSet::Training {
        values.retain(|(name, _)| {
            !HIGHEST.iter().any(|(precision, recall, _)| name == precision || name == recall)
        });
    }
    Metrics::of(scores.len(), values)
}

/// Anomaly scores, prepared so that [`Self::metrics`] is a pass over the rows for each set of weights.
#[derive(Debug, Clone)]
pub struct ScoredRows {
    labelled: bool,
    ranking: Result<ScoreRanking, Undefined>,
}

impl ScoredRows {
    /// Sorts the scores once, in O(n log n). `labels` is empty if the anomalies are unknown.
    pub fn new(scores: &[f64], labels: &[bool]) -> Self {
        let labelled = labels.len() == scores.len();
        let label = |row: usize| labelled && labels[row];
        Self { labelled, ranking: ScoreRanking::from_fn(scores.len(), |row| scores[row], label) }
    }

    /// All metrics of [`anomaly`].
    pub fn metrics(&self, weights: Option<&[f64]>) -> NamedValues {
        let ranked = |metric: &dyn Fn(&ScoreRanking) -> Result<f64, Undefined>| {
            self.ranking.as_ref().map_err(Clone::clone).and_then(metric)
        };
        let mut values = NamedValues::new();
        let labelled = self.labelled && !self.ranking.as_ref().is_ok_and(ScoreRanking::is_empty);
        if labelled {
            values.push(("roc_auc", ranked(&|ranking| ranking.roc_auc(weights))));
            values.push(("average_precision", ranked(&|ranking| ranking.average_precision(weights))));
        }
        for (name, share) in QUANTILES {
            values.push((name, ranked(&|ranking| quantile(ranking, share, weights))));
        }
        let rows = self.ranking.as_ref().map_or(0, ScoreRanking::len);
        for (precision, recall, k) in HIGHEST.into_iter().filter(|highest| labelled && rows >= highest.2) {
            values.push((precision, ranked(&|ranking| ranking.precision_at(k, weights))));
            values.push((recall, ranked(&|ranking| ranking.recall_at(k, weights))));
        }
        values
    }
}

/// Quantile by linear interpolation, as in `numpy.quantile`, of scores of which each is there as often as its weight
/// says.
fn quantile(ranking: &ScoreRanking, share: f64, weights: Option<&[f64]>) -> Result<f64, Undefined> {
    let total = RowWeights(weights).sum(ranking.len());
    // Places are counted from the highest score.
    let place = (total - 1.0).max(0.0) * (1.0 - share);
    let (first, part) = (place.floor(), place.fract());
    let (mut sum, mut upper) = (0.0, None);
    for tie in ranking.ties(weights) {
        sum += tie.positive + tie.negative;
        if upper.is_none() && sum > first {
            upper = Some(tie.score);
        }
        if let Some(upper) = upper.filter(|_| part == 0.0 || sum > first + 1.0) {
            return Ok(upper + (tie.score - upper) * part);
        }
    }
    upper.ok_or(Undefined::NoRows)
}
