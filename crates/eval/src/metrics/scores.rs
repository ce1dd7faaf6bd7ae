//! Rows in the order of a score, and what follows from it: areas under curves and rates among the highest scores.

use rayon::prelude::*;

use super::float::FloatValue;
use super::undefined::Undefined;
use super::weights::RowWeights;

/// Rows from which the sort runs in parallel.
const PARALLEL: usize = 100_000;

/// Rows in descending order of a score that should be high for positive rows. The sort is done once, in
/// O(n log n); each metric is then a pass over the rows, with weights that may differ from call to call, such as the
/// counts of a bootstrap's resample. Rows with equal scores count together. Areas are exact, not sketched.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRanking {
    /// Indices of rows, the highest score first.
    rows: Vec<u32>,
    /// `true` for positive rows, in the order of `rows`.
    positive: Vec<bool>,
    /// Score of each run of equal scores, and the end of the run in `rows`.
    ties: Vec<(f64, u32)>,
}

/// Rows with one score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tie {
    /// Score.
    pub score: f64,
    /// Sum of the weights of positive rows.
    pub positive: f64,
    /// Sum of the weights of all others.
    pub negative: f64,
}

impl ScoreRanking {
    /// Sorts rows by their scores.
    ///
    /// # Errors
    /// [`Undefined::NotFinite`] for a score that is NaN or infinite, [`Undefined::TooManyRows`] beyond `u32`.
    pub fn new<S: FloatValue>(positive: &[bool], scores: &[S]) -> Result<Self, Undefined> {
        Self::from_fn(positive.len().min(scores.len()), |row| scores[row], |row| positive[row])
    }

    /// Sorts `rows` rows, whose scores and labels functions give.
    pub(crate) fn from_fn<S: FloatValue>(
        rows: usize,
        score: impl Fn(usize) -> S,
        positive: impl Fn(usize) -> bool,
    ) -> Result<Self, Undefined> {
        let end = u32::try_from(rows).map_err(|_| Undefined::TooManyRows)?;
        // Adding 0 makes -0 equal to 0.
        let mut pairs: Vec<(f64, u32)> =
            (0..end).map(|row| (score(row as usize).double() + 0.0, row)).collect();
        if pairs.iter().any(|pair| !pair.0.is_finite()) {
            return Err(Undefined::NotFinite);
        }
        let order = |a: &(f64, u32), b: &(f64, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if rows < PARALLEL {
            pairs.sort_unstable_by(order);
        } else {
            pairs.par_sort_unstable_by(order);
        }
        let mut ties: Vec<(f64, u32)> = Vec::new();
        for (&(score, _), end) in pairs.iter().zip(1..) {
            match ties.last_mut() {
                Some(tie) if tie.0.total_cmp(&score).is_eq() => tie.1 = end,
                _ => ties.push((score, end)),
            }
        }
        let rows: Vec<u32> = pairs.into_iter().map(|pair| pair.1).collect();
        let positive = rows.iter().map(|&row| positive(row as usize)).collect();
        Ok(Self { rows, positive, ties })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// `true` without rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Weights of the rows with each score, the highest first. Scores of weight 0 are left out.
    pub(crate) fn ties<'a>(&'a self, weights: Option<&'a [f64]>) -> impl Iterator<Item = Tie> + 'a {
        let (weights, mut start) = (RowWeights(weights), 0);
        let sum = move |&(score, end): &(f64, u32)| {
            let end = end as usize;
            let (mut positive, mut negative) = (0.0, 0.0);
            for (&row, &is_positive) in self.rows[start..end].iter().zip(&self.positive[start..end]) {
                let weight = weights.of(row as usize);
                if is_positive { positive += weight } else { negative += weight }
            }
            start = end;
            Tie { score, positive, negative }
        };
        self.ties.iter().map(sum).filter(|tie| tie.positive + tie.negative > 0.0)
    }

    /// Number of distinct scores.
    pub(crate) fn distinct(&self) -> usize {
        self.ties.len()
    }

    /// Indices of the rows in order, in runs of equal scores.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &[u32]> {
        let mut start = 0;
        self.ties.iter().map(move |&(_, end)| {
            let run = &self.rows[start..end as usize];
            start = end as usize;
            run
        })
    }

    /// Sums of the weights of positive rows and of all others.
    pub(crate) fn totals(&self, weights: Option<&[f64]>) -> (f64, f64) {
        self.ties(weights).fold((0.0, 0.0), |sum, tie| (sum.0 + tie.positive, sum.1 + tie.negative))
    }

    /// Area under the ROC curve: the probability that a positive row has the higher score than another one, ties
    /// counted half (Mann-Whitney U). Equal to scikit-learn's `roc_auc_score`.
    ///
    /// # Errors
    /// [`Undefined::OneClass`] without rows of both kinds, where scikit-learn gives NaN.
    pub fn roc_auc(&self, weights: Option<&[f64]>) -> Result<f64, Undefined> {
        let (mut above, mut negatives, mut ordered) = (0.0, 0.0, 0.0);
        for tie in self.ties(weights) {
            ordered += tie.negative * (above + tie.positive / 2.0);
            above += tie.positive;
            negatives += tie.negative;
        }
        match above + negatives {
            0.0 => Err(Undefined::NoRows),
            _ if above == 0.0 || negatives == 0.0 => Err(Undefined::OneClass),
            _ => Ok(ordered / (above * negatives)),
        }
    }

    /// Average precision: precision summed over the increases of recall along the scores. Equal to scikit-learn's
    /// `average_precision_score`.
    ///
    /// # Errors
    /// [`Undefined::NoPositives`] without positive rows, where scikit-learn gives 0.
    pub fn average_precision(&self, weights: Option<&[f64]>) -> Result<f64, Undefined> {
        let (mut hits, mut seen, mut sum) = (0.0, 0.0, 0.0);
        for tie in self.ties(weights) {
            hits += tie.positive;
            seen += tie.positive + tie.negative;
            sum += tie.positive * (hits / seen);
        }
        match hits {
            _ if seen == 0.0 => Err(Undefined::NoRows),
            0.0 => Err(Undefined::NoPositives),
            hits => Ok(sum / hits),
        }
    }

    /// Share of positives among the `k` rows of the highest scores. Of rows with equal scores at the end each counts
    /// in part, so that their order does not matter; with weights, `k` is a sum of weights.
    ///
    /// # Errors
    /// [`Undefined::TooFewRows`] if all weights sum to less than `k`.
    pub fn precision_at(&self, k: usize, weights: Option<&[f64]>) -> Result<f64, Undefined> {
        Ok(self.hits_at(k, weights)? / k as f64)
    }

    /// Share of all positives that are among the `k` rows of the highest scores, counted as in
    /// [`Self::precision_at`].
    ///
    /// # Errors
    /// [`Undefined::TooFewRows`] if all weights sum to less than `k`, [`Undefined::NoPositives`] without positives.
    pub fn recall_at(&self, k: usize, weights: Option<&[f64]>) -> Result<f64, Undefined> {
        let hits = self.hits_at(k, weights)?;
        match self.totals(weights).0 {
            0.0 => Err(Undefined::NoPositives),
            positives => Ok(hits / positives),
        }
    }

    fn hits_at(&self, k: usize, weights: Option<&[f64]>) -> Result<f64, Undefined> {
        let (positives, negatives) = self.totals(weights);
        if k == 0 || positives + negatives < k as f64 {
            return Err(Undefined::TooFewRows(k.max(1)));
        }
        Ok(self.positives_among(k as f64, weights))
    }

    /// Share of all positives that are among the given share of the rows, those of the highest scores.
    ///
    /// # Errors
    /// [`Undefined::NoPositives`] without positives.
    pub fn gain_at(&self, share: f64, weights: Option<&[f64]>) -> Result<f64, Undefined> {
        let (positives, negatives) = self.totals(weights);
        match positives {
            _ if positives + negatives == 0.0 => Err(Undefined::NoRows),
            0.0 => Err(Undefined::NoPositives),
            _ => Ok(self.positives_among(share * (positives + negatives), weights) / positives),
        }
    }

    /// Share of positives among the given share of the rows, those of the highest scores, divided by their share in
    /// all rows.
    ///
    /// # Errors
    /// [`Undefined::NoPositives`] without positives.
    pub fn lift_at(&self, share: f64, weights: Option<&[f64]>) -> Result<f64, Undefined> {
        if share > 0.0 { Ok(self.gain_at(share, weights)? / share) } else { Err(Undefined::NoRows) }
    }

    /// Weight of the positives among the rows of the highest scores with a sum of weights of `quota`.
    fn positives_among(&self, quota: f64, weights: Option<&[f64]>) -> f64 {
        let (mut left, mut hits) = (quota, 0.0);
        for tie in self.ties(weights) {
            let weight = tie.positive + tie.negative;
            if left <= weight {
                return hits + tie.positive * (left / weight);
            }
            hits += tie.positive;
            left -= weight;
        }
        hits
    }
}
