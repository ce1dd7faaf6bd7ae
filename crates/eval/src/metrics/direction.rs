//! Direction in which a metric improves.

/// `true` if a larger value of the metric is better, `false` if a smaller one is, `None` for a name without direction,
/// such as a quantile of scores. A name of a target's metric, `target/metric`, has the direction of `metric`.
pub fn larger_is_better(name: &str) -> Option<bool> {
    let name = name.rsplit_once('/').map_or(name, |(_, metric)| metric);
    match name {
        "accuracy" | "balanced_accuracy" | "precision" | "recall" | "f1" | "roc_auc" | "roc_auc_ovo"
        | "pr_auc" | "average_precision" | "mcc" | "kappa" | "r2" | "explained_variance" | "ndcg" | "map"
        | "mrr" => Some(true),
        "loss" | "log_loss" | "brier" | "ece" | "rmse" | "mse" | "mae" | "mape" | "median_ae"
        | "max_error" | "pinball" | "mase" | "smape" | "crps" | "perplexity" | "bits_per_byte"
        | "bits_per_token" => Some(false),
        name => {
            let numbered =
                |prefix: &str| name.strip_prefix(prefix).is_some_and(|rest| rest.parse::<u32>().is_ok());
            let averaged =
                ["macro_", "micro_", "weighted_"].iter().find_map(|prefix| name.strip_prefix(prefix));
            let top = name.strip_prefix("top_").and_then(|rest| rest.strip_suffix("_accuracy"));
            let larger = averaged.is_some_and(|metric| ["precision", "recall", "f1"].contains(&metric))
                || top.is_some_and(|k| k.parse::<u32>().is_ok())
                || ["lift_at_", "gain_at_", "precision_at_", "recall_at_", "ndcg_at_"]
                    .iter()
                    .any(|p| numbered(p));
            larger.then_some(true)
        }
    }
}

/// Smallest and largest value that a metric can have; infinite where it has no bound, and for unknown names. A loss may be
/// negative, as that of a density is.
pub fn metric_range(name: &str) -> (f64, f64) {
    let metric = name.rsplit_once('/').map_or(name, |(_, metric)| metric);
    match (metric, larger_is_better(metric)) {
        ("mcc" | "kappa", _) => (-1.0, 1.0),
        ("r2" | "explained_variance", _) => (f64::NEG_INFINITY, 1.0),
        ("brier" | "ece", _) => (0.0, 1.0),
        ("loss", _) | (_, None) => (f64::NEG_INFINITY, f64::INFINITY),
        (metric, Some(true)) if metric.starts_with("lift_at_") => (0.0, f64::INFINITY),
        (_, Some(true)) => (0.0, 1.0),
        (_, Some(false)) => (0.0, f64::INFINITY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_direction_and_targets_keep_it() {
        for name in
            ["macro_f1", "weighted_precision", "top_5_accuracy", "lift_at_10", "precision_at_100", "price/r2"]
        {
            assert_eq!(larger_is_better(name), Some(true), "{name}");
        }
        for name in ["loss", "ece", "y/mape", "crps"] {
            assert_eq!(larger_is_better(name), Some(false), "{name}");
        }
        assert_eq!(metric_range("price/max_error").0.total_cmp(&0.0), std::cmp::Ordering::Equal);
        assert_eq!(metric_range("macro_f1").1.total_cmp(&1.0), std::cmp::Ordering::Equal);
        assert!(metric_range("loss").0.is_infinite() && metric_range("unknown").1.is_infinite());
        for name in ["score_p50", "top_x_accuracy", "precision_at_", "macro_", "unknown"] {
            assert_eq!(larger_is_better(name), None, "{name}");
        }
    }
}
