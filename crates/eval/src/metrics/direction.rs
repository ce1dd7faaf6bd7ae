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
        for name in ["score_p50", "top_x_accuracy", "precision_at_", "macro_", "unknown"] {
            assert_eq!(larger_is_better(name), None, "{name}");
        }
    }
}
