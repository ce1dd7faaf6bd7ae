//! MAE, RMSE and R2 of a regression.

use indexmap::IndexMap;

use crate::Metrics;

/// Metrics of a regression, in the units of the target. `r2` is left out for a constant target.
#[allow(clippy::cast_precision_loss)]
pub fn regression(targets: &[f64], predicted: &[f64]) -> Metrics {
    let n = targets.len() as f64;
    let mean = targets.iter().sum::<f64>() / n;
    let errors = || targets.iter().zip(predicted).map(|(t, p)| p - t);
    let squared: f64 = errors().map(|e| e * e).sum();
    let total: f64 = targets.iter().map(|t| (t - mean).powi(2)).sum();
    let mut values = IndexMap::new();
    let mut put = |name: &str, value: f64| {
        if value.is_finite() {
            values.insert(name.to_owned(), value);
        }
    };
    put("rmse", (squared / n).sqrt());
    put("mae", errors().map(f64::abs).sum::<f64>() / n);
    // The mean of equal values may differ from them in its last bit.
    let constant = targets.iter().all(|target| target.to_bits() == targets[0].to_bits());
    if total > 0.0 && !constant {
        put("r2", 1.0 - squared / total);
    }
    Metrics { rows: targets.len(), values, ..Metrics::default() }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn metrics_equal_scikit_learn() {
        let golden: Value = serde_json::from_str(include_str!("golden/metrics.json")).unwrap();
        let case = &golden["regression"];
        let list = |name: &str| serde_json::from_value::<Vec<f64>>(case[name].clone()).unwrap();
        let found = regression(&list("truth"), &list("predicted"));
        for (name, expected) in case["expected"].as_object().unwrap() {
            let (a, b) = (found.values[name.as_str()], expected.as_f64().unwrap());
            assert!((a - b).abs() < 1e-9, "{name}: {a}, scikit-learn {b}");
        }
    }

    #[test]
    fn a_constant_target_has_no_r2() {
        assert!(!regression(&[2.0, 2.0], &[1.0, 2.0]).values.contains_key("r2"));
        // The mean of three times 0.1 is 0.10000000000000002.
        assert!(!regression(&[0.1; 3], &[1.0, 2.0, 3.0]).values.contains_key("r2"));
    }
}
