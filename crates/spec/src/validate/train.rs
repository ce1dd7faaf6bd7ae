//! Rules of `[train]`.

use crate::config::{Config, TargetKind};
use crate::inputs::{Encoding, Input, Kind};
use crate::train::{ClassWeights, Goal, LossKind};
use crate::validate::Findings;

/// Settings of the loss that do not fit the targets.
pub(super) fn check(config: &Config, found: &mut Findings) {
    let (train, loss) = (&config.train, &config.train.loss);
    let any = |kinds: &[TargetKind]| config.targets.iter().any(|target| kinds.contains(&target.kind));
    let classes = any(&[TargetKind::Category, TargetKind::NextToken]);
    let numbers = any(&[TargetKind::Number, TargetKind::Forecast, TargetKind::Reconstruct]);
    let tokens = any(&[TargetKind::NextToken]);
    let weighted = loss.class_weights != ClassWeights::None;
    let of_numbers = matches!(loss.kind, LossKind::Huber | LossKind::Quantile);
    found.add_if(
        loss.kind == LossKind::Focal && !classes,
        "/train/loss/kind",
        "`focal` requires a category; write `auto`, `huber` or `quantile`",
    );
    found.add_if(
        of_numbers && !numbers,
        "/train/loss/kind",
        "`huber` and `quantile` require a number; write `auto` or `focal`",
    );
    found.add_if(
        tokens && weighted,
        "/train/loss/class_weights",
        "`class_weights` is not supported for tokens; remove it",
    );
    found.add_if(
        !classes && (loss.label_smoothing > 0.0 || weighted),
        "/train/loss",
        "`label_smoothing` and `class_weights` require a category; remove them",
    );
    found.add_if(
        loss.kind == LossKind::Focal && loss.label_smoothing > 0.0,
        "/train/loss/label_smoothing",
        "`focal` does not support `label_smoothing`; remove one of them",
    );
    found.add_if(
        !(loss.quantile > 0.0 && loss.quantile < 1.0),
        "/train/loss/quantile",
        "`quantile` must be between 0 and 1; write 0.5 for the median",
    );
    found.add_if(
        train.mixup > 0.0 && (weighted || tokens),
        "/train/mixup",
        "`mixup` supports neither tokens nor class weights; remove one of them",
    );
    found.add_if(
        train.limit_train <= 0.0 || train.limit_valid <= 0.0,
        "/train/limit_train",
        "`limit_train` and `limit_valid` must be above 0; write a share up to 1",
    );
}

/// A metric that the kind of the only target does not have.
pub(super) fn check_metric(config: &Config, found: &mut Findings) {
    let (Some(metric), [target]) = (config.train.metric, config.targets.as_slice()) else { return };
    let of_number = matches!(metric, Goal::Rmse | Goal::Mae | Goal::R2);
    let of_class = matches!(metric, Goal::Accuracy | Goal::MacroF1 | Goal::RocAuc);
    let of_rank = metric == Goal::NdcgAt10;
    let name = metric.name();
    found.add_if(
        of_rank && target.kind != TargetKind::Rank,
        "/train/metric",
        format!("`{name}` requires a ranking; remove `metric`"),
    );
    found.add_if(
        target.kind == TargetKind::Rank && (of_number || of_class),
        "/train/metric",
        format!("`{name}` is not a metric of a ranking; write `ndcg_at_10`, or remove `metric`"),
    );
    found.add_if(
        target.kind == TargetKind::Category && of_number,
        "/train/metric",
        format!("`{name}` requires a number; write `accuracy`, `macro_f1`, `roc_auc` or `loss`"),
    );
    found.add_if(
        matches!(target.kind, TargetKind::Number | TargetKind::Forecast) && of_class,
        "/train/metric",
        format!("`{name}` requires a category; write `rmse`, `mae`, `r2` or `loss`"),
    );
}

/// Inputs that cannot be blended.
pub(super) fn check_mixup(config: &Config, found: &mut Findings) {
    let blends = |input: &Input| input.kind != Kind::Text && input.encode != Some(Encoding::Index);
    found.add_if(
        config.train.mixup > 0.0 && !config.inputs.iter().all(blends),
        "/train/mixup",
        "`mixup` cannot blend texts and `index` categories; remove it",
    );
}
