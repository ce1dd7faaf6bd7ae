//! Rules of `[uncertainty]`, and of the keys of `[evaluate]` that change predictions.

use crate::config::{Config, SplitBy, TargetKind};
use crate::evaluate::ThresholdGoal;
use crate::evaluate::UncertaintyMethod;
use crate::model::Family;
use crate::validate::Findings;

/// Methods and kinds of targets that do not go together.
pub(super) fn check(config: &Config, family: &Family, found: &mut Findings) {
    let Some(uncertainty) = &config.uncertainty else { return };
    let any = |kinds: &[TargetKind]| config.targets.iter().any(|target| kinds.contains(&target.kind));
    let windowed = config.inputs.iter().any(|input| input.window.is_some());
    found.add_if(
        any(&[TargetKind::Reconstruct, TargetKind::NextToken, TargetKind::Rank]),
        "/uncertainty",
        "reconstructions, rankings and language models have no intervals; remove `[uncertainty]`",
    );
    let numbers = config.targets.iter().all(|target| target.kind == TargetKind::Number);
    found.add_if(
        uncertainty.method == UncertaintyMethod::CvPlus && (windowed || !numbers),
        "/uncertainty/method",
        "`cv_plus` requires targets of kind `number` and inputs without windows; write `split`",
    );
    let is_cqr = uncertainty.method == UncertaintyMethod::Cqr;
    found.add_if(
        is_cqr && (!any(&[TargetKind::Number]) || any(&[TargetKind::Forecast])),
        "/uncertainty/method",
        "`cqr` predicts quantiles of a number, not of a class or a forecast; write `split`",
    );
    found.add_if(
        is_cqr && matches!(family, Family::RandomForest(_)),
        "/uncertainty/method",
        "a random forest does not predict quantiles; write `split`, or another family, such as `gbdt`",
    );
    found.add_if(
        matches!(uncertainty.method, UncertaintyMethod::Raps | UncertaintyMethod::Lac)
            && !any(&[TargetKind::Category]),
        "/uncertainty/method",
        "`raps` and `lac` require a category; write `split` for a number",
    );
    let share = uncertainty.calibration_share();
    let left = 1.0 - config.split.valid - config.split.test - share.unwrap_or_default();
    let fixed = matches!(config.split.by, SplitBy::Predefined | SplitBy::KFold);
    found.add_if(
        left < 0.05 && share.is_some() && !fixed,
        "/uncertainty/share",
        "`share` with `split.valid` and `split.test` leaves less than 5 % of the rows for training; lower one of them",
    );
    found.add_if(
        uncertainty.by.is_some() && windowed,
        "/uncertainty/by",
        "windows of several rows have no value of one column; remove `by`",
    );
    let target =
        uncertainty.by.as_ref().filter(|by| config.targets.iter().any(|own| own.column() == Some(by)));
    found.add_if(
        target.is_some(),
        "/uncertainty/by",
        "`by` must be a column that a request has, not a target; name another one, or remove it",
    );
}

/// Calibration and threshold without a category, or without rows that they are fitted on.
pub(super) fn check_decision(config: &Config, found: &mut Findings) {
    let evaluate = &config.evaluate;
    let categories = config.targets.iter().any(|target| target.kind == TargetKind::Category);
    for (key, used) in
        [("calibration", evaluate.calibration.is_some()), ("threshold", evaluate.threshold.is_some())]
    {
        found.add_if(
            used && !categories,
            format!("/evaluate/{key}"),
            format!("`{key}` requires a target of kind `category`; remove it"),
        );
        found.add_if(
            used && categories && config.split.valid <= 0.0 && config.split.by != SplitBy::Predefined,
            format!("/evaluate/{key}"),
            format!("`{key}` is fitted on the valid split, which has no rows; raise `split.valid`"),
        );
    }
    if let Some(ThresholdGoal::Bound(bound)) = &evaluate.threshold {
        found.add_if(
            !bound.is_one_goal(),
            "/evaluate/threshold",
            "write one of `f_beta`, `precision` and `recall`, or `false_positive` with `false_negative`",
        );
        found.add_if(
            bound.false_positive == Some(0.0) && bound.false_negative == Some(0.0),
            "/evaluate/threshold",
            "one of the costs must be above 0; raise it",
        );
    }
}
