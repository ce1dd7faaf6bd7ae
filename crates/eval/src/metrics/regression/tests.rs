use proptest::prelude::*;

use super::*;
use crate::golden::{close, list, metrics};

#[test]
fn metrics_equal_scikit_learn_with_and_without_weights() {
    let case = &metrics()["regression"];
    let (targets, predicted, weights) = (list(case, "truth"), list(case, "predicted"), list(case, "weights"));
    for (weights, expected) in [(None, &case["expected"]), (Some(weights.as_slice()), &case["weighted"])] {
        let found = regression(&targets, &predicted, weights, MetricSet::All);
        for (name, expected) in expected.as_object().unwrap() {
            let value = match name.as_str() {
                "pinball_0.9" => pinball(&targets, &predicted, 0.9, weights).unwrap(),
                name => found.values[name],
            };
            close(name, value, expected.as_f64().unwrap());
        }
        assert_eq!(found.values.len() + 1, expected.as_object().unwrap().len());
    }
}

#[test]
fn undefined_metrics_are_listed_with_their_reasons() {
    let all = |targets: &[f64], predicted: &[f64]| regression(targets, predicted, None, MetricSet::All);
    // The mean of three times 0.1 is 0.10000000000000002.
    for found in [all(&[2.0, 2.0], &[1.0, 2.0]), all(&[0.1; 3], &[1.0, 2.0, 3.0]), all(&[1.0], &[1.0])] {
        assert_eq!(found.undefined["r2"], "all rows have one value of the target");
        assert_eq!(found.undefined["explained_variance"], "all rows have one value of the target");
        assert!(!found.values.contains_key("r2"));
    }
    let found = all(&[0.0, 1.0], &[1.0, 1.0]);
    assert_eq!(found.undefined["mape"], "a target is 0, which has no relative error");
    for found in [all(&[], &[]), regression(&[1.0], &[2.0], Some(&[0.0]), MetricSet::All)] {
        assert!(found.values.is_empty() && found.undefined.values().all(|why| why == "there are no rows"));
    }
    for wrong in [f64::NAN, f64::INFINITY] {
        let found = all(&[1.0, 2.0, 4.0], &[1.0, wrong, 3.0]);
        assert!(found.values.is_empty(), "{found:?}");
        assert_eq!(found.undefined.len(), 7);
        // A row of weight 0 is absent.
        let weights = [1.0, 0.0, 1.0];
        let found = regression(&[1.0, 2.0, 4.0], &[1.0, wrong, 3.0], Some(&weights), MetricSet::All);
        close("mae", found.values["mae"], 0.5);
        close("median_ae", found.values["median_ae"], 0.5);
    }
}

proptest! {
    #[test]
    fn weights_count_copies_and_parts_are_merged(
        drawn in prop::collection::vec((1_i8..20, -20_i8..20, 0_u8..3), 1..40),
        cut in 0_usize..40,
    ) {
        let targets: Vec<f64> = drawn.iter().map(|row| 1000.0 + f64::from(row.0)).collect();
        let predicted: Vec<f64> = drawn.iter().map(|row| 1000.0 + f64::from(row.1)).collect();
        let weights: Vec<f64> = drawn.iter().map(|row| f64::from(row.2)).collect();
        let copies = || (0..drawn.len()).flat_map(|row| std::iter::repeat_n(row, usize::from(drawn[row].2)));
        let weighted = RegressionRows::new(&targets, &predicted).metrics(Some(&weights));
        let copied_targets: Vec<f64> = copies().map(|row| targets[row]).collect();
        let copied: Vec<f64> = copies().map(|row| predicted[row]).collect();
        let repeated = RegressionRows::new(&copied_targets, &copied).metrics(None);
        let mut parts = [RegressionSums::default(), RegressionSums::default()];
        for row in 0..drawn.len() {
            parts[usize::from(row >= cut)].add(targets[row], predicted[row], weights[row]);
        }
        let [mut merged, second] = parts;
        merged.merge(&second);
        for ((name, a), (_, b)) in weighted.iter().zip(&repeated) {
            let streamed = merged.values().into_iter().find(|(own, _)| own == name).map(|(_, value)| value);
            for other in [Some(b.clone()), streamed].into_iter().flatten() {
                match (a, &other) {
                    (Ok(a), Ok(b)) => prop_assert!((a - b).abs() < 1e-9 * (1.0 + a.abs()), "{name}: {a} {b}"),
                    (a, b) => prop_assert_eq!(a, b, "{}", name),
                }
            }
        }
    }
}
