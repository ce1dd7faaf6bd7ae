//! Sorted scores of calibration rows, and their finite-sample quantile.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Slack of a rank, so that a coverage that is a fraction of the rows is not rounded up: `0.55 * 100` is above 55.
const SLACK: f64 = 1e-9;

/// Scores of calibration rows in ascending order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConformalScores(Vec<f64>);

/// Calibration rows that are too few for a coverage: no finite score bounds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TooFewScores {
    /// Number of calibration rows.
    pub rows: usize,
    /// Requested coverage.
    pub coverage: f64,
    /// Largest coverage that so many rows allow; 0 without rows.
    pub largest: f64,
}

impl fmt::Display for TooFewScores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, coverage, largest } = self;
        write!(f, "{rows} calibration rows allow a coverage of at most {largest:.4}, found {coverage}")
    }
}

impl std::error::Error for TooFewScores {}

impl ConformalScores {
    /// Sorts scores. Scores that are not numbers count as infinite.
    pub fn new(mut scores: Vec<f64>) -> Self {
        scores.iter_mut().filter(|score| score.is_nan()).for_each(|score| *score = f64::INFINITY);
        scores.sort_unstable_by(f64::total_cmp);
        Self(scores)
    }

    /// Number of scores.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// `true` without scores.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Scores in ascending order.
    pub fn sorted(&self) -> &[f64] {
        &self.0
    }

    /// The `ceil((n + 1) coverage)`-th smallest of `n` scores (Papadopoulos et al. 2002): a new score is at most that with
    /// a probability of at least `coverage`, and of less than `coverage + 1 / (n + 1)` without ties.
    ///
    /// # Errors
    /// [`TooFewScores`] if that is more than `n`, where the bound is infinite.
    pub fn quantile(&self, coverage: f64) -> Result<f64, TooFewScores> {
        Self::quantile_of(&self.0, coverage)
    }

    /// [`Self::quantile`] of scores that are sorted already.
    ///
    /// # Errors
    /// As [`Self::quantile`].
    pub fn quantile_of(sorted: &[f64], coverage: f64) -> Result<f64, TooFewScores> {
        let rows = sorted.len();
        let rank = rank(rows, coverage);
        let found = rank.checked_sub(1).map_or(Some(f64::NEG_INFINITY), |at| sorted.get(at).copied());
        found.filter(|score| *score < f64::INFINITY).ok_or(TooFewScores {
            rows,
            coverage,
            largest: possible_coverage(rows),
        })
    }

    /// [`Self::quantile`] of scores in any order, without sorting all of them.
    ///
    /// # Errors
    /// As [`Self::quantile`].
    pub fn quantile_of_unsorted(mut scores: Vec<f64>, coverage: f64) -> Result<f64, TooFewScores> {
        let rows = scores.len();
        let at = rank(rows, coverage) - 1;
        scores.iter_mut().filter(|score| score.is_nan()).for_each(|score| *score = f64::INFINITY);
        let found = (at < rows).then(|| *scores.select_nth_unstable_by(at, f64::total_cmp).1);
        found.filter(|score| *score < f64::INFINITY).ok_or(TooFewScores {
            rows,
            coverage,
            largest: possible_coverage(rows),
        })
    }

    /// [`Self::quantile`] of `rows` scores, of which `sorted` are the [thinned](Self::thinned) ones and `largest` is the
    /// largest: it bounds the coverages for which the thinned scores are too few.
    ///
    /// # Errors
    /// As [`Self::quantile`] of all scores.
    pub fn quantile_of_thinned(
        sorted: &[f64],
        largest: f64,
        rows: usize,
        coverage: f64,
    ) -> Result<f64, TooFewScores> {
        Self::quantile_of(sorted, coverage).or_else(|_| {
            let found = Some(largest).filter(|score| *score < f64::INFINITY && rank(rows, coverage) <= rows);
            found.ok_or(TooFewScores { rows, coverage, largest: possible_coverage(rows) })
        })
    }

    /// At most `most` of the scores, such that each quantile is at least that of all of them: of `m` kept scores the
    /// `i`-th has the rank `ceil(i (n + 1) / (m + 1))` among all `n`.
    #[must_use]
    pub fn thinned(&self, most: usize) -> Self {
        let rows = self.len();
        if rows <= most {
            return self.clone();
        }
        let place = |at: usize| ((at * (rows + 1)).div_ceil(most + 1)).min(rows) - 1;
        Self((1..=most).map(|at| self.0[place(at)]).collect())
    }
}

/// Largest coverage for which `rows` calibration rows have a finite quantile: `n / (n + 1)`.
#[allow(clippy::cast_precision_loss)]
pub fn possible_coverage(rows: usize) -> f64 {
    rows as f64 / (rows as f64 + 1.0)
}

/// `ceil((n + 1) coverage)`.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn rank(rows: usize, coverage: f64) -> usize {
    ((rows as f64 + 1.0) * coverage - SLACK).ceil().max(1.0) as usize
}

/// Share of the targets that lie in their interval; `None` without rows.
#[allow(clippy::cast_precision_loss)]
pub fn interval_coverage(targets: &[f64], bounds: &[(f64, f64)]) -> Option<f64> {
    let within = targets.iter().zip(bounds).filter(|(target, (low, high))| (*low..=*high).contains(*target));
    let rows = targets.len().min(bounds.len());
    (rows > 0).then(|| within.count() as f64 / rows as f64)
}
