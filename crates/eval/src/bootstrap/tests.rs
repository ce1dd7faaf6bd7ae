use proptest::prelude::*;
use serde_json::Value;

use super::draws::draw;
use super::*;

fn golden() -> Value {
    let golden: Value = serde_json::from_str(include_str!("../golden/statistics.json")).unwrap();
    golden["bootstrap"].clone()
}

fn numbers(case: &Value, name: &str) -> Vec<f64> {
    serde_json::from_value(case[name].clone()).unwrap()
}

/// Weighted area under the ROC curve, from each pair.
fn area(labels: &[bool], scores: &[f64], weights: &[f64]) -> Option<f64> {
    let (mut pairs, mut ordered) = (0.0, 0.0);
    for (a, _) in labels.iter().enumerate().filter(|(_, label)| **label) {
        for (b, _) in labels.iter().enumerate().filter(|(_, label)| !**label) {
            let weight = weights[a] * weights[b];
            pairs += weight;
            ordered += match scores[a].total_cmp(&scores[b]) {
                std::cmp::Ordering::Greater => weight,
                std::cmp::Ordering::Equal => 0.5 * weight,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    (pairs > 0.0).then(|| ordered / pairs)
}

fn mean(values: impl Iterator<Item = f64>, weights: &[f64]) -> Option<f64> {
    let sum: f64 = values.zip(weights).map(|(value, weight)| value * weight).sum();
    let total: f64 = weights.iter().sum();
    (total > 0.0).then(|| sum / total)
}

fn mean_of_sums(sums: &[f64]) -> Option<f64> {
    (sums[0] > 0.0).then(|| sums[1] / sums[0])
}

fn sums_of(values: &[f64], seed: u64) -> RowSums {
    let mut sums = RowSums::new(2, seed);
    for value in values {
        sums.push(&[1.0, *value]);
    }
    sums
}

#[test]
fn intervals_equal_scipy() {
    let case = golden();
    let (target, first, second) =
        (numbers(&case, "target"), numbers(&case, "first"), numbers(&case, "second"));
    let labels: Vec<bool> = serde_json::from_value(case["labels"].clone()).unwrap();
    let errors =
        |predicted: &[f64]| -> Vec<f64> { predicted.iter().zip(&target).map(|(a, b)| a - b).collect() };
    let (first_errors, second_errors) = (errors(&first), errors(&second));
    let metrics = |weights: &[f64]| {
        let mae = mean(first_errors.iter().map(|error| error.abs()), weights);
        let mse = mean(first_errors.iter().map(|error| error * error), weights).unwrap();
        let centre = mean(target.iter().copied(), weights).unwrap();
        let variance = mean(target.iter().map(|value| (value - centre).powi(2)), weights).unwrap();
        let other = mean(second_errors.iter().map(|error| error.abs()), weights);
        let difference = other.unwrap() - mae.unwrap();
        vec![
            mae,
            Some(mse.sqrt()),
            Some(1.0 - mse / variance),
            area(&labels, &first, weights),
            Some(difference),
        ]
    };
    for (level_at, level) in [0.95, 0.8].into_iter().enumerate() {
        let plan = Bootstrap { resamples: 600, level, seed: 42 };
        let check = |name: &str, found: BootstrapInterval| {
            let expected = &case["expected"][name][level_at];
            for (bound, found) in [("value", found.value), ("low", found.low), ("high", found.high)] {
                let expected = expected[bound].as_f64().unwrap();
                assert!((found - expected).abs() < 1e-9, "{name}, {bound}: {found}, expected {expected}");
            }
        };
        let found = plan.intervals(target.len(), metrics);
        for (name, found) in ["mae", "rmse", "r2", "roc_auc", "mae_difference"].into_iter().zip(found) {
            check(name, found.unwrap());
        }
        let mut sums = RowSums::new(3, plan.seed);
        for (first, second) in first_errors.iter().zip(&second_errors) {
            sums.push(&[1.0, first.abs(), second.abs()]);
        }
        check("mae", plan.interval_of_sums(&sums, mean_of_sums).unwrap());
        let both = |sums: &[f64]| (mean_of_sums(sums), Some(sums[2] / sums[0]));
        check("mae_difference", plan.paired_of_sums(&sums, both).unwrap().difference);
    }
}

#[test]
fn intervals_contain_the_true_value_at_their_level() {
    // Exponential numbers, whose mean is skewed: 200 data sets of 80 rows, and a share of 0.2.
    let (mut mean_covered, mut share_covered, sets) = (0, 0, 200);
    for seed in 0..sets {
        let uniform = |row: u64| ((draw(1000 + seed, row) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let values: Vec<f64> = (0..80).map(|row| -uniform(row).ln()).collect();
        let hits: Vec<f64> = (100..180).map(|row| f64::from(uniform(row) < 0.2)).collect();
        let plan = Bootstrap { resamples: 1000, level: 0.95, seed };
        let covers = |values: &[f64], truth: f64| {
            let found = plan.interval_of_sums(&sums_of(values, seed), mean_of_sums).unwrap();
            u32::from(found.low <= truth && truth <= found.high)
        };
        mean_covered += covers(&values, 1.0);
        share_covered += covers(&hits, 0.2);
    }
    // The true coverage for this size is about 0.94 for both; 0.999 of Binomial(200, 0.94) lies within these bounds.
    assert!((177..=198).contains(&mean_covered), "{mean_covered} of {sets}");
    assert!((177..=198).contains(&share_covered), "{share_covered} of {sets}");
}

#[test]
fn groups_of_rows_have_the_width_of_single_rows() {
    let rows = 15_000;
    // Sorted numbers: groups must not depend on the order of the rows.
    let values: Vec<f64> = (0..rows).map(|row| (f64::from(row) + 0.5) / f64::from(rows)).collect();
    let plan = Bootstrap { resamples: 1000, ..Bootstrap::default() };
    let error = (1.0_f64 / 12.0 / f64::from(rows)).sqrt();
    let by_sums = plan.interval_of_sums(&sums_of(&values, 0), mean_of_sums).unwrap();
    let by_weights = plan.interval(values.len(), |weights| mean(values.iter().copied(), weights)).unwrap();
    for found in [by_sums, by_weights] {
        let ratio = (found.high - found.low) / (2.0 * 1.96 * error);
        assert!((0.9..1.1).contains(&ratio), "{ratio}");
        assert!(found.low < 0.5 && 0.5 < found.high);
    }
    // Both draw the same groups; only the groups of the jackknife differ.
    assert!((by_sums.low - by_weights.low).abs() < 0.1 * error);
    assert!((by_sums.high - by_weights.high).abs() < 0.1 * error);
}

#[test]
fn the_jackknife_stands_for_the_resamples_of_many_rows() {
    let rows = RESAMPLED_ROWS + 1;
    let values: Vec<f64> = (0..rows as u64).map(|row| (draw(5, row) >> 40) as f64).collect();
    let metric = |weights: &[f64]| mean(values.iter().copied(), weights);
    let plan = Bootstrap::default();
    let by_weights = plan.interval(rows, metric).unwrap();
    let by_sums = plan.interval_of_sums(&sums_of(&values, 0), mean_of_sums).unwrap();
    let width = |found: BootstrapInterval| found.high - found.low;
    assert!((width(by_weights) / width(by_sums) - 1.0).abs() < 0.2, "{by_weights:?} {by_sums:?}");
    // The second model's errors are larger in four of five rows, and smaller in the others.
    let other = |weights: &[f64]| {
        let changed = values
            .iter()
            .enumerate()
            .map(|(row, value)| if row % 5 == 0 { value - 1.0 } else { value + 1.0 });
        (metric(weights), mean(changed, weights))
    };
    let paired = plan.paired(rows, other).unwrap();
    assert!((paired.difference.value - 0.6).abs() < 1e-4 && paired.p_value < 1e-6, "{paired:?}");
    // The standard error is 0.8 / sqrt(rows).
    let expected = 2.0 * 1.96 * 0.8 / (rows as f64).sqrt();
    assert!((width(paired.difference) / expected - 1.0).abs() < 0.2, "{paired:?}");
    let same = plan.paired(rows, |weights| (Some(weights[1]), Some(weights[1]))).unwrap();
    assert!(same.p_value >= 1.0 && same.difference.high <= 0.0, "{same:?}");
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let values: Vec<f64> = (0..700).map(|row| f64::from(row * row % 101)).collect();
    let plan = Bootstrap { resamples: 501, level: 0.9, seed: 3 };
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let by_weights = plan.interval(values.len(), |weights| mean(values.iter().copied(), weights));
            (by_weights, plan.interval_of_sums(&sums_of(&values, 3), mean_of_sums))
        })
    };
    assert_eq!(run(1), run(5));
    assert_ne!(run(1).0, Bootstrap { seed: 4, ..plan }.interval(700, |w| mean(values.iter().copied(), w)));
}

#[test]
#[allow(clippy::float_cmp)]
fn degenerate_metrics_have_a_stated_result() {
    let plan = Bootstrap { resamples: 200, ..Bootstrap::default() };
    let constant = plan.interval(9, |_| Some(0.75)).unwrap();
    assert_eq!((constant.value, constant.low, constant.high, constant.undefined), (0.75, 0.75, 0.75, 0.0));
    assert_eq!(plan.interval(1, |_| Some(1.0)), None);
    assert_eq!(plan.interval(0, |_| Some(1.0)), None);
    assert_eq!(plan.interval(5, |_| None), None);
    assert_eq!(plan.interval(5, |_| Some(f64::INFINITY)), None);
    assert_eq!(plan.intervals(5, |_| Vec::new()), []);
    for level in [0.0, 1.0, -1.0, f64::NAN] {
        assert_eq!(Bootstrap { level, ..plan }.interval(5, |_| Some(1.0)), None);
    }
    assert_eq!(Bootstrap { resamples: 0, ..plan }.interval(5, |_| Some(1.0)), None);
    assert_eq!(plan.interval_of_sums(&RowSums::new(2, 0), mean_of_sums), None);
    assert_eq!(plan.interval_of_sums(&sums_of(&[1.0], 0), mean_of_sums), None);
    // A row is absent from a resample of 9 with probability (8/9)^9 = 0.346.
    let rare = plan.interval(9, |weights| (weights[0] > 0.0).then_some(weights[1])).unwrap();
    assert!((0.2..0.5).contains(&rare.undefined), "{}", rare.undefined);
    // Undefined in nearly all resamples.
    assert_eq!(plan.interval(9, |weights| weights.iter().all(|w| *w == 1.0).then_some(1.0)), None);
    // Metrics without sums.
    assert_eq!(plan.interval_of_sums(&RowSums::new(0, 0), |_| Some(1.0)), None);
}

#[test]
#[allow(clippy::float_cmp)]
fn p_values_invert_the_interval() {
    let errors: Vec<(f64, f64)> = (0..150_i32)
        .map(|row| (f64::from(row * 37 % 23), f64::from(row * 37 % 23) + f64::from(row * 29 % 17) - 7.4))
        .collect();
    let metric = |weights: &[f64]| {
        (mean(errors.iter().map(|pair| pair.0), weights), mean(errors.iter().map(|pair| pair.1), weights))
    };
    let plan = Bootstrap { resamples: 1999, level: 0.95, seed: 1 };
    let found = plan.paired(errors.len(), metric).unwrap();
    assert!((found.second - found.first - found.difference.value).abs() < 1e-12);
    assert!(found.p_value > 0.01 && found.p_value < 0.9, "{}", found.p_value);
    // At the level 1 - p, an end of the interval is the null.
    let at =
        Bootstrap { level: 1.0 - found.p_value, ..plan }.paired(errors.len(), metric).unwrap().difference;
    let width = at.high - at.low;
    assert!(at.low.abs().min(at.high.abs()) < 0.02 * width, "{at:?}");
    // Equal models, and a constant difference.
    assert_eq!(plan.paired(20, |w| (Some(w[0]), Some(w[0]))).unwrap().p_value, 1.0);
    assert!(plan.paired(20, |_| (Some(1.0), Some(2.0))).unwrap().p_value < 0.01);
    assert_eq!(plan.paired(20, |_| (Some(1.0), None)), None);
}

#[test]
fn equal_models_differ_significantly_as_often_as_the_level_says() {
    // Independent errors of the same distribution: 150 data sets of 60 rows.
    let (mut significant, sets) = (0, 150);
    for seed in 0..sets {
        let mut sums = RowSums::new(3, seed);
        for row in 0..60 {
            let error = |at: u64| (draw(7000 + seed, at) >> 11) as f64 / (1_u64 << 53) as f64;
            sums.push(&[1.0, error(row).powi(2), error(1000 + row).powi(2)]);
        }
        let plan = Bootstrap { resamples: 500, level: 0.95, seed };
        let found = plan.paired_of_sums(&sums, |s| (Some(s[1] / s[0]), Some(s[2] / s[0]))).unwrap();
        significant += u32::from(found.p_value < 0.05);
        // The interval excludes zero where the p-value is clearly below its level.
        let excludes = found.difference.low > 0.0 || found.difference.high < 0.0;
        assert!(excludes == (found.p_value < 0.05) || (0.04..0.06).contains(&found.p_value), "{found:?}");
    }
    // 0.998 of Binomial(150, 0.055) lies within these bounds.
    assert!((1..=18).contains(&significant), "{significant} of {sets}");
}

proptest! {
    #[test]
    fn bounds_lie_within_the_resamples_and_grow_with_the_level(
        values in prop::collection::vec(-1e6_f64..1e6, 2..40),
        seed: u64,
    ) {
        let plan = Bootstrap { resamples: 200, level: 0.95, seed };
        let sums = sums_of(&values, seed);
        let wide = plan.interval_of_sums(&sums, mean_of_sums).unwrap();
        let narrow = Bootstrap { level: 0.5, ..plan }.interval_of_sums(&sums, mean_of_sums).unwrap();
        let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
        let slack = 1e-6;
        prop_assert!(least - slack <= wide.low && wide.low <= narrow.low + slack);
        prop_assert!(narrow.low <= narrow.high && narrow.high <= wide.high + slack && wide.high <= most + slack);
        // The same by weights.
        let weights = plan.interval(values.len(), |weights| mean(values.iter().copied(), weights)).unwrap();
        prop_assert!((weights.low - wide.low).abs() < slack && (weights.high - wide.high).abs() < slack);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn sums_of_any_number_of_rows_have_the_same_totals(rows in 0_u64..12_000) {
        let mut sums = RowSums::new(2, 9);
        for row in 0..rows {
            if row % 2 == 0 { sums.push(&[1.0, row as f64]) } else { sums.push_sparse([(1, row as f64), (0, 1.0), (2, 1.0)]) }
        }
        prop_assert_eq!(sums.rows(), rows);
        prop_assert_eq!(sums.totals(), vec![rows as f64, (rows * rows.saturating_sub(1) / 2) as f64]);
    }
}
