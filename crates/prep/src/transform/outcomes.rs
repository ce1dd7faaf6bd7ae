//! The target as a number and the folds of rows, for encodings that are made of the target.

use cupola_spec::{Target, TargetKind};

use crate::error::Error;
use crate::frame::{Frame, finite};

/// Parts of the training rows for target encoding.
pub(crate) const FOLDS: usize = 5;
/// Seed of the hash that tells a training row's fold.
const FOLD_SEED: u64 = 0x666f_6c64;

/// The target as a number, for encodings that are made of it: the value itself, or whether it is the second
/// of two classes.
#[derive(Debug)]
pub(crate) struct Outcomes {
    column: String,
    class: Option<String>,
}

impl Outcomes {
    /// Of a target whose values are those of `sample`.
    pub fn of(target: &Target, sample: &Frame) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Target { column: target.name.clone(), why: why.to_owned() };
        let only = "`encode = \"target\"` is for a number or two classes; write `one_hot` or `frequency`";
        let column = target.column().unwrap_or_default().to_owned();
        let class = match target.kind {
            TargetKind::Number => None,
            TargetKind::Category => {
                let values = sample.require(&column, "check `[[targets]]`")?;
                let classes: std::collections::BTreeSet<String> =
                    (0..sample.rows()).filter_map(|row| Some(values.text(row)?.into_owned())).collect();
                if classes.len() > 2 {
                    return Err(wrong(only));
                }
                classes.last().cloned()
            }
            _ => return Err(wrong(only)),
        };
        Ok(Self { column, class })
    }

    /// Outcome and fold of each row.
    pub fn each(&self, frame: &Frame) -> Result<Vec<(f64, usize)>, Error> {
        let values = frame.require(&self.column, "check `[[targets]]`")?;
        let outcome = |row: usize| match &self.class {
            Some(class) => Ok(f64::from(u8::from(values.text(row).as_deref() == Some(class)))),
            None => Ok(finite(&self.column, values, row)?.unwrap_or_default()),
        };
        let folds = folds(frame);
        (0..frame.rows()).map(|row| Ok((outcome(row)?, folds[row]))).collect()
    }
}

/// The fold of each row, by its content.
pub(crate) fn folds(frame: &Frame) -> Vec<usize> {
    let fold = |key: u64| usize::try_from(key % FOLDS as u64).unwrap_or_default();
    frame.row_keys(FOLD_SEED).into_iter().map(fold).collect()
}
