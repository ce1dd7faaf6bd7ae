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
    "roc_auc_ovo",
    "pr_auc",
    "average_precision",
    "mcc",
    "kappa",
    "log_loss",
    "brier",
    "ece",
    "loss",
    COVERAGE,
];
/// Metrics of numbers.
const NUMBER: &[&str] = &[
    "rmse",
    "mse",
    "mae",
    "mape",
    "median_ae",
    "max_error",
    "r2",
    "explained_variance",
    "pinball",
    "loss",
    COVERAGE,
];
/// Metrics of a forecast.
const FORECAST: &[&str] =
    &["rmse", "mse", "mae", "mape", "r2", "mase", "smape", "crps", "pinball", "loss", COVERAGE];
/// Metrics of a language model.
const NEXT_TOKEN: &[&str] = &["perplexity", "bits_per_token", "bits_per_byte", "loss"];
/// Metrics of an anomaly score.
const RECONSTRUCT: &[&str] =
    &["roc_auc", "pr_auc", "average_precision", "score_p50", "score_p95", "score_p99", "loss"];
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
/// Names with a number in them: beginning, end, and the form for messages.
const RANKED: &[(&str, &str, &str)] = &[
    ("precision_at_", "", "precision_at_K"),
    ("recall_at_", "", "recall_at_K"),
    ("lift_at_", "", "lift_at_K"),
    ("gain_at_", "", "gain_at_K"),
    ("top_", "_accuracy", "top_K_accuracy"),
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
    let category = target.kind == TargetKind::Category;
    let gaps = if gap && category { GAPS } else { &[] };
    let ranked = match target.kind {
        TargetKind::Category => RANKED,
        // An anomaly score has no classes.
        TargetKind::Reconstruct => &RANKED[..4],
        _ => &[],
    };
    let names = || known.iter().chain(gaps).copied();
    if names().any(|one| one == name) || ranked.iter().any(|(begin, end, _)| numbered(name, begin, end)) {
        return Ok(());
    }
    let all = || names().chain(ranked.iter().map(|(.., form)| *form));
    let hint = did_you_mean(name, all());
    Err(format!("unknown metric `{name}` of {kind}{hint}; expected {}", all().collect::<Vec<_>>().join(", ")))
}

/// `true` for a positive whole number between `begin` and `end`.
fn numbered(name: &str, begin: &str, end: &str) -> bool {
    let middle = name.strip_prefix(begin).and_then(|rest| rest.strip_suffix(end));
    middle.is_some_and(|middle| middle.parse::<u32>().is_ok_and(|number| number > 0))
}
