//! Rules of `[[targets]]`, alone and with the inputs and the family.

use crate::config::{Config, SplitBy, Target, TargetKind};
use crate::inputs::{Encoding, Input, Kind};
use crate::model::{Family, Head};
use crate::train::Goal;
use crate::validate::Findings;

/// Targets that do not fit each other.
pub(super) fn check(config: &Config, found: &mut Findings) {
    let several = config.targets.len() > 1;
    for (index, target) in config.targets.iter().enumerate() {
        let at = |key: &str| format!("/targets/{index}/{key}");
        found.add_if(
            several && !matches!(target.kind, TargetKind::Category | TargetKind::Number),
            at("kind"),
            "several targets must all be of kind `category` or `number`; use this one alone",
        );
        found.add_if(
            config.targets[..index].iter().any(|other| other.name == target.name),
            at("name"),
            format!("duplicate target `{}`; rename one and set its `column`", target.name),
        );
        found.add_if(
            target.weight.is_some_and(|weight| weight.is_nan() || weight <= 0.0),
            at("weight"),
            "`weight` must be above 0",
        );
        found.add_if(
            target.group.is_some() && target.kind != TargetKind::Rank,
            at("group"),
            "only a target of kind `rank` has groups; write `kind = \"rank\"`, or remove `group`",
        );
        found.add_if(
            target.positive.is_some() && target.kind != TargetKind::Category,
            at("positive"),
            "only a target of kind `category` has a positive class; remove `positive`",
        );
    }
    found.add_if(
        several && sets_other_metric_than_loss(config),
        "/train/metric",
        "with several targets the best epoch is the one of the lowest weighted loss; remove `metric`",
    );
}

fn sets_other_metric_than_loss(config: &Config) -> bool {
    config.train.metric.is_some_and(|goal| goal != Goal::Loss)
}

/// Inputs, family and metric of a language model.
pub(super) fn check_next_token(config: &Config, target: &Target, head: Head, found: &mut Findings) {
    let next = target.kind == TargetKind::NextToken;
    if next != (head == Head::Steps) {
        let message = if next {
            "`next_token` requires a family that predicts at each step; choose `gpt` or `llama`"
        } else {
            "this family predicts the next token; write `kind = \"next_token\"` for the target"
        };
        found.add("/model", message);
    }
    let text = |input: &Input| input.kind == Kind::Text && input.name == target.name;
    found.add_if(
        next && !matches!(config.inputs.as_slice(), [only] if text(only)),
        "/targets/0/kind",
        "`next_token` requires exactly one input, a text of the target's name",
    );
    found.add_if(
        next && sets_other_metric_than_loss(config),
        "/train/metric",
        "the best epoch of a language model is the one of the lowest loss; remove `metric`",
    );
}

/// Groups, inputs and family of a ranking.
pub(super) fn check_ranking(config: &Config, target: &Target, family: &Family, found: &mut Findings) {
    if target.kind != TargetKind::Rank {
        return;
    }
    found.add_if(
        target.group.is_none(),
        "/targets/0/group",
        "a ranking requires `group`, the column that names the group of each row, such as the query",
    );
    found.add_if(
        target.group.is_some() && target.group.as_deref() == target.column(),
        "/targets/0/group",
        "the group and the relevance are one column; name two columns",
    );
    found.add_if(
        !matches!(family, Family::Gbdt(_)),
        "/model/family",
        "only `gbdt` learns a ranking; write `family = \"gbdt\"`, or `kind = \"number\"` to predict the relevance itself",
    );
    found.add_if(
        config.inputs.iter().any(|input| input.window.is_some()),
        "/inputs",
        "a ranking orders single rows; remove `window`",
    );
    for (index, input) in config.inputs.iter().enumerate() {
        let group = target.group.as_ref().filter(|group| input.column_patterns().contains(group));
        if let Some(group) = group {
            let message =
                format!("`{group}` is the group of the ranking, which new groups do not share; remove it");
            found.add(format!("/inputs/{index}"), message);
        }
    }
}

/// Windows and forecasts.
pub(super) fn check_windows(config: &Config, target: &Target, family: &Family, found: &mut Findings) {
    let forecast = target.kind == TargetKind::Forecast;
    let windows: Vec<usize> = config.inputs.iter().filter_map(|input| input.window).collect();
    found.add_if(
        windows.iter().any(|window| *window != windows[0]),
        "/inputs",
        "all windows must have the same length; write one `window` for all inputs",
    );
    found.add_if(
        forecast && windows.is_empty(),
        "/inputs",
        "a forecast requires an input of kind `series` with a `window`, such as `window = 48`",
    );
    let ordered = matches!(config.split.by, SplitBy::Time | SplitBy::Stratified);
    found.add_if(
        (forecast || !windows.is_empty()) && !ordered,
        "/split/by",
        "windows overlap, so they are split in the order of the rows; write `time`",
    );
    found.add_if(
        forecast && target.horizon.is_none(),
        "/targets/0/kind",
        "a forecast requires `horizon`, the number of rows ahead",
    );
    found.add_if(
        !forecast && (target.horizon.is_some() || target.season.is_some()),
        "/targets/0",
        "`horizon` and `season` are only for a forecast; remove them",
    );
    found.add_if(
        matches!(family, Family::Patchtst(_)) && !forecast,
        "/model/family",
        "`patchtst` requires a forecast; write `kind = \"forecast\"` for the target",
    );
}

/// Autoencoders and their inputs.
pub(super) fn check_reconstruction(config: &Config, target: &Target, family: &Family, found: &mut Findings) {
    if target.kind != TargetKind::Reconstruct {
        found.add_if(
            matches!(family, Family::Autoencoder(_)),
            "/model/family",
            "an autoencoder predicts its inputs; write `kind = \"reconstruct\"` for the target",
        );
        return;
    }
    found.add_if(
        family.trees().is_some() || matches!(family, Family::Tabm(_)),
        "/model/family",
        "this family cannot reconstruct its inputs; choose `autoencoder`",
    );
    let indexed = |input: &Input| input.kind == Kind::Text || input.encode == Some(Encoding::Index);
    found.add_if(
        config.inputs.iter().any(indexed),
        "/inputs",
        "a text or an `index` category cannot be reconstructed; remove it, or write `one_hot`",
    );
    let ranks = config.train.metric == Some(Goal::RocAuc) && target.column.is_some();
    found.add_if(
        sets_other_metric_than_loss(config) && !ranks,
        "/train/metric",
        "a reconstruction is evaluated by `loss`, or with labels in `column` by `roc_auc`; write one of them",
    );
}
