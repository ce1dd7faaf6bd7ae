//! Rules of `[split]`, and of splits and inputs of a stream.

use crate::config::{Config, Split, SplitBy, Target, TargetKind};
use crate::model::Family;
use crate::validate::Findings;

pub(super) fn check_shares(split: &Split, found: &mut Findings) {
    found.add_if(
        split.valid + split.test > 0.95,
        "/split",
        "`valid` and `test` leave less than 5 % of the rows for training; lower one of them",
    );
}

pub(super) fn check(config: &Config, found: &mut Findings) {
    let split = &config.split;
    let by_column = matches!(split.by, SplitBy::Group | SplitBy::Predefined);
    found.add_if(
        by_column != split.column.is_some(),
        "/split/column",
        "`column` and `by = \"group\"` or `by = \"predefined\"` require each other; write both, or neither",
    );
    let folded = split.by == SplitBy::KFold;
    found.add_if(
        folded != split.folds.is_some() || !folded && split.fold.is_some(),
        "/split/folds",
        "`folds` and `by = \"k_fold\"` require each other, and `fold` requires both; add what is missing",
    );
    found.add_if(
        split.folds.zip(split.fold).is_some_and(|(folds, fold)| fold >= folds),
        "/split/fold",
        "`fold` must be less than `folds`; folds are counted from 0",
    );
    found.add_if(
        folded && config.data.test_source.is_some(),
        "/split/by",
        "the test split of `k_fold` is a fold; remove `data.test_source`",
    );
}

/// Settings that need all rows in memory.
pub(super) fn check_stream(config: &Config, family: &Family, found: &mut Findings) {
    if !config.data.stream {
        return;
    }
    found.add_if(
        matches!(config.split.by, SplitBy::Stratified | SplitBy::Time),
        "/split/by",
        "a stream is divided row by row; write `random`, `group`, `predefined` or `k_fold`",
    );
    found.add_if(
        config.clean.duplicates,
        "/clean/duplicates",
        "a stream cannot be searched for equal rows; use `data.query` instead",
    );
    let by_row = |target: &Target| matches!(target.kind, TargetKind::Category | TargetKind::Number);
    let windowed = config.inputs.iter().any(|input| input.window.is_some());
    found.add_if(
        windowed || !config.targets.iter().all(by_row),
        "/data/stream",
        "windows, forecasts, language models and reconstructions need all rows in memory; remove `stream`",
    );
    found.add_if(
        family.trees().is_some(),
        "/data/stream",
        "trees need all rows in memory; remove `stream`, or choose a network",
    );
}
