//! Fitted transforms, one per kind of input: learned from training rows, then pure functions of a row.

mod apply;
mod category;
mod curve;
mod date;
mod fit;
mod isolation;
mod knn;
mod media;
mod number;
mod series;
mod text;

use cupola_spec::{Block, OutlierAction};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::examples::EncodedColumns;
use crate::frame::Frame;
use crate::text::FittedTokenizer;

use self::isolation::IsolationOutliers;

pub use self::category::FittedCategory;
pub(crate) use self::category::{Outcomes, folds};
pub use self::curve::Curve;
pub use self::date::{FittedDate, FittedPart};
pub(crate) use self::fit::InputFit;
pub use self::knn::Donors;
pub use self::media::{PictureMeasures, PictureSize, picture_size};
pub(crate) use self::media::{picture_copy, pixel_picture};
pub use self::number::FittedNumber;
pub use self::series::FittedSeries;
pub(crate) use self::series::seasonal_naive_error;

/// Fitted transform of an input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FittedInput {
    /// Real numbers.
    Number {
        /// Name of the input.
        name: String,
        /// One transform per column.
        columns: Vec<FittedNumber>,
        /// Training rows that missing values are imputed from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        donors: Option<Donors>,
        /// Detection of rows that are outliers as a whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        isolation: Option<IsolationOutliers>,
    },
    /// Categories.
    Category {
        /// Name of the input.
        name: String,
        /// One transform per column.
        columns: Vec<FittedCategory>,
    },
    /// Dates and times.
    Date {
        /// Name of the input.
        name: String,
        /// One transform per column.
        columns: Vec<FittedDate>,
    },
    /// Image: `(value - shift) * factor` for each pixel.
    Image {
        /// Name of the input.
        name: String,
        /// Columns of the pixels in the order `[channel, height, width]`, or the one column of image files.
        columns: Vec<String>,
        /// `[channels, height, width]`.
        shape: [usize; 3],
        /// Subtracted first.
        shift: f64,
        /// Multiplied then.
        factor: f64,
    },
    /// Series of numbers in each row: `(value - shift) * factor` for each.
    Series {
        /// Name of the input.
        name: String,
        /// Columns of the values in the order `[steps, width]`, or the one column of sound files.
        columns: Vec<String>,
        /// `[steps, width]`.
        shape: [usize; 2],
        /// Subtracted first.
        shift: f64,
        /// Multiplied then.
        factor: f64,
    },
    /// Series whose steps are the last rows of the table.
    Window {
        /// Name of the input.
        name: String,
        /// One transform per column.
        columns: Vec<FittedSeries>,
        /// Number of rows.
        window: usize,
    },
    /// Text; a missing one is empty.
    Text {
        /// Name of the input.
        name: String,
        /// Name of the column.
        column: String,
        /// Number of tokens of one example.
        length: usize,
        /// Tokenizer.
        tokenizer: FittedTokenizer,
        /// Text that is put before every text, as the model was trained.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        prompt: String,
    },
}

/// Columns that an input adds to the table.
pub(crate) struct TableColumns {
    /// Number of scaled numbers.
    pub numbers: usize,
    /// Encoded columns.
    pub encoded: Vec<EncodedColumns>,
    /// Sizes of the index columns.
    pub indices: Vec<usize>,
}

/// Names and fills of number columns, as the isolation forest takes them.
fn names_and_fills(columns: &[FittedNumber]) -> (Vec<&str>, Vec<f64>) {
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

    /// The input under another name.
    pub(crate) fn named(mut self, new: &str) -> Self {
        match &mut self {
            Self::Number { name, .. }
            | Self::Category { name, .. }
            | Self::Date { name, .. }
            | Self::Image { name, .. }
            | Self::Series { name, .. }
            | Self::Window { name, .. }
            | Self::Text { name, .. } => new.clone_into(name),
        }
        self
    }

    /// Columns that the input adds to the table; `None` for an input that is a block of its own.
    pub(crate) fn table_columns(&self) -> Option<TableColumns> {
        let (numbers, encoded, indices) = match self {
            Self::Number { columns, isolation, .. } => {
                let numbers = columns.iter().map(FittedNumber::numbers).sum();
                let flag = isolation.as_ref().filter(|isolation| isolation.action == OutlierAction::Flag);
                let encoded = columns.iter().flat_map(FittedNumber::encoded);
                (numbers, encoded.chain(flag.map(|_| EncodedColumns::Copy(1))).collect(), Vec::new())
            }
            Self::Category { columns, .. } => (
                columns.iter().map(FittedCategory::numbers).sum(),
                columns.iter().filter_map(FittedCategory::encoded).collect(),
                columns.iter().filter_map(FittedCategory::index).collect(),
            ),
            Self::Date { columns, .. } => {
                let numbers = columns.iter().map(|column| column.numbers.len()).sum();
                (numbers, columns.iter().filter_map(FittedDate::encoded).collect(), Vec::new())
            }
            Self::Image { .. } | Self::Series { .. } | Self::Window { .. } | Self::Text { .. } => {
                return None;
            }
        };
        Some(TableColumns { numbers, encoded, indices })
    }

    /// Block of an input that is not part of the table.
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

    /// Number of rows and the columns of a windowed series.
    pub(crate) fn window(&self) -> Option<(usize, &[FittedSeries])> {
        match self {
            Self::Window { columns, window, .. } => Some((*window, columns)),
            _ => None,
        }
    }

    /// `true` if the one column of the input holds files instead of values.
    pub fn reads_files(&self) -> bool {
        match self {
            Self::Image { columns, shape, .. } => columns.len() == 1 && shape.iter().product::<usize>() > 1,
            Self::Series { columns, shape, .. } => columns.len() == 1 && shape.iter().product::<usize>() > 1,
            _ => false,
        }
    }

    /// `true` if training rows are encoded by the values of their fold.
    pub(crate) fn uses_folds(&self) -> bool {
        matches!(self, Self::Category { columns, .. } if columns.iter().any(FittedCategory::uses_folds))
    }

    /// `true` if training may leave rows out because of this input.
    pub(crate) fn drops_rows(&self) -> bool {
        let drop = Some(OutlierAction::Drop);
        match self {
            Self::Number { columns, isolation, .. } => {
                columns.iter().any(|column| column.outliers == drop)
                    || isolation.as_ref().map(|isolation| isolation.action) == drop
            }
            _ => false,
        }
    }

    /// `true` for each row that training leaves out because of an outlier.
    pub(crate) fn dropped_rows(&self, frame: &Frame) -> Result<Vec<bool>, Error> {
        let mut drop = vec![false; frame.rows()];
        let Self::Number { columns, isolation, .. } = self else { return Ok(drop) };
        for column in columns {
            column.mark_dropped(frame, &mut drop)?;
        }
        if let Some(IsolationOutliers { forest, action: OutlierAction::Drop }) = isolation {
            let (names, fills) = names_and_fills(columns);
            let outliers = forest.outliers(&names, frame, &fills)?;
            drop.iter_mut().zip(outliers).for_each(|(drop, outlier)| *drop |= outlier);
        }
        Ok(drop)
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these are exact")]
mod tests;
