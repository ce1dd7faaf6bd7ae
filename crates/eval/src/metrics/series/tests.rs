use super::*;
use crate::golden::{close, compare, list, metrics};
use crate::metrics::{MetricSet, Undefined};

#[test]
fn a_forecast_has_an_error_per_step_and_relative_to_the_naive_one() {
    // Errors of 1 and 3 at the first step, 0 and 2 at the second.
    let (targets, predicted) = ([1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 6.0, 6.0]);
    for set in [MetricSet::Training, MetricSet::All] {
        let found = forecast(&targets, &predicted, 2, Some(2.0), None, set);
        assert_eq!(found.rows, 2);
        close("step 1", found.steps[0], 5.0_f64.sqrt());
        close("step 2", found.steps[1], 2.0_f64.sqrt());
        close("mae", found.values["mae"], 1.5);
        close("mase", found.values["mase"], 0.75);
        let names: Vec<&str> = found.values.keys().take(4).map(String::as_str).collect();
        assert_eq!(names, ["rmse", "mae", "r2", "mase"]);
    }
    let found = forecast(&targets, &predicted, 2, Some(0.0), None, MetricSet::All);
    assert_eq!(found.undefined["mase"], "the naive forecast has no error on the training rows");
    close("crps of a point", found.values["crps"], 1.5);
    // Without a naive forecast there is no such metric.
    let found = forecast(&targets, &predicted, 2, None, None, MetricSet::All);
    assert!(!found.values.contains_key("mase") && !found.undefined.contains_key("mase"));
    let found = forecast(&[], &[], 2, None, None, MetricSet::All);
    assert!(found.values.is_empty() && found.undefined.contains_key("smape"));
}

#[test]
fn forecasts_equal_their_definitions_in_numpy() {
    let case = &metrics()["forecast"];
    let (targets, predicted, weights) = (list(case, "truth"), list(case, "predicted"), list(case, "weights"));
    let number = |name: &str| case[name].as_f64().unwrap();
    let (horizon, naive) = (3, number("naive"));
    let found = forecast(&targets, &predicted, horizon, Some(naive), None, MetricSet::All);
    close("smape", found.values["smape"], number("smape"));
    let steps = forecast_by_step(&targets, &predicted, horizon, Some(naive), Some(&weights));
    for name in ["smape", "mase"] {
        let (_, values) = steps.iter().find(|(own, _)| *own == name).unwrap();
        for (found, expected) in values.iter().zip(list(case, &format!("{name}_by_step"))) {
            close(name, found.clone().unwrap(), expected);
        }
    }
    // The first step has a target of 0.
    let (_, mape) = steps.iter().find(|(own, _)| *own == "mape").unwrap();
    assert!(mape[1].is_ok() && (weights[0] == 0.0 || mape[0] == Err(Undefined::ZeroTarget)));

    let first: Vec<f64> = targets.iter().step_by(horizon).copied().collect();
    let ensemble = crps_of_ensemble(&first, &list(case, "ensembles"), 7, Some(&weights)).unwrap();
    close("crps of an ensemble", ensemble, number("crps_of_ensemble"));
    let levels = list(case, "levels");
    let quantiles = crps_of_quantiles(&first, &list(case, "quantiles"), &levels, Some(&weights)).unwrap();
    close("crps of quantiles", quantiles, number("crps_of_quantiles"));
    // An ensemble of one member is a point.
    close("one member", crps_of_ensemble(&[1.0, 2.0], &[3.0, 2.5], 1, None).unwrap(), 1.25);
    assert_eq!(crps_of_quantiles(&[1.0], &[], &[], None), Err(Undefined::NoRows));
}

#[test]
fn evenly_spread_quantiles_approach_the_exact_score() {
    // Quantiles of a normal forecast of mean 0 and deviation 1, whose score at 0 is (sqrt(2) - 1) / sqrt(pi).
    use statrs::distribution::{ContinuousCDF, Normal};
    let levels: Vec<f64> = (0..2000).map(|level| (f64::from(level) + 0.5) / 2000.0).collect();
    let quantiles: Vec<f64> = levels.iter().map(|level| Normal::standard().inverse_cdf(*level)).collect();
    let exact = (2.0_f64.sqrt() - 1.0) / std::f64::consts::PI.sqrt();
    assert!((crps_of_quantiles(&[0.0], &quantiles, &levels, None).unwrap() - exact).abs() < 1e-3);
    assert!((crps_of_ensemble(&[0.0], &quantiles, 2000, None).unwrap() - exact).abs() < 1e-3);
}

#[test]
fn anomaly_metrics_equal_scikit_learn_with_and_without_weights() {
    let case = &metrics()["anomaly"];
    let (scores, weights) = (list(case, "scores"), list(case, "weights"));
    let labels: Vec<bool> = serde_json::from_value(case["labels"].clone()).unwrap();
    let rows = ScoredRows::new(&scores, &labels);
    compare(&rows.metrics(None), &case["expected"]);
    compare(&rows.metrics(Some(&weights)), &case["weighted"]);
}

#[test]
fn anomaly_metrics_without_labels_are_absent_and_of_one_kind_undefined() {
    let all = |scores: &[f64], labels: &[bool]| anomaly(scores, labels, None, MetricSet::All);
    let found = all(&[0.1, 0.2, 0.9], &[]);
    assert_eq!(found.values.keys().collect::<Vec<_>>(), ["score_p50", "score_p95", "score_p99"]);
    assert!(found.undefined.is_empty());
    let found = all(&[0.1, 0.2, 0.9], &[false; 3]);
    assert_eq!(found.undefined["roc_auc"], "all rows have one class");
    // scikit-learn gives 0.
    assert_eq!(found.undefined["average_precision"], "no row has the positive class");
    assert!(all(&[], &[]).values.is_empty());
    let found = all(&[0.1, f64::NAN], &[true, false]);
    assert!(found.values.is_empty() && found.undefined.contains_key("score_p50"), "{found:?}");
    let scores: Vec<f64> = (0..20).map(f64::from).collect();
    let labels: Vec<bool> = (0..20).map(|row| row >= 15).collect();
    let found = all(&scores, &labels);
    close("precision", found.values["precision_at_10"], 0.5);
    close("recall", found.values["recall_at_10"], 1.0);
    assert!(!found.values.contains_key("precision_at_100"));
}
