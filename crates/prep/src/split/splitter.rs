//! Assignment of single rows to splits.

use cupola_spec::{Run, Split, SplitBy, Uncertainty};

use super::SplitPart;
use crate::error::Error;
use crate::frame::{Column, Frame};
use crate::stats::{draw, unit};

/// Largest share of the training rows that calibrates.
const MOST_OF_TRAIN: f64 = 0.5;

/// Assigns each row to a split by its own content, without knowledge of other rows.
pub(crate) struct RowSplitter<'a> {
    run: &'a Run,
    test_share: f64,
    /// Share of the training rows that calibrates.
    calibrate: f64,
}

impl<'a> RowSplitter<'a> {
    /// Creates a splitter. `test_share` is 0 if the test rows come from other files.
    pub fn new(run: &'a Run, test_share: f64) -> Self {
        Self { run, test_share, calibrate: calibration_share(run, test_share) }
    }

    /// Run whose rows are split.
    pub fn run(&self) -> &Run {
        self.run
    }

    /// Split of a row whose content has this key.
    ///
    /// # Errors
    /// [`Error::Column`] for a missing split column, [`Error::Value`] for an unknown name in it.
    pub fn part(&self, frame: &Frame, row: usize, key: u64) -> Result<SplitPart, Error> {
        match self.without_calibration(frame, row, key)? {
            SplitPart::Train => self.of_train(frame, row, key),
            part => Ok(part),
        }
    }

    /// Split of a row that is not of the valid or test split: [`SplitPart::Train`], or [`SplitPart::Calibrate`] by a hash
    /// that is independent of the one of the splits. Rows of a group stay together.
    ///
    /// # Errors
    /// [`Error::Column`] for a missing split column.
    pub fn of_train(&self, frame: &Frame, row: usize, key: u64) -> Result<SplitPart, Error> {
        if self.calibrate <= 0.0 {
            return Ok(SplitPart::Train);
        }
        let bits = if self.run.split.by == SplitBy::Group {
            let group = self.column(frame)?.text(row).unwrap_or_default();
            draw(self.run.seed, &format!("calibrate {group}"), 0, 0)
        } else {
            draw(self.run.seed, "calibrate", 0, key)
        };
        Ok(if unit(bits) < self.calibrate { SplitPart::Calibrate } else { SplitPart::Train })
    }

    fn without_calibration(&self, frame: &Frame, row: usize, key: u64) -> Result<SplitPart, Error> {
        let split = &self.run.split;
        match split.by {
            SplitBy::Group => {
                let values = self.column(frame)?;
                let group = values.text(row).unwrap_or_default();
                Ok(self.by_shares(unit(draw(self.run.seed, &group, 0, 0))))
            }
            SplitBy::Predefined => self.predefined(frame, row),
            SplitBy::KFold => {
                let folds = split.fold_count().unwrap_or(Split::FOLDS);
                let position = unit(key) * folds as f64;
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let fold = (position as usize).min(folds - 1);
                if fold == split.fold.unwrap_or(0) {
                    return Ok(SplitPart::Test);
                }
                // Within a fold the fraction is uniform and independent of the fold.
                Ok(if position.fract() < split.valid { SplitPart::Valid } else { SplitPart::Train })
            }
            _ => Ok(self.by_shares(unit(key))),
        }
    }

    /// Row indices of the splits, in the order of [`SplitPart`].
    ///
    /// # Errors
    /// The errors of [`Self::part`].
    pub fn split(&self, frame: &Frame) -> Result<[Vec<usize>; 4], Error> {
        let mut parts: [Vec<usize>; 4] = Default::default();
        for (row, key) in frame.row_keys(self.run.seed).into_iter().enumerate() {
            parts[self.part(frame, row, key)? as usize].push(row);
        }
        Ok(parts)
    }

    fn by_shares(&self, u: f64) -> SplitPart {
        match u {
            u if u < self.test_share => SplitPart::Test,
            u if u < self.test_share + self.run.split.valid => SplitPart::Valid,
            _ => SplitPart::Train,
        }
    }

    fn column<'f>(&self, frame: &'f Frame) -> Result<&'f Column, Error> {
        frame.require(self.run.split.column.as_deref().unwrap_or_default(), "check `split.column`")
    }

    fn predefined(&self, frame: &Frame, row: usize) -> Result<SplitPart, Error> {
        let text = self.column(frame)?.text(row);
        match text.as_deref() {
            Some("train") => Ok(SplitPart::Train),
            Some("valid" | "validation" | "val") => Ok(SplitPart::Valid),
            Some("test") => Ok(SplitPart::Test),
            other => Err(Error::Value {
                row: row + 1,
                column: self.run.split.column.clone().unwrap_or_default(),
                expected: "train, valid or test".to_owned(),
                found: other.map_or("nothing".to_owned(), |text| format!("`{text}`")),
                remedy: "fix it, or compute the column with `data.query`".to_owned(),
            }),
        }
    }
}

/// Share of the training rows that amounts to `uncertainty.share` of all rows; 0 without such rows.
fn calibration_share(run: &Run, test_share: f64) -> f64 {
    let Some(share) = run.uncertainty.as_ref().and_then(Uncertainty::calibration_share) else { return 0.0 };
    let valid = run.split.valid;
    let train = match run.split.by {
        // The names in the column decide; a share of the training rows is all that can be told of one row.
        SplitBy::Predefined => 1.0,
        _ => match run.split.fold_count() {
            Some(folds) => (1.0 - valid) * (1.0 - 1.0 / folds as f64),
            None => 1.0 - valid - test_share,
        },
    };
    (share / train).clamp(0.0, MOST_OF_TRAIN)
}
