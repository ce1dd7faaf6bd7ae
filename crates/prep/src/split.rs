//! Which rows are for training, which for choosing and which for the final word.
//!
//! A row's part follows from a seeded hash of its content, so it does not depend on where the row
//! stands, and equal rows of a random split fall into one part.

use std::collections::BTreeMap;

use cupola_spec::{Run, SplitBy, TargetKind};

use crate::draw::unit;
use crate::error::Error;
use crate::frame::Frame;

/// A part of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// Fitted on.
    Train,
    /// Chosen by.
    Valid,
    /// Reported on.
    Test,
}

/// Row indices of train, valid and test; `valid` is empty when its share is 0.
///
/// # Errors
/// [`Error::EmptySplit`] when a part with a share gets no row.
pub fn assign(run: &Run, frame: &Frame) -> Result<[Vec<usize>; 3], Error> {
    divide(run, frame, run.split.test)
}

/// The same where the test rows come from files of their own: train and valid only.
///
/// # Errors
/// As [`assign`].
pub fn assign_beside_test(run: &Run, frame: &Frame) -> Result<[Vec<usize>; 2], Error> {
    let [train, valid, _] = divide(run, frame, 0.0)?;
    Ok([train, valid])
}

fn divide(run: &Run, frame: &Frame, test: f64) -> Result<[Vec<usize>; 3], Error> {
    let valid = run.split.valid;
    if run.by_time() {
        return in_order(frame.rows(), run.split.valid, test);
    }
    let keys: Vec<u64> = (0..frame.rows()).map(|row| frame.row_key(row, run.seed)).collect();
    let stratified = run.split.by == SplitBy::Stratified && run.target.kind == TargetKind::Category;
    let mut parts: [Vec<usize>; 3] = Default::default();
    if stratified {
        let target = frame.require(run.target.column().unwrap_or_default(), "check `[[targets]]`")?;
        let mut classes: BTreeMap<Option<String>, Vec<usize>> = BTreeMap::new();
        for row in 0..frame.rows() {
            classes.entry(target.text(row)).or_default().push(row);
        }
        for mut rows in classes.into_values() {
            rows.sort_by_key(|&row| (keys[row], row));
            let (t, v) = (share(test, rows.len()), share(valid, rows.len()));
            for (rank, row) in rows.into_iter().enumerate() {
                let part = if rank < t { 2 } else { usize::from(rank < t + v) };
                parts[part].push(row);
            }
        }
    } else {
        for (row, &key) in keys.iter().enumerate() {
            let u = unit(key);
            let part = if u < test { 2 } else { usize::from(u < test + valid) };
            parts[part].push(row);
        }
    }
    for (part, (name, share)) in parts.iter_mut().zip([("train", 1.0), ("valid", valid), ("test", test)]) {
        // By content: what a run sees does not depend on the order of the file either.
        part.sort_by_key(|&row| (keys[row], row));
        if part.is_empty() && share > 0.0 {
            return Err(Error::EmptySplit { rows: frame.rows(), part: name });
        }
    }
    Ok(parts)
}

/// The first rows for train, the last ones for test.
fn in_order(rows: usize, valid: f64, test: f64) -> Result<[Vec<usize>; 3], Error> {
    let last = rows - share(test, rows);
    let first = last.saturating_sub(share(valid, rows));
    let parts = [0..first, first..last, last..rows];
    for (part, (name, share)) in parts.iter().zip([("train", 1.0), ("valid", valid), ("test", test)]) {
        if part.is_empty() && share > 0.0 {
            return Err(Error::EmptySplit { rows, part: name });
        }
    }
    Ok(parts.map(Iterator::collect))
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn share(share: f64, rows: usize) -> usize {
    (share * rows as f64).round() as usize
}
