//! Calibration and thresholds of scikit-learn.

#![allow(clippy::float_cmp, reason = "bounds are exact")]

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn golden(part: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../golden/uncertainty.json")).unwrap();
    all[part].clone()
}

fn of<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

fn positive(value: &Value) -> Vec<bool> {
    of::<Vec<u8>>(value).into_iter().map(|own| own == 1).collect()
}

fn all_near(found: impl IntoIterator<Item = f64>, expected: &Value) {
    let (found, expected): (Vec<f64>, Vec<f64>) = (found.into_iter().collect(), of(expected));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-9, "{found}, scikit-learn {expected}");
    }
}

#[test]
fn sigmoid_and_isotonic_regression_equal_scikit_learn() {
    let case = golden("calibration");
    let (scores, grid): (Vec<f64>, Vec<f64>) = (of(&case["scores"]), of(&case["grid"]));
    let positive = positive(&case["truth"]);
    let sigmoid = platt(&scores, &positive).unwrap();
    all_near([sigmoid.slope], &Value::from(vec![of::<f64>(&case["platt"]["slope"])]));
    all_near([sigmoid.intercept], &Value::from(vec![of::<f64>(&case["platt"]["intercept"])]));
    all_near(grid.iter().map(|score| sigmoid.probability(*score)), &case["platt"]["probabilities"]);
    let curve = isotonic(&scores, &positive).unwrap();
    all_near(curve.scores.clone(), &case["isotonic"]["scores"]);
    all_near(curve.probabilities.clone(), &case["isotonic"]["probabilities"]);
    all_near(grid.iter().map(|score| curve.probability(*score)), &case["isotonic"]["grid"]);
}

#[test]
fn temperatures_equal_scikit_learn() {
    let case = golden("calibration");
    let logits: Vec<Vec<f64>> = of(&case["logits"]);
    let classes: Vec<usize> = of(&case["classes"]);
    let found = temperature(&logits.concat(), 4, &classes).unwrap();
    let expected: f64 = of(&case["temperature"]);
    assert!((found - expected).abs() < 1e-9, "{found}, scikit-learn {expected}");
    let found = temperature(&of::<Vec<f64>>(&case["scores"]), 1, &of::<Vec<usize>>(&case["truth"])).unwrap();
    let expected: f64 = of(&case["binary_temperature"]);
    assert!((found - expected).abs() < 1e-9, "{found}, scikit-learn {expected}");
    assert_eq!(temperature(&[], 1, &[]), None);
    // All right: the loss falls forever, and the temperature stays above 0.
    let sharp = temperature(&[3.0, -2.0], 1, &[1, 0]).unwrap();
    assert!(sharp > 0.0 && sharp < 1e-4, "{sharp}");
}

#[test]
fn tuned_thresholds_reach_the_best_rates() {
    let case = golden("thresholds");
    let p: Vec<f64> = of(&case["probabilities"]);
    let positive = positive(&case["truth"]);
    let tuned = |goal| tuned_threshold(&p, &positive, goal).unwrap();
    let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found}, {expected}");
    for [beta, expected] in of::<Vec<[f64; 2]>>(&case["f_beta"]) {
        near(tuned(TuningGoal::FBeta(beta)).value, expected);
    }
    let precise = tuned(TuningGoal::Precision(0.75));
    near(precise.recall, of(&case["precision"]));
    assert!(precise.precision >= 0.75);
    let recalled = tuned(TuningGoal::Recall(0.9));
    near(recalled.precision, of(&case["recall"]));
    assert!(recalled.recall >= 0.9);
    let cost = TuningGoal::Cost { false_positive: 1.0, false_negative: 5.0 };
    near(tuned(cost).value, of(&case["cost"]));
}

#[test]
fn edges_of_thresholds() {
    let goal = TuningGoal::FBeta(1.0);
    assert_eq!(tuned_threshold(&[0.1, 0.2], &[true, true], goal), None);
    assert_eq!(tuned_threshold(&[0.1, 0.2], &[false, false], goal), None);
    assert_eq!(tuned_threshold(&[], &[], goal), None);
    // Positives that are not told apart: everything is positive.
    assert_eq!(tuned_threshold(&[0.5, 0.5], &[true, false], goal).unwrap().threshold, 0.0);
    assert_eq!(tuned_threshold(&[0.5, 0.5], &[true, false], TuningGoal::Precision(0.9)), None);
    // Nothing is positive where a false positive is far too expensive, even of a sure row.
    let cost = TuningGoal::Cost { false_positive: 100.0, false_negative: 1.0 };
    for sure in [0.9, 1.0] {
        let found = tuned_threshold(&[sure, sure, 0.1], &[true, false, false], cost).unwrap();
        assert!(found.threshold > sure && found.recall == 0.0, "{found:?}");
    }
}

#[test]
fn log_odds_survive_saturated_probabilities() {
    assert_eq!(log_odds(&[2.0]), [-2.0, 2.0]);
    let three = log_odds(&[800.0, 0.0, -800.0]);
    assert!(
        (three[0] - 800.0).abs() < 1e-9 && (three[1] + 800.0).abs() < 1e-9 && three[2] < -1599.0,
        "{three:?}"
    );
    let two = log_odds(&[0.3, 1.0]);
    assert!((two[1] - 0.7).abs() < 1e-12 && (two[0] + 0.7).abs() < 1e-12);
    assert_eq!(normalised(vec![0.9, 0.25]), [0.75, 0.25]);
    assert_eq!(normalised(vec![0.5, 0.5, 1.0]), [0.25, 0.25, 0.5]);
    assert_eq!(normalised(vec![0.0; 4]), [0.25; 4]);
}

proptest! {
    #[test]
    fn isotonic_curves_rise_and_keep_the_mean(rows in prop::collection::vec((0_u8..20, any::<bool>()), 1..60)) {
        let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.0) / 3.0).collect();
        let positive: Vec<bool> = rows.iter().map(|row| row.1).collect();
        let curve = isotonic(&scores, &positive).unwrap();
        prop_assert!(curve.scores.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!(curve.probabilities.windows(2).all(|pair| pair[0] <= pair[1]));
        let sum: f64 = scores.iter().map(|score| curve.probability(*score)).sum();
        let ones = positive.iter().filter(|own| **own).count();
        prop_assert!((sum - ones as f64).abs() < 1e-9);
    }

    #[test]
    fn sigmoids_are_finite_even_for_separated_rows(rows in prop::collection::vec((-50_i8..50, any::<bool>()), 1..40)) {
        let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.0)).collect();
        let positive: Vec<bool> = rows.iter().map(|row| row.1).collect();
        let sigmoid = platt(&scores, &positive).unwrap();
        prop_assert!(sigmoid.slope.is_finite() && sigmoid.intercept.is_finite());
        // At the optimum the mean probability is the mean of the moved targets.
        let (ones, zeros) = positive.iter().fold((0.0, 0.0), |(ones, zeros), own| if *own { (ones + 1.0, zeros) } else { (ones, zeros + 1.0) });
        let targets = ones * (ones + 1.0) / (ones + 2.0) + zeros / (zeros + 2.0);
        let sum: f64 = scores.iter().map(|score| sigmoid.probability(*score)).sum();
        prop_assert!((sum - targets).abs() < 1e-6, "{sum} {targets}");
    }
}
