//! Intervals of areas under curves for many rows.

use cupola_eval::{Bootstrap, RowSums, ScoreRanking};

use super::Bounds;

/// Bins of scores: quantiles of a sample of the rows.
const BINS: usize = 128;
/// Rows that the bins are chosen from.
const SAMPLED: usize = 100_000;

/// Intervals of `roc_auc`, `pr_auc` and `average_precision` from binned scores, moved by what binning changes of the value.
pub(super) fn of_scores(bootstrap: &Bootstrap, scores: &[f64], positive: &[bool]) -> Bounds {
    let mut bounds = Bounds::new();
    if positive.len() != scores.len() || scores.iter().any(|score| !score.is_finite()) {
        return bounds;
    }
    let Ok(ranking) = ScoreRanking::new(positive, scores) else { return bounds };
    let borders = borders(scores);
    let mut sums = RowSums::new(2 * (borders.len() + 1), bootstrap.seed);
    let mut row = vec![0.0; 2 * (borders.len() + 1)];
    for (score, positive) in scores.iter().zip(positive) {
        let at = 2 * borders.partition_point(|border| border < score) + usize::from(*positive);
        row[at] = 1.0;
        sums.push(&row);
        row[at] = 0.0;
    }
    let exact = [ranking.roc_auc(None).ok(), ranking.average_precision(None).ok()];
    let found = bootstrap.intervals_of_sums(&sums, |sums| vec![roc_auc(sums), average_precision(sums)]);
    for (names, (exact, found)) in
        [&["roc_auc"][..], &["pr_auc", "average_precision"]].into_iter().zip(exact.into_iter().zip(found))
    {
        if let (Some(exact), Some(found)) = (exact, found) {
            let moved = exact - found.value;
            let interval = ((found.low + moved).max(0.0), (found.high + moved).min(1.0));
            bounds.extend(names.iter().map(|name| (*name, interval)));
        }
    }
    bounds
}

/// Ascending upper borders of all bins but the last.
fn borders(scores: &[f64]) -> Vec<f64> {
    let step = scores.len().div_ceil(SAMPLED).max(1);
    let mut sample: Vec<f64> = scores.iter().step_by(step).copied().collect();
    sample.sort_unstable_by(f64::total_cmp);
    let mut borders: Vec<f64> =
        (1..BINS).filter_map(|bin| sample.get(bin * sample.len() / BINS).copied()).collect();
    borders.dedup();
    borders
}

/// Area from `[negatives, positives]` of each bin in ascending order; rows of one bin count as equal.
fn roc_auc(sums: &[f64]) -> Option<f64> {
    let (mut below, mut area, mut positives) = (0.0, 0.0, 0.0);
    for bin in sums.chunks_exact(2) {
        area += bin[1] * (below + bin[0] / 2.0);
        below += bin[0];
        positives += bin[1];
    }
    (below > 0.0 && positives > 0.0).then(|| area / (below * positives))
}

/// Average precision from the same.
fn average_precision(sums: &[f64]) -> Option<f64> {
    let positives: f64 = sums.iter().skip(1).step_by(2).sum();
    let (mut hits, mut seen, mut area) = (0.0, 0.0, 0.0);
    for bin in sums.chunks_exact(2).rev() {
        hits += bin[1];
        seen += bin[0] + bin[1];
        if seen > 0.0 {
            area += bin[1] * hits / seen;
        }
    }
    (positives > 0.0).then(|| area / positives)
}
