//! Rules of `[split]`, and of splits and inputs of a stream.

use crate::config::{Config, Gap, Split, SplitBy, Target, TargetKind};
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
        by_column && split.column.is_none(),
        "/split/column",
        "`column` and `by = \"group\"` or `by = \"predefined\"` require each other; write both, or neither",
    );
    found.add_if(
        split.column.is_some() && !by_column && split.by != SplitBy::Time,
        "/split/column",
        "`column` requires `by`: `time` for a column of times, `group` for one that keeps rows together, `predefined` for names of splits",
    );
    check_time(config, found);
    check_folds(config, found);
}

/// Folds of a cross-validation.
fn check_folds(config: &Config, found: &mut Findings) {
    let split = &config.split;
    found.add_if(
        split.fold_count().is_none() && split.fold.is_some(),
        "/split/folds",
        "`fold` requires `folds`, the number of parts; add it, or remove `fold`",
    );
    found.add_if(
        split.folds.is_some() && matches!(split.by, SplitBy::Random | SplitBy::Predefined),
        "/split/folds",
        "`folds` require `by`: `k_fold`, `stratified`, `group` or `time`; write one of them, or remove `folds`",
    );
    found.add_if(
        split.fold_count().zip(split.fold).is_some_and(|(folds, fold)| fold >= folds),
        "/split/fold",
        "`fold` must be less than `folds`; folds are counted from 0",
    );
    found.add_if(
        split.folds.is_some() && config.data.test_source.is_some(),
        "/split/folds",
        "the test split is a fold; remove `data.test_source`",
    );
    found.add_if(
        split.folds.is_some() && split.by == SplitBy::Group && config.data.stream,
        "/split/folds",
        "folds of groups need all rows in memory; remove `data.stream`",
    );
    let windowed = config.inputs.iter().any(|input| input.window.is_some());
    found.add_if(
        split.sliding && (split.folds.is_none() || split.by != SplitBy::Time && !windowed),
        "/split/sliding",
        "`sliding` requires `folds` and `by = \"time\"`; write both, or remove it",
    );
}

/// Times, gaps and series.
fn check_time(config: &Config, found: &mut Findings) {
    let (split, series) = (&config.split, &config.series);
    let windowed = config.inputs.iter().any(|input| input.window.is_some());
    let by_time = split.by == SplitBy::Time;
    found.add_if(
        split.format.is_some() && (!by_time || split.column.is_none()),
        "/split/format",
        "`format` requires `by = \"time\"` and a `column` of times; write both, or remove it",
    );
    found.add_if(
        split.gap.is_some() && !by_time && !windowed,
        "/split/gap",
        "`gap` requires `by = \"time\"`; write that, or remove it",
    );
    if let Some(gap @ Gap::Span(text)) = &split.gap {
        found.add_if(
            gap.seconds().is_none(),
            "/split/gap",
            format!("invalid time span `{text}`; write one such as `7 days` or `12h`, or a number of rows"),
        );
        found.add_if(
            series.time.is_none() && split.column.is_none(),
            "/split/gap",
            "a time span requires a column of times; name it in `split.column`, or write a number of rows",
        );
    }
    found.add_if(
        !series.is_empty() && !windowed,
        "/series",
        "`[series]` requires an input of kind `series` with a `window`; add one, or name the time in `split.column`",
    );
    found.add_if(
        by_time && series.time.is_some() && split.column.is_some() && series.time != split.column,
        "/split/column",
        "`split.column` and `series.time` name different columns; write one of them",
    );
    found.add_if(
        series.format.is_some() && series.time.is_none(),
        "/series/format",
        "`format` requires `time`; name the column of times",
    );
    found.add_if(
        series.keys().iter().any(|key| Some(key) == series.time.as_ref()),
        "/series/key",
        "a column is either the time or the key; name two columns",
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
    found.add_if(
        config.clean.missing_targets,
        "/clean/missing_targets",
        "a stream keeps every row; use `data.query` instead",
    );
    let by_row = |target: &Target| matches!(target.kind, TargetKind::Category | TargetKind::Number);
    let windowed = config.inputs.iter().any(|input| input.window.is_some());
    found.add_if(
        windowed || !config.targets.iter().all(by_row),
        "/data/stream",
        "windows, forecasts, rankings, language models and reconstructions need all rows in memory; remove `stream`",
    );
    found.add_if(
        family.trees().is_some(),
        "/data/stream",
        "trees need all rows in memory; remove `stream`, or choose a network",
    );
}
