//! Fitted transforms, one kind each: learned on training rows, then a pure function of a row.

mod category;
mod curve;
mod date;
mod fit;
mod isolation;
mod knn;
mod media;
mod number;
mod outcomes;
mod text;
mod window;

use cupola_spec::{Block, OutlierAction};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::examples::{Filling, Step};
use crate::frame::{Frame, SEND, pixel};
use crate::text::FittedTokenizer;

use self::isolation::Forest;

pub use self::category::FittedCategory;
pub use self::curve::Curve;
pub use self::date::{FittedDate, FittedPart};
pub(crate) use self::fit::InputFit;
pub use self::knn::Donors;
pub use self::number::FittedNumber;
pub(crate) use self::outcomes::{Outcomes, folds};
pub use self::window::FittedSeries;
pub(crate) use self::window::{long_enough, naive_error};

/// An input as fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FittedInput {
    /// Real numbers.
    Number {
        /// Name of the input.
        name: String,
        /// One transform for each column.
        columns: Vec<FittedNumber>,
        /// Rows whose nearest stand for missing values.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        donors: Option<Donors>,
        /// What tells rows that are far out as a whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        isolation: Option<Isolation>,
    },
    /// Closed sets of values.
    Category {
        /// Name of the input.
        name: String,
        /// One transform for each column.
        columns: Vec<FittedCategory>,
    },
    /// Dates and times.
    Date {
        /// Name of the input.
        name: String,
        /// One transform for each column.
        columns: Vec<FittedDate>,
    },
    /// A picture: `(value - shift) * factor` for each pixel.
    Image {
        /// Name of the input.
        name: String,
        /// Pixels in the order `[channel, height, width]`, or the one column of pictures' files.
        columns: Vec<String>,
        /// `[channels, height, width]`.
        shape: [usize; 3],
        /// Subtracted first.
        shift: f64,
        /// Multiplied then.
        factor: f64,
    },
    /// Numbers in time: `(value - shift) * factor` for each.
    Series {
        /// Name of the input.
        name: String,
        /// In the order `[steps, width]`, or the one column of sounds' files.
        columns: Vec<String>,
        /// `[steps, width]`.
        shape: [usize; 2],
        /// Subtracted first.
        shift: f64,
        /// Multiplied then.
        factor: f64,
    },
    /// Numbers in time: those of the last rows of the table.
    Window {
        /// Name of the input.
        name: String,
        /// One transform for each column.
        columns: Vec<FittedSeries>,
        /// Rows.
        window: usize,
    },
    /// Free text; a missing one is empty.
    Text {
        /// Name of the input.
        name: String,
        /// Its column.
        column: String,
        /// Tokens of one example.
        length: usize,
        /// The tokenizer, as Hugging Face's `tokenizer.json`.
        tokenizer: FittedTokenizer,
    },
}

/// Rows that are far out as a whole, and what happens to them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Isolation {
    /// What tells them.
    pub forest: Forest,
    /// Drop or flag.
    pub action: OutlierAction,
}

/// Names and fills of number columns, as a forest takes them.
fn plain(columns: &[FittedNumber]) -> (Vec<&str>, Vec<f64>) {
    columns.iter().map(|column| (column.column.as_str(), column.fill)).unzip()
}

impl FittedInput {
    /// Name of the input.
    pub fn name(&self) -> &str {
        match self {
            Self::Number { name, .. }
            | Self::Category { name, .. }
            | Self::Date { name, .. }
            | Self::Image { name, .. }
            | Self::Series { name, .. }
            | Self::Window { name, .. }
            | Self::Text { name, .. } => name,
        }
    }

    /// Scaled numbers, encoded columns and index columns that it adds to the table; `None` for an input
    /// that is a block of its own.
    pub(crate) fn in_table(&self) -> Option<(usize, Vec<Step>, Vec<usize>)> {
        match self {
            Self::Number { columns, isolation, .. } => {
                let numbers = columns.iter().map(FittedNumber::numbers).sum();
                let flag = isolation.as_ref().filter(|isolation| isolation.action == OutlierAction::Flag);
                let steps = columns.iter().flat_map(FittedNumber::steps);
                Some((numbers, steps.chain(flag.map(|_| Step::Copy(1))).collect(), Vec::new()))
            }
            Self::Category { columns, .. } => Some((
                columns.iter().map(FittedCategory::numbers).sum(),
                columns.iter().filter_map(FittedCategory::steps).collect(),
                columns.iter().filter_map(FittedCategory::index).collect(),
            )),
            Self::Date { columns, .. } => {
                let numbers = columns.iter().map(|column| column.numbers.len()).sum();
                Some((numbers, columns.iter().filter_map(FittedDate::steps).collect(), Vec::new()))
            }
            Self::Image { .. } | Self::Series { .. } | Self::Window { .. } | Self::Text { .. } => None,
        }
    }

    /// The block of an input that is no part of the table.
    pub(crate) fn block(&self) -> Option<Block> {
        match self {
            Self::Number { .. } | Self::Category { .. } | Self::Date { .. } => None,
            Self::Image { shape, .. } => Some(Block::Image { shape: *shape }),
            Self::Series { shape: [steps, width], .. } => {
                Some(Block::Series { steps: *steps, width: *width })
            }
            Self::Window { columns, window, .. } => {
                Some(Block::Series { steps: *window, width: columns.len() })
            }
            Self::Text { length, tokenizer, .. } => {
                Some(Block::Text { length: *length, vocabulary: tokenizer.vocabulary() })
            }
        }
    }

    /// Rows of a window and its columns.
    pub(crate) fn window(&self) -> Option<(usize, &[FittedSeries])> {
        match self {
            Self::Window { columns, window, .. } => Some((*window, columns)),
            _ => None,
        }
    }

    /// Whether its one column holds files, not values.
    pub(crate) fn of_files(&self) -> bool {
        match self {
            Self::Image { columns, shape, .. } => columns.len() == 1 && shape.iter().product::<usize>() > 1,
            Self::Series { columns, shape, .. } => columns.len() == 1 && shape.iter().product::<usize>() > 1,
            _ => false,
        }
    }

    /// Whether it may leave training rows out.
    pub(crate) fn may_drop(&self) -> bool {
        let drop = Some(OutlierAction::Drop);
        match self {
            Self::Number { columns, isolation, .. } => {
                columns.iter().any(|column| column.outliers == drop)
                    || isolation.as_ref().map(|isolation| isolation.action) == drop
            }
            _ => false,
        }
    }

    /// Which rows training leaves out for values far out.
    pub(crate) fn drops(&self, frame: &Frame) -> Result<Vec<bool>, Error> {
        let mut far = vec![false; frame.rows()];
        let Self::Number { columns, isolation, .. } = self else { return Ok(far) };
        for column in columns {
            column.drop_into(frame, &mut far)?;
        }
        if let Some(Isolation { forest, action: OutlierAction::Drop }) = isolation {
            let (names, fills) = plain(columns);
            let own = forest.far(&names, frame, &fills)?;
            far.iter_mut().zip(own).for_each(|(far, own)| *far |= own);
        }
        Ok(far)
    }

    /// Writes the examples' values into the next free columns; `folds` are those of training rows.
    pub(crate) fn apply(
        &self,
        frame: &Frame,
        folds: Option<&[usize]>,
        out: &mut Filling,
    ) -> Result<(), Error> {
        match self {
            Self::Number { columns, donors, isolation, .. } => {
                let (names, fills) = plain(columns);
                let nearest = donors.as_ref().map(|donors| donors.nearest(frame, &fills)).transpose()?;
                for (index, column) in columns.iter().enumerate() {
                    column.apply(frame, nearest.as_ref().map(|nearest| nearest[index].as_slice()), out)?;
                }
                if let Some(Isolation { forest, action: OutlierAction::Flag }) = isolation {
                    let at = out.take_encoded(1);
                    for (row, far) in forest.far(&names, frame, &fills)?.into_iter().enumerate() {
                        out.set_dense(row, at, f64::from(u8::from(far)));
                    }
                }
                Ok(())
            }
            Self::Category { columns, .. } => {
                columns.iter().try_for_each(|column| column.apply(frame, folds, out))
            }
            Self::Date { columns, .. } => columns.iter().try_for_each(|column| column.apply(frame, out)),
            Self::Image { columns, shift, factor, .. } | Self::Series { columns, shift, factor, .. } => {
                if self.of_files() {
                    return self.apply_files(&columns[0], frame, *shift, *factor, out);
                }
                let at = out.take_dense(columns.len());
                for (offset, name) in columns.iter().enumerate() {
                    let values = frame.require(name, SEND)?;
                    for row in 0..frame.rows() {
                        let value = (pixel(name, values, row)? - shift) * factor;
                        out.set_dense(row, at + offset, value);
                    }
                }
                Ok(())
            }
            Self::Window { columns, window, .. } => window::apply(columns, *window, frame, out),
            Self::Text { column, length, tokenizer, .. } => {
                text::apply(tokenizer, column, *length, frame, out)
            }
        }
    }

    fn apply_files(
        &self,
        column: &str,
        frame: &Frame,
        shift: f64,
        factor: f64,
        out: &mut Filling,
    ) -> Result<(), Error> {
        let values = frame.require(column, SEND)?;
        let width = self.block().map_or(0, |block| block.dense_width());
        let at = out.take_dense(width);
        for row in 0..frame.rows() {
            let own = match self {
                Self::Image { shape, .. } => media::picture(column, values, row, *shape)?,
                _ => media::sound(column, values, row, width)?,
            };
            for (offset, value) in own.into_iter().enumerate() {
                out.set_dense(row, at + offset, (value - shift) * factor);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these are exact")]
mod tests;
