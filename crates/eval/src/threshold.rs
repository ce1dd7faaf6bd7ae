//! Score above which a row is an anomaly.

use crate::series::quantile;

/// Share of normal rows whose score is at most the threshold, where no label tells anomalies.
const NORMAL_SHARE: f64 = 0.99;

/// Score above which a row counts as an anomaly, with the labels that chose it: the one with the largest F1 of the class of
/// anomalies, half-way between two scores. `None` unless there are rows of both classes.
#[allow(clippy::cast_precision_loss)]
pub fn threshold_of_labels(scores: &[f64], labels: &[bool]) -> Option<f64> {
    let anomalies = labels.iter().filter(|label| **label).count();
    if labels.len() != scores.len() || anomalies == 0 || anomalies == labels.len() {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let (mut hits, mut best) = (0_usize, (f64::NEG_INFINITY, f64::INFINITY));
    for (at, &row) in order.iter().enumerate() {
        hits += usize::from(labels[row]);
        let next = order.get(at + 1).map(|&next| scores[next]);
        // Rows with equal scores are on one side.
        if next.is_some_and(|next| next >= scores[row]) {
            continue;
        }
        let f1 = 2.0 * hits as f64 / (at + 1 + anomalies) as f64;
        if f1 > best.0 {
            best = (f1, next.map_or(f64::MIN, |next| next + (scores[row] - next) / 2.0));
        }
    }
    best.1.is_finite().then_some(best.1)
}

/// Score that 99 of 100 of these rows do not exceed; `None` without rows.
pub fn threshold_of_normal(scores: &[f64]) -> Option<f64> {
    let mut sorted = scores.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    quantile(&sorted, NORMAL_SHARE).filter(|threshold| threshold.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_choose_the_threshold_with_the_largest_f1() {
        let scores = [0.1, 0.2, 0.3, 0.4, 0.9];
        let threshold = |labels: [bool; 5]| threshold_of_labels(&scores, &labels);
        for (labels, expected) in [
            ([false, false, false, true, true], 0.35),
            ([false, false, false, false, true], 0.65),
            // Flagging the upper three has F1 0.8; the upper one alone 0.67.
            ([false, false, true, false, true], 0.25),
        ] {
            assert!((threshold(labels).unwrap() - expected).abs() < 1e-12, "{labels:?}");
        }
        assert_eq!(threshold([false; 5]), None);
        assert_eq!(threshold([true; 5]), None);
        // Equal scores cannot be told apart.
        assert_eq!(threshold_of_labels(&[1.0, 1.0, 0.0], &[true, false, false]), Some(0.5));
        // Against an exhaustive search.
        for seed in 0..200_u32 {
            let draw = |at: u32| (f64::from(seed * 31 + at * at * 7919).sin() * 10.0).round() / 10.0;
            let scores: Vec<f64> = (0..9).map(draw).collect();
            let labels: Vec<bool> = (0..9).map(|at| draw(at + 40) > 0.2).collect();
            let f1 = |threshold: f64| {
                let hits = scores
                    .iter()
                    .zip(&labels)
                    .filter(|(score, label)| **score > threshold && **label)
                    .count();
                let flagged = scores.iter().filter(|score| **score > threshold).count();
                2.0 * hits as f64 / (flagged + labels.iter().filter(|label| **label).count()) as f64
            };
            if let Some(threshold) = threshold_of_labels(&scores, &labels) {
                let best = scores.iter().chain([&-9.0]).map(|score| f1(*score)).fold(0.0, f64::max);
                assert!((f1(threshold) - best).abs() < 1e-12, "{scores:?} {labels:?}");
            }
        }
    }

    #[test]
    fn without_labels_one_of_a_hundred_rows_is_above() {
        let scores: Vec<f64> = (0..=100_u32).map(f64::from).collect();
        assert_eq!(threshold_of_normal(&scores), Some(99.0));
        assert_eq!(threshold_of_normal(&[]), None);
    }
}
