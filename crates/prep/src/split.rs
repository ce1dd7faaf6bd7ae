//! Division of rows into train, valid and test, and into rows that calibrate intervals if a run has any.
//!
//! The split of a row follows from a seeded hash of its content, or of the name of its group: it depends neither
//! on the position of the row nor on rows that are added later, and equal rows share a split. Only a stratified
//! split and one by time count rows: a few at the edge of a share may move when rows are added. A split by time
//! (`chronological`) depends on the order of the rows only where no column of times is named.

mod chronological;
mod folds;
mod frequency;
mod order;
mod series_order;
mod splitter;
mod steps;
mod times;
mod whole_groups;

use std::borrow::Cow;
use std::collections::BTreeMap;

use cupola_spec::{Run, SplitBy, TargetKind};

use crate::error::Error;
use crate::frame::Frame;
use crate::frame::meaning::ValueRules;

pub use self::frequency::Frequency;
pub use self::order::{TimeGrid, time_grid, time_order};
pub use self::series_order::SeriesOrder;
pub(crate) use self::series_order::{OneSeries, SeriesRows, series_keys};
pub(crate) use self::splitter::RowSplitter;
pub(crate) use self::times::{ORDER_COLUMNS, Times};
pub(crate) use self::whole_groups::check_whole_groups;

/// Split that a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SplitPart {
    /// Rows that the plan and the network are fitted on.
    Train,
    /// Rows that early stopping and tuning are decided on.
    Valid,
    /// Rows that the final metrics are computed on.
    Test,
    /// Rows that intervals and sets are calibrated on; none without `[uncertainty]`.
    Calibrate,
}

/// Names of the splits, in the order of [`SplitPart`].
pub(crate) const SPLIT_NAMES: [&str; 4] = ["train", "valid", "test", "calibrate"];

/// Rows of the splits, and what was noticed about them.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Division {
    /// Row indices of the splits, in the order of [`SplitPart`].
    pub parts: [Vec<usize>; 4],
    /// Warnings, one line each.
    pub notes: Vec<String>,
}

/// Row indices of train, valid and test. `valid` is empty if its share is 0.
///
/// # Errors
/// [`Error::EmptySplit`] if a split with a share gets no row, [`Error::Value`] for an unknown name in a split column.
pub fn split_rows(run: &Run, frame: &Frame) -> Result<[Vec<usize>; 3], Error> {
    let [train, valid, test, _] = divide(run, frame, &ValueRules::default(), run.split.test, None)?.parts;
    Ok([train, valid, test])
}

/// Row indices of train and valid, for runs whose test rows come from other files.
///
/// # Errors
/// The errors of [`split_rows`].
pub fn split_rows_without_test(run: &Run, frame: &Frame) -> Result<[Vec<usize>; 2], Error> {
    let [train, valid, ..] = divide(run, frame, &ValueRules::default(), 0.0, None)?.parts;
    Ok([train, valid])
}

/// Divides the rows of a run, whose dates `values` describes; `test_share` is 0 if the test rows come from other files.
/// `kept` are the indices of the rows in their source, if some were left out.
///
/// # Errors
/// The errors of [`split_rows`].
pub(crate) fn divide(
    run: &Run,
    frame: &Frame,
    values: &ValueRules,
    test_share: f64,
    kept: Option<&[usize]>,
) -> Result<Division, Error> {
    if run.by_time() {
        return chronological::split(run, frame, values, test_share, kept);
    }
    let keys = frame.row_keys(run.seed);
    let stratified = run.split.by == SplitBy::Stratified && run.targets.first().kind == TargetKind::Category;
    let splitter = RowSplitter::new(run, test_share);
    let in_folds = run.split.folds.is_some() && run.split.by != SplitBy::KFold;
    let mut parts = if stratified || in_folds {
        let [all, valid, test] = if in_folds {
            folds::split(run, frame, &keys)?
        } else {
            split_classes(run, frame, &keys, test_share)?
        };
        let mut parts = [Vec::new(), valid, test, Vec::new()];
        for row in all {
            parts[splitter.of_train(frame, row, keys[row])? as usize].push(row);
        }
        parts
    } else {
        let mut parts: [Vec<usize>; 4] = Default::default();
        for (row, &key) in keys.iter().enumerate() {
            parts[splitter.part(frame, row, key)? as usize].push(row);
        }
        parts
    };
    for (part, name) in parts.iter_mut().zip(SPLIT_NAMES) {
        // In the order of the keys, so that training does not depend on the order of the file either.
        let mut sorted: Vec<(u64, usize)> = part.iter().map(|&row| (keys[row], row)).collect();
        sorted.sort_unstable();
        *part = sorted.into_iter().map(|(_, row)| row).collect();
        if part.is_empty() && must_have_rows(run, test_share, name) {
            return Err(Error::EmptySplit { rows: frame.rows(), part: name });
        }
    }
    // A group or a predefined split is a decision about the order too.
    let by_chance = matches!(run.split.by, SplitBy::Random | SplitBy::Stratified | SplitBy::KFold);
    let notes = if by_chance { order::shuffled(frame).into_iter().collect() } else { Vec::new() };
    Ok(Division { parts, notes })
}

/// Number of a row in its source, from 1.
fn row_number(row: usize, kept: Option<&[usize]>) -> usize {
    kept.and_then(|kept| kept.get(row)).copied().unwrap_or(row) + 1
}

/// Takes the shares of test and valid from each class.
fn split_classes(run: &Run, frame: &Frame, keys: &[u64], test_share: f64) -> Result<[Vec<usize>; 3], Error> {
    let classes = rows_of_classes(run, frame)?;
    let mut parts: [Vec<usize>; 3] = Default::default();
    for mut rows in classes {
        rows.sort_by_key(|&row| (keys[row], row));
        let (test, valid) = (share_of(test_share, rows.len()), share_of(run.split.valid, rows.len()));
        for (rank, row) in rows.into_iter().enumerate() {
            let part = if rank < test { 2 } else { usize::from(rank < test + valid) };
            parts[part].push(row);
        }
    }
    Ok(parts)
}

/// Rows of each class of the first target, in the order of the classes' texts.
fn rows_of_classes(run: &Run, frame: &Frame) -> Result<Vec<Vec<usize>>, Error> {
    let target = frame.require(run.targets.first().column().unwrap_or_default(), "check `[[targets]]`")?;
    let mut classes: BTreeMap<Option<String>, Vec<usize>> = BTreeMap::new();
    for row in 0..frame.rows() {
        classes.entry(target.text(row).map(Cow::into_owned)).or_default().push(row);
    }
    Ok(classes.into_values().collect())
}

/// `true` if the split with this name is an error when it is empty.
pub(crate) fn must_have_rows(run: &Run, test_share: f64, name: &str) -> bool {
    match name {
        "train" => true,
        // A predefined split may have no validation rows.
        "valid" => run.split.by != SplitBy::Predefined && run.split.valid > 0.0,
        "calibrate" => run.uncertainty.as_ref().is_some_and(|own| own.calibration_share().is_some()),
        _ => test_share > 0.0 || run.split.fold_count().is_some(),
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn share_of(share: f64, rows: usize) -> usize {
    (share * rows as f64).round() as usize
}

#[cfg(test)]
mod tests;
