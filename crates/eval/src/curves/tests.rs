use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::golden::{close, list};
use crate::metrics::{ScoreRanking, Undefined};

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/curves.json")).unwrap()
}

#[track_caller]
fn same(found: &[(f64, f64)], expected: &Value) {
    let expected: Vec<(f64, f64)> = serde_json::from_value(expected.clone()).unwrap();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        close("x", found.0, expected.0);
        close("y", found.1, expected.1);
    }
}

#[test]
fn points_equal_those_of_scikit_learn_and_numpy() {
    let case = golden();
    let labels: Vec<bool> = serde_json::from_value(case["labels"].clone()).unwrap();
    let (scores, weights) = (list(&case, "scores"), list(&case, "weights"));
    let ranking = ScoreRanking::new(&labels, &scores).unwrap();

    let found = roc(&ranking, Some(&weights)).unwrap();
    same(&found.iter().map(|p| (p.false_positive_rate, p.recall)).collect::<Vec<_>>(), &case["roc"]);
    let thresholds: Vec<f64> = found.iter().skip(1).map(|point| point.threshold).collect();
    assert_eq!(thresholds, list(&case, "thresholds"));

    let found = precision_recall(&ranking, Some(&weights)).unwrap();
    same(&found.iter().map(|p| (p.recall, p.precision)).collect::<Vec<_>>(), &case["precision_recall"]);

    let rows = labels.iter().copied().zip(scores.iter().copied());
    let found = calibration(rows, 15, None).unwrap();
    same(&found.iter().map(|p| (p.predicted, p.observed)).collect::<Vec<_>>(), &case["calibration"]);

    let found = histograms(&[&scores, &[]], 7, None).unwrap();
    assert_eq!((&found.counts[0], &found.counts[1]), (&list(&case, "counts"), &vec![0.0; 7]));
    for (found, expected) in found.edges.iter().zip(list(&case, "edges")) {
        close("edge", *found, expected);
    }
    same(&qq_points(list(&case, "residuals")).unwrap(), &case["qq"]);
}

#[test]
fn gain_and_lift_end_where_all_rows_are_taken() {
    let ranking = ScoreRanking::new(&[true, false, true, false], &[0.9, 0.8, 0.3, 0.1]).unwrap();
    assert_eq!(gain(&ranking, None).unwrap(), [(0.0, 0.0), (0.25, 0.5), (0.5, 0.5), (0.75, 1.0), (1.0, 1.0)]);
    let found = lift(&ranking, None).unwrap();
    assert_eq!((found[0], found[1], found[3]), ((0.25, 2.0), (0.5, 1.0), (1.0, 1.0)));
}

#[test]
fn curves_that_rows_do_not_define_say_why() {
    let ranking = ScoreRanking::new(&[false, false], &[0.1, 0.2]).unwrap();
    assert_eq!(roc(&ranking, None), Err(Undefined::OneClass));
    assert_eq!(precision_recall(&ranking, None), Err(Undefined::NoPositives));
    assert_eq!(gain(&ranking, Some(&[0.0, 0.0])), Err(Undefined::NoRows));
    assert_eq!(calibration([(true, f64::NAN)].into_iter(), 15, None), Err(Undefined::NotFinite));
    assert_eq!(qq_points(vec![1.0; 9]), Err(Undefined::ConstantResidual));
    assert_eq!(histograms(&[&[f64::NAN]], 5, None), None);
    // A single value has an interval of its own, as with NumPy.
    let found = histograms(&[&[3.0, 3.0]], 2, None).unwrap();
    assert_eq!((found.edges, found.counts), (vec![2.5, 3.0, 3.5], vec![vec![0.0, 2.0]]));
}

/// Largest distance of the points of a line from a thinned one, in the direction of y.
fn farthest(all: &[(f64, f64)], thin: &[(f64, f64)]) -> f64 {
    let mut most = 0.0_f64;
    for &(x, y) in all {
        let after = thin.partition_point(|point| point.0 < x).clamp(1, thin.len() - 1);
        let (a, b) = (thin[after - 1], thin[after]);
        let at = if b.0 > a.0 { a.1 + (b.1 - a.1) * (x - a.0) / (b.0 - a.0) } else { b.1 };
        most = most.max((at - y).abs());
    }
    most
}

#[test]
fn long_lines_keep_their_ends_and_shape() {
    // A smooth curve with a steep beginning, of 200,000 points.
    let all: Vec<(f64, f64)> =
        (0..200_000).map(|i| f64::from(i) / 199_999.0).map(|x| (x, x.powf(0.1))).collect();
    let thin = thinned(all.clone(), |point| *point);
    assert_eq!(thin.len(), MOST_POINTS);
    assert_eq!((thin[0], thin[MOST_POINTS - 1]), (all[0], all[all.len() - 1]));
    assert!(farthest(&all, &thin) < 1e-3, "{}", farthest(&all, &thin));
    // A single peak is what the shape rests on.
    let peak: Vec<(f64, f64)> =
        (0..5000).map(|i| (f64::from(i) / 4999.0, if i == 2500 { 1.0 } else { 0.0 })).collect();
    assert!(thinned(peak.clone(), |point| *point).contains(&peak[2500]));
}

#[test]
fn curves_of_many_rows_are_short_and_close_to_all_points() {
    // Scores without ties, of which positives have the higher ones.
    let draw = |row: u32| f64::from(row.wrapping_mul(2_654_435_769)) / f64::from(u32::MAX);
    let labels: Vec<bool> = (0..60_000).map(|row| draw(row * 7 + 3) < 0.2).collect();
    let scores: Vec<f64> =
        (0..60_000_u32).map(|row| draw(row).powi(if labels[row as usize] { 1 } else { 3 })).collect();
    let ranking = ScoreRanking::new(&labels, &scores).unwrap();
    let found: Vec<(f64, f64)> =
        roc(&ranking, None).unwrap().iter().map(|point| (point.false_positive_rate, point.recall)).collect();
    assert!(found.len() <= MOST_POINTS && found[0] == (0.0, 0.0) && found[found.len() - 1] == (1.0, 1.0));
    let area: f64 = found.windows(2).map(|p| (p[1].0 - p[0].0) * (p[1].1 + p[0].1) / 2.0).sum();
    assert!((area - ranking.roc_auc(None).unwrap()).abs() < 1e-3);
    for line in [gain(&ranking, None).unwrap(), lift(&ranking, None).unwrap()] {
        assert!(line.len() <= MOST_POINTS && line[line.len() - 1] == (1.0, 1.0));
    }
    assert!(precision_recall(&ranking, None).unwrap().len() <= MOST_POINTS);
    let residuals: Vec<f64> = scores.iter().map(|score| score - 0.5).collect();
    let points = qq_points(residuals).unwrap();
    assert!(points.len() <= MOST_POINTS && points.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
    assert_eq!(evenly_chosen(60_000, 2000).count(), 2000);
    assert_eq!(evenly_chosen(3, 2000).collect::<Vec<_>>(), [0, 1, 2]);
}

proptest! {
    #[test]
    fn histograms_count_each_value_within_the_borders(
        values in prop::collection::vec(-50_i16..50, 1..80),
        bins in 1_usize..20,
    ) {
        let values: Vec<f64> = values.into_iter().map(|value| f64::from(value) / 7.0).collect();
        let found = histograms(&[&values], bins, None).unwrap();
        for bin in 0..bins {
            let last = bin + 1 == bins;
            let inside = |value: &&f64| {
                **value >= found.edges[bin] && (**value < found.edges[bin + 1] || (last && **value <= found.edges[bin + 1]))
            };
            let expected = values.iter().filter(inside).count() as f64;
            prop_assert!((found.counts[0][bin] - expected).abs() < 0.5);
        }
    }
}
