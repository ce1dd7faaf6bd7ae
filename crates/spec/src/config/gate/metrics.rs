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
/// Metrics of a ranking.
const RANK: &[&str] = &["ndcg", "ndcg_at_5", "ndcg_at_10", "map", "mrr", "loss"];
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
/// Metrics of groups of rows with classes: the first six with two classes, `balanced_accuracy` and `macro_f1` with more.
const CATEGORY_GROUPS: &[&str] =
    &["accuracy", "precision", "recall", "f1", "log_loss", "selection_rate", "balanced_accuracy", "macro_f1"];
/// Metrics of groups of rows with numbers.
const NUMBER_GROUPS: &[&str] = &["mae", "rmse", "mean_error"];

/// Part of an evaluation that a metric stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricPlace {
    /// Metrics of a split.
    Split,
    /// Metrics of groups.
    Groups,
    /// Differences between groups, of a metric or by their own name.
    Gaps,
}

/// Checks that the evaluation of a target of this kind has the metric.
pub(super) fn check_metric(name: &str, target: &Target, place: MetricPlace) -> Result<(), String> {
    let (known, groups, kind): (_, &[&str], _) = match target.kind {
        TargetKind::Category => (CATEGORY, CATEGORY_GROUPS, "a category"),
        TargetKind::Number => (NUMBER, NUMBER_GROUPS, "a number"),
        TargetKind::Forecast => (FORECAST, &[], "a forecast"),
        TargetKind::NextToken => (NEXT_TOKEN, &[], "a language model"),
        TargetKind::Reconstruct => (RECONSTRUCT, &[], "an anomaly score"),
        TargetKind::Rank => (RANK, &[], "a ranking"),
    };
    let (known, of) = if place == MetricPlace::Split { (known, "") } else { (groups, "the groups of ") };
    if known.is_empty() {
        return Err(format!("{kind} has no metrics by group; remove the condition"));
    }
    let gaps = if place == MetricPlace::Gaps && target.kind == TargetKind::Category { GAPS } else { &[] };
    let all = || known.iter().chain(gaps).copied();
    if all().any(|one| one == name) {
        return Ok(());
    }
    let hint = did_you_mean(name, all());
    let names = all().collect::<Vec<_>>().join(", ");
    Err(format!("unknown metric `{name}` of {of}{kind}{hint}; expected {names}"))
}
