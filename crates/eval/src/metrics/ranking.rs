//! Metrics of rankings, such as the results of queries.

use super::undefined::Undefined;
use super::weights::RowWeights;
use super::{Metrics, NamedValues};

#[cfg(test)]
mod tests;

/// Names of the metrics of a ranking, in the order of [`RankedGroups::values_by_group`].
pub const RANKING_METRICS: [&str; 5] = ["ndcg_at_10", "ndcg_at_5", "ndcg", "map", "mrr"];

/// Metrics of a ranking by grades. The gain of a grade is `2^grade - 1` (Burges et al. 2005), as in `LightGBM` and
/// `XGBoost`; a row is relevant for `map` and `mrr` if its grade is above 0.
pub fn ranking(groups: &[u64], grades: &[f64], scores: &[f64]) -> Metrics {
    let ranked = RankedGroups::of_grades(groups, grades, scores);
    let of = |metric: &dyn Fn(&RankedGroups) -> Result<f64, Undefined>| {
        ranked.as_ref().map_err(Clone::clone).and_then(metric)
    };
    let named: NamedValues = vec![
        ("ndcg_at_10", of(&|ranked| ranked.ndcg(Some(10), None))),
        ("ndcg_at_5", of(&|ranked| ranked.ndcg(Some(5), None))),
        ("ndcg", of(&|ranked| ranked.ndcg(None, None))),
        ("map", of(&|ranked| ranked.mean_average_precision(None))),
        ("mrr", of(&|ranked| ranked.mean_reciprocal_rank(None))),
    ];
    Metrics::of(scores.len(), named)
}

/// Rows of groups, such as the results of a query, in the order of their scores. Metrics are means over the groups
/// that have a relevant row, with a weight for each group, in ascending order of group, or `None` for equal ones.
///
/// scikit-learn's `ndcg_score` and `average_precision_score` give 0 to a group without relevant rows, which is left out
/// here.
#[derive(Debug, Clone)]
pub struct RankedGroups {
    groups: Vec<Vec<Ranked>>,
}

/// Row of a group: its score and its relevance.
#[derive(Debug, Clone, Copy)]
struct Ranked {
    score: f64,
    relevance: f64,
}

impl RankedGroups {
    /// Sorts the rows by group and, within a group, by descending score. A row is relevant if its relevance is above 0.
    ///
    /// # Errors
    /// [`Undefined::NotFinite`] and [`Undefined::NegativeRelevance`].
    pub fn new(groups: &[u64], relevance: &[f64], scores: &[f64]) -> Result<Self, Undefined> {
        let rows = groups.iter().zip(relevance).zip(scores);
        let mut rows: Vec<(u64, Ranked)> = rows
            .map(|((group, &relevance), &score)| (*group, Ranked { score: score + 0.0, relevance }))
            .collect();
        if rows.iter().any(|(_, row)| !row.score.is_finite() || !row.relevance.is_finite()) {
            return Err(Undefined::NotFinite);
        }
        if rows.iter().any(|(_, row)| row.relevance < 0.0) {
            return Err(Undefined::NegativeRelevance);
        }
        rows.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.score.total_cmp(&a.1.score)));
        let groups = rows.chunk_by(|a, b| a.0 == b.0).map(|group| group.iter().map(|row| row.1).collect());
        Ok(Self { groups: groups.collect() })
    }

    /// As [`Self::new`] with the gain `2^grade - 1` of each grade as its relevance.
    ///
    /// # Errors
    /// [`Undefined::NotFinite`] and [`Undefined::NegativeRelevance`].
    pub fn of_grades(groups: &[u64], grades: &[f64], scores: &[f64]) -> Result<Self, Undefined> {
        Self::new(groups, &grades.iter().map(|grade| grade.exp2() - 1.0).collect::<Vec<_>>(), scores)
    }

    /// Metrics of each group with a relevant row, in ascending order of group.
    pub fn values_by_group(&self) -> impl Iterator<Item = [f64; RANKING_METRICS.len()]> + '_ {
        self.groups.iter().filter(|group| relevant(group) > 0.0).map(|group| {
            let ndcg = |k: Option<usize>| ndcg_of(group, k);
            [
                ndcg(Some(10)),
                ndcg(Some(5)),
                ndcg(None),
                average_precision_of(group),
                reciprocal_rank_of(group),
            ]
        })
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// `true` without groups.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Normalised discounted cumulative gain (Jarvelin and Kekalainen 2002) of the first `k` rows or of all, equal to
    /// scikit-learn's `ndcg_score`: the gain is the relevance, and rows with equal scores share their discounts.
    ///
    /// # Errors
    /// [`Undefined::NoRelevantGroup`].
    pub fn ndcg(&self, k: Option<usize>, weights: Option<&[f64]>) -> Result<f64, Undefined> {
        self.mean(weights, |group| ndcg_of(group, k))
    }

    /// Mean average precision: the mean of scikit-learn's `average_precision_score` over the groups.
    ///
    /// # Errors
    /// [`Undefined::NoRelevantGroup`].
    pub fn mean_average_precision(&self, weights: Option<&[f64]>) -> Result<f64, Undefined> {
        self.mean(weights, average_precision_of)
    }

    /// Mean reciprocal rank of the first relevant row. Rows with equal scores are taken in each order with the same
    /// probability, and the expected value counts.
    ///
    /// # Errors
    /// [`Undefined::NoRelevantGroup`].
    pub fn mean_reciprocal_rank(&self, weights: Option<&[f64]>) -> Result<f64, Undefined> {
        self.mean(weights, reciprocal_rank_of)
    }

    /// Mean over the groups with a relevant row.
    fn mean(&self, weights: Option<&[f64]>, metric: impl Fn(&[Ranked]) -> f64) -> Result<f64, Undefined> {
        let (mut sum, mut total) = (0.0, 0.0);
        for (index, group) in self.groups.iter().enumerate().filter(|(_, group)| relevant(group) > 0.0) {
            let weight = RowWeights(weights).of(index);
            sum += weight * metric(group);
            total += weight;
        }
        if total > 0.0 { Ok(sum / total) } else { Err(Undefined::NoRelevantGroup) }
    }
}

fn ndcg_of(group: &[Ranked], k: Option<usize>) -> f64 {
    let most = k.unwrap_or(usize::MAX);
    let discount = |place: usize| if place < most { 1.0 / (place as f64 + 2.0).log2() } else { 0.0 };
    let mut ideal: Vec<f64> = group.iter().map(|row| row.relevance).collect();
    ideal.sort_unstable_by(|a, b| b.total_cmp(a));
    let best: f64 = ideal.iter().enumerate().map(|(place, relevance)| relevance * discount(place)).sum();
    let (mut gain, mut place) = (0.0, 0);
    for tied in ties(group) {
        let discounts: f64 = (place..place + tied.len()).map(discount).sum();
        gain += discounts * tied.iter().map(|row| row.relevance).sum::<f64>() / tied.len() as f64;
        place += tied.len();
    }
    gain / best
}

fn average_precision_of(group: &[Ranked]) -> f64 {
    let (mut hits, mut seen, mut sum) = (0.0, 0.0, 0.0);
    for tied in ties(group) {
        let new = relevant(tied);
        hits += new;
        seen += tied.len() as f64;
        sum += new * hits / seen;
    }
    sum / hits
}

fn reciprocal_rank_of(group: &[Ranked]) -> f64 {
    let mut before = 0;
    for tied in ties(group) {
        if relevant(tied) > 0.0 {
            return expected_reciprocal(before, tied.len(), relevant(tied));
        }
        before += tied.len();
    }
    0.0
}

/// Runs of equal scores.
fn ties(group: &[Ranked]) -> impl Iterator<Item = &[Ranked]> {
    group.chunk_by(|a, b| a.score.total_cmp(&b.score).is_eq())
}

fn relevant(rows: &[Ranked]) -> f64 {
    rows.iter().filter(|row| row.relevance > 0.0).count() as f64
}

/// Expected reciprocal rank of the first of `relevant` rows among `tied` rows in a random order, after `before` rows.
fn expected_reciprocal(before: usize, tied: usize, relevant: f64) -> f64 {
    let (mut expected, mut none_yet) = (0.0, 1.0);
    for place in 0..tied {
        let left = (tied - place) as f64;
        let here = (relevant / left).min(1.0);
        expected += none_yet * here / (before + place + 1) as f64;
        none_yet *= 1.0 - here;
    }
    expected
}
