//! Curves of a score against labels: ROC, precision and recall, gain and lift.

use super::thinning::LineBuilder;
use crate::metrics::{ScoreRanking, Undefined};

/// Point of a ROC curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RocPoint {
    /// Score from which a row counts as positive; infinite at the first point.
    pub threshold: f64,
    /// Share of negative rows that count as positive.
    pub false_positive_rate: f64,
    /// Share of positive rows that count as positive.
    pub recall: f64,
}

/// Point of a precision-recall curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrecisionRecallPoint {
    /// Score from which a row counts as positive; infinite at the first point.
    pub threshold: f64,
    /// Share of positive rows that count as positive.
    pub recall: f64,
    /// Share of positive rows among those that count as positive; 1 at the first point, as in scikit-learn.
    pub precision: f64,
}

/// ROC curve from (0, 0) to (1, 1), the points of scikit-learn's `roc_curve`.
///
/// # Errors
/// [`Undefined::OneClass`], [`Undefined::NoRows`].
pub fn roc(ranking: &ScoreRanking, weights: Option<&[f64]>) -> Result<Vec<RocPoint>, Undefined> {
    let (positives, negatives) = totals(ranking, weights)?;
    if positives == 0.0 || negatives == 0.0 {
        return Err(Undefined::OneClass);
    }
    let mut line = LineBuilder::new(ranking.distinct());
    line.push(RocPoint { threshold: f64::INFINITY, false_positive_rate: 0.0, recall: 0.0 }, (0.0, 0.0));
    let (mut above, mut below) = (0.0, 0.0);
    for tie in ranking.ties(weights) {
        above += tie.positive;
        below += tie.negative;
        let (x, y) = (below / negatives, above / positives);
        line.push(RocPoint { threshold: tie.score, false_positive_rate: x, recall: y }, (x, y));
    }
    Ok(line.finish(|point| (point.false_positive_rate, point.recall)))
}

/// Precision-recall curve in ascending order of recall, the points of scikit-learn's `precision_recall_curve`.
///
/// # Errors
/// [`Undefined::NoPositives`], [`Undefined::NoRows`].
pub fn precision_recall(
    ranking: &ScoreRanking,
    weights: Option<&[f64]>,
) -> Result<Vec<PrecisionRecallPoint>, Undefined> {
    let (positives, _) = positives(ranking, weights)?;
    let mut line = LineBuilder::new(ranking.distinct());
    let first = PrecisionRecallPoint { threshold: f64::INFINITY, recall: 0.0, precision: 1.0 };
    line.push(first, (0.0, 1.0));
    let (mut hits, mut seen) = (0.0, 0.0);
    for tie in ranking.ties(weights) {
        hits += tie.positive;
        seen += tie.positive + tie.negative;
        let (recall, precision) = (hits / positives, hits / seen);
        line.push(PrecisionRecallPoint { threshold: tie.score, recall, precision }, (recall, precision));
    }
    Ok(line.finish(|point| (point.recall, point.precision)))
}

/// Cumulative gain from (0, 0) to (1, 1): the share of the rows taken, those of the highest scores, and the share of all
/// positives among them.
///
/// # Errors
/// [`Undefined::NoPositives`], [`Undefined::NoRows`].
pub fn gain(ranking: &ScoreRanking, weights: Option<&[f64]>) -> Result<Vec<(f64, f64)>, Undefined> {
    let (positives, negatives) = positives(ranking, weights)?;
    let mut line = LineBuilder::new(ranking.distinct());
    line.push((0.0, 0.0), (0.0, 0.0));
    let (mut hits, mut seen) = (0.0, 0.0);
    for tie in ranking.ties(weights) {
        hits += tie.positive;
        seen += tie.positive + tie.negative;
        let point = (seen / (positives + negatives), hits / positives);
        line.push(point, point);
    }
    Ok(line.finish(|point| *point))
}

/// Lift: the share of the rows taken, those of the highest scores, and the share of positives among them divided by that
/// in all rows. It ends in (1, 1).
///
/// # Errors
/// [`Undefined::NoPositives`], [`Undefined::NoRows`].
pub fn lift(ranking: &ScoreRanking, weights: Option<&[f64]>) -> Result<Vec<(f64, f64)>, Undefined> {
    let (positives, negatives) = positives(ranking, weights)?;
    let rate = positives / (positives + negatives);
    let mut line = LineBuilder::new(ranking.distinct());
    let (mut hits, mut seen) = (0.0, 0.0);
    for tie in ranking.ties(weights) {
        hits += tie.positive;
        seen += tie.positive + tie.negative;
        let (share, precision) = (seen / (positives + negatives), hits / seen);
        // The largest lift there can be is 1 / rate.
        line.push((share, precision / rate), (share, precision));
    }
    Ok(line.finish(|(share, lift)| (*share, lift * rate)))
}

fn totals(ranking: &ScoreRanking, weights: Option<&[f64]>) -> Result<(f64, f64), Undefined> {
    let (positives, negatives) = ranking.totals(weights);
    if positives + negatives > 0.0 { Ok((positives, negatives)) } else { Err(Undefined::NoRows) }
}

fn positives(ranking: &ScoreRanking, weights: Option<&[f64]>) -> Result<(f64, f64), Undefined> {
    let (positives, negatives) = totals(ranking, weights)?;
    if positives > 0.0 { Ok((positives, negatives)) } else { Err(Undefined::NoPositives) }
}
