//! Outcomes of training rows for target encoding, and their division into folds.

use std::collections::BTreeSet;

use cupola_spec::{Target, TargetKind};

use crate::error::Error;
use crate::frame::{Frame, finite};

/// Number of folds of the training rows.
pub(super) const FOLDS: usize = 5;
/// Seed of the hash that assigns a row to its fold.
const FOLD_SEED: u64 = 0x666f_6c64;

/// Target of one row as a number, and the fold of the row.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TargetOutcome {
    /// The value itself, or 1 for the second of two classes and 0 for the first.
    pub value: f64,
    /// Fold of the row.
    pub fold: usize,
}

/// Conversion of a target to outcomes.
#[derive(Debug)]
pub(crate) struct Outcomes {
    column: String,
    /// The second class; `None` for a number.
    class: Option<String>,
}

impl Outcomes {
    /// Creates the conversion for a target with the values of `sample`.
    ///
    /// # Errors
    /// [`Error::Target`] for a target that is neither a number nor two classes.
    pub fn new(target: &Target, sample: &Frame) -> Result<Self, Error> {
        let unsupported = || Error::Target {
            column: target.name.clone(),
            why: "`encode = \"target\"` requires a number or two classes; write `one_hot` or `frequency`"
                .to_owned(),
        };
        let column = target.column().unwrap_or_default().to_owned();
        let class = match target.kind {
            TargetKind::Number => None,
            TargetKind::Category => {
                let values = sample.require(&column, "check `[[targets]]`")?;
                let classes: BTreeSet<String> =
                    (0..sample.rows()).filter_map(|row| Some(values.text(row)?.into_owned())).collect();
                if classes.len() > 2 {
                    return Err(unsupported());
                }
                classes.last().cloned()
            }
            _ => return Err(unsupported()),
        };
        Ok(Self { column, class })
    }

    /// Outcome of each row.
    ///
    /// # Errors
    /// [`Error::Column`] or [`Error::Value`] for a target that is missing or not a finite number.
    pub fn of(&self, frame: &Frame) -> Result<Vec<TargetOutcome>, Error> {
        let values = frame.require(&self.column, "check `[[targets]]`")?;
        let value = |row: usize| match &self.class {
            Some(class) => Ok::<f64, Error>(f64::from(u8::from(values.text(row).as_deref() == Some(class)))),
            None => Ok(finite(&self.column, values, row)?.unwrap_or_default()),
        };
        let folds = folds(frame);
        (0..frame.rows()).map(|row| Ok(TargetOutcome { value: value(row)?, fold: folds[row] })).collect()
    }
}

/// Fold of each row, by a hash of its content.
pub(crate) fn folds(frame: &Frame) -> Vec<usize> {
    let fold = |key: u64| usize::try_from(key % FOLDS as u64).unwrap_or_default();
    frame.row_keys(FOLD_SEED).into_iter().map(fold).collect()
}
