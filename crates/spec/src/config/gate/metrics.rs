//! Names of the metrics of each kind of target, as reports have them.

use crate::config::target::{Target, TargetKind};
use crate::names::did_you_mean;

/// Share of the rows within their prediction intervals or sets.
pub(super) const COVERAGE: &str = "interval_coverage";

/// Metrics of classes. Micro averages and the weighted recall are left out, since they equal the accuracy.
const CATEGORY: &[&str] = &[
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "weighted_precision",
    "weighted_f1",
    "roc_auc",
    "roc_auc_ovo",
    "pr_auc",
    "lift_at_10",
    "top_3_accuracy",
    "top_5_accuracy",
    "mcc",
    "kappa",
    "log_loss",
    "brier",
    "ece",
    "loss",
    COVERAGE,
];
/// Metrics of numbers.
const NUMBER: &[&str] =
    &["rmse", "mae", "r2", "mape", "median_ae", "max_error", "explained_variance", "loss", COVERAGE];
/// Metrics of a forecast.
const FORECAST: &[&str] = &[
    "rmse",
    "mae",
    "r2",
    "mape",
    "median_ae",
    "max_error",
    "explained_variance",
    "mase",
    "smape",
    "crps",
    "loss",
    COVERAGE,
];
/// Metrics of a language model.
const NEXT_TOKEN: &[&str] = &["perplexity", "bits_per_byte", "loss"];
/// Metrics of an anomaly score.
const RECONSTRUCT: &[&str] = &[
    "roc_auc",
    "average_precision",
    "precision_at_10",
    "precision_at_100",
    "recall_at_10",
    "recall_at_100",
    "score_p50",
    "score_p95",
    "score_p99",
    "loss",
];
/// Differences and ratios between groups.
const GAPS: &[&str] = &[
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "equalized_odds_difference",
    "equalized_odds_ratio",
    "equal_opportunity_difference",
    "equal_opportunity_ratio",
    "calibration_gap",
];
/// Checks that a target of this kind can have the metric; with `gap` also a gap by its name.
pub(super) fn check_metric(name: &str, target: &Target, gap: bool) -> Result<(), String> {
    let (known, kind) = match target.kind {
        TargetKind::Category => (CATEGORY, "a category"),
        TargetKind::Number => (NUMBER, "a number"),
        TargetKind::Forecast => (FORECAST, "a forecast"),
        TargetKind::NextToken => (NEXT_TOKEN, "a language model"),
        TargetKind::Reconstruct => (RECONSTRUCT, "an anomaly score"),
    };
    let gaps = if gap && target.kind == TargetKind::Category { GAPS } else { &[] };
    let all = || known.iter().chain(gaps).copied();
    if all().any(|one| one == name) {
        return Ok(());
    }
    let hint = did_you_mean(name, all());
    Err(format!("unknown metric `{name}` of {kind}{hint}; expected {}", all().collect::<Vec<_>>().join(", ")))
}
