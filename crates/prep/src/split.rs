//! Which rows are for training, which for choosing and which for the final word.
//!
//! A row's part follows from a seeded hash of its content, or of its group's name, so it does not depend
//! on where the row stands or on what is added later, and equal rows fall into one part. Only a stratified
//! split counts: a few rows at the edge of a share may change their part when rows are added.

use std::collections::BTreeMap;

use cupola_spec::{Run, SplitBy, TargetKind};

use crate::draw::{draw, unit};
use crate::error::Error;
use crate::frame::{Column, Frame};

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
    let keys = frame.row_keys(run.seed);
    let stratified = run.split.by == SplitBy::Stratified && run.targets.first().kind == TargetKind::Category;
    let mut parts: [Vec<usize>; 3] = Default::default();
    if stratified {
        let target =
            frame.require(run.targets.first().column().unwrap_or_default(), "check `[[targets]]`")?;
        let mut classes: BTreeMap<Option<String>, Vec<usize>> = BTreeMap::new();
        for row in 0..frame.rows() {
            let class = target.text(row);
            match classes.get_mut(&class.as_deref().map(str::to_owned)) {
                Some(rows) => rows.push(row),
                None => {
                    classes.insert(class.map(std::borrow::Cow::into_owned), vec![row]);
                }
            }
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
        let divider = Divider::new(run, test);
        for (row, &key) in keys.iter().enumerate() {
            parts[divider.part(frame, row, key)? as usize].push(row);
        }
    }
    for (part, name) in parts.iter_mut().zip(["train", "valid", "test"]) {
        // By content: what a run sees does not depend on the order of the file either.
        let mut keyed: Vec<(u64, usize)> = part.iter().map(|&row| (keys[row], row)).collect();
        keyed.sort_unstable();
        *part = keyed.into_iter().map(|(_, row)| row).collect();
        if part.is_empty() && wanted(run, test, name) {
            return Err(Error::EmptySplit { rows: frame.rows(), part: name });
        }
    }
    Ok(parts)
}

/// Whether a part has to have rows.
pub(crate) fn wanted(run: &Run, test: f64, part: &str) -> bool {
    match part {
        "train" => true,
        // The column says; a validation split may be missing.
        "valid" => run.split.by != SplitBy::Predefined && run.split.valid > 0.0,
        _ => test > 0.0,
    }
}

/// What tells a row's part by the row alone.
pub(crate) struct Divider<'a> {
    run: &'a Run,
    test: f64,
}

impl<'a> Divider<'a> {
    /// `test` is the share of the test split: 0 where it comes from files of its own.
    pub fn new(run: &'a Run, test: f64) -> Self {
        Self { run, test }
    }

    /// The part of a row whose content has this key.
    pub fn part(&self, frame: &Frame, row: usize, key: u64) -> Result<Part, Error> {
        let split = &self.run.split;
        let by_shares = |u: f64| match u {
            u if u < self.test => Part::Test,
            u if u < self.test + split.valid => Part::Valid,
            _ => Part::Train,
        };
        match split.by {
            SplitBy::Group => {
                let values = self.column(frame)?;
                let group = values.text(row).unwrap_or_default();
                Ok(by_shares(unit(draw(self.run.seed, &group, 0, 0))))
            }
            SplitBy::Predefined => self.told(frame, row),
            SplitBy::KFold => {
                let folds = split.folds.unwrap_or(2);
                let place = unit(key) * folds as f64;
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let fold = (place as usize).min(folds - 1);
                if fold == split.fold.unwrap_or(0) {
                    return Ok(Part::Test);
                }
                // Within a fold the rest of the place is as good as drawn.
                Ok(if place.fract() < split.valid { Part::Valid } else { Part::Train })
            }
            _ => Ok(by_shares(unit(key))),
        }
    }

    fn column<'f>(&self, frame: &'f Frame) -> Result<&'f Column, Error> {
        frame.require(self.run.split.column.as_deref().unwrap_or_default(), "check `split.column`")
    }

    fn told(&self, frame: &Frame, row: usize) -> Result<Part, Error> {
        let text = self.column(frame)?.text(row);
        match text.as_deref() {
            Some("train") => Ok(Part::Train),
            Some("valid" | "validation" | "val") => Ok(Part::Valid),
            Some("test") => Ok(Part::Test),
            other => Err(Error::Value {
                row: row + 1,
                column: self.run.split.column.clone().unwrap_or_default(),
                expected: "train, valid or test".to_owned(),
                found: other.map_or("nothing".to_owned(), |text| format!("`{text}`")),
                remedy: "mend it, or make such a column with `data.query`".to_owned(),
            }),
        }
    }
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

#[cfg(test)]
mod tests;
