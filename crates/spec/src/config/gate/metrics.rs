//! Names of the metrics of each kind of target, as reports have them.

use crate::config::target::{Target, TargetKind};
use crate::names::did_you_mean;

/// Share of the rows within their prediction intervals or sets.
pub(super) const COVERAGE: &str = "interval_coverage";

/// Metrics of classes.
const CATEGORY: &[&str] = &[
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "micro_precision",
    "micro_recall",
    "micro_f1",
    "weighted_precision",
    "weighted_recall",
    "weighted_f1",
    "roc_auc",
    "pr_auc",
    "log_loss",
    "loss",
    "brier",
    "ece",
    "mcc",
    "kappa",
];
/// Metrics of numbers.
const NUMBER: &[&str] =
    &["rmse", "mae", "r2", "mape", "median_absolute_error", "explained_variance", "pinball", "loss"];
/// Metrics of a forecast.
const FORECAST: &[&str] = &["rmse", "mae", "r2", "mase", "smape", "crps", "loss"];
/// Metrics of a language model.
const NEXT_TOKEN: &[&str] = &["perplexity", "bits_per_byte", "loss"];
/// Metrics of an anomaly score.
const RECONSTRUCT: &[&str] = &["roc_auc", "pr_auc", "loss"];
/// Differences and ratios between groups.
const GAPS: &[&str] = &[
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "equalized_odds_difference",
    "equalized_odds_ratio",
    "equal_opportunity_difference",
    "equal_opportunity_ratio",
];
/// Beginnings of names that end in a number or a level.
const CATEGORY_FAMILIES: &[&str] = &["top_", "f_beta_", "roc_auc_"];

/// Checks that a target of this kind can have the metric; with `gap` also a gap by its name.
pub(super) fn check_metric(name: &str, target: &Target, gap: bool) -> Result<(), String> {
    let (known, families, kind): (_, &[&str], _) = match target.kind {
        TargetKind::Category => (CATEGORY, CATEGORY_FAMILIES, "a category"),
        TargetKind::Number => (NUMBER, &["pinball_"], "a number"),
        TargetKind::Forecast => (FORECAST, &["pinball_"], "a forecast"),
        TargetKind::NextToken => (NEXT_TOKEN, &[], "a language model"),
        TargetKind::Reconstruct => (RECONSTRUCT, &["precision_at_"], "an anomaly score"),
    };
    let gaps = if gap && target.kind == TargetKind::Category { GAPS } else { &[] };
    let all = || known.iter().chain(gaps).copied();
    if all().any(|one| one == name) || families.iter().any(|family| name.starts_with(family)) {
        return Ok(());
    }
    let hint = did_you_mean(name, all());
    Err(format!("unknown metric `{name}` of {kind}{hint}; expected {}", all().collect::<Vec<_>>().join(", ")))
}
