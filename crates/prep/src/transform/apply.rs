//! Application of the fitted inputs to rows.

use cupola_spec::OutlierAction;

use super::isolation::IsolationOutliers;
use super::media::{FileCell, decode_files, decode_image, decode_sound};
use super::{FittedInput, names_and_fills, series, text};
use crate::error::Error;
use crate::examples::ExampleBuilder;
use crate::frame::{Frame, SEND_TRAINED_COLUMNS, required};

impl FittedInput {
    /// Writes the values of all rows into the next free columns. `folds` are the folds of training rows.
    pub(crate) fn apply(
        &self,
        frame: &Frame,
        folds: Option<&[usize]>,
        out: &mut ExampleBuilder,
    ) -> Result<(), Error> {
        match self {
            Self::Number { columns, donors, isolation, .. } => {
                let (names, fills) = names_and_fills(columns);
                let imputed = donors.as_ref().map(|donors| donors.impute(frame, &fills)).transpose()?;
                for (index, column) in columns.iter().enumerate() {
                    column.apply(frame, imputed.as_ref().map(|imputed| imputed[index].as_slice()), out)?;
                }
                if let Some(IsolationOutliers { forest, action: OutlierAction::Flag }) = isolation {
                    let at = out.take_encoded(1);
                    for (row, outlier) in forest.outliers(&names, frame, &fills)?.into_iter().enumerate() {
                        out.set_dense(row, at, f64::from(u8::from(outlier)));
                    }
                }
                Ok(())
            }
            Self::Category { columns, .. } => {
                columns.iter().try_for_each(|column| column.apply(frame, folds, out))
            }
            Self::Date { columns, .. } => columns.iter().try_for_each(|column| column.apply(frame, out)),
            Self::Image { columns, shift, factor, .. } | Self::Series { columns, shift, factor, .. } => {
                if self.reads_files() {
                    return self.apply_files(&columns[0], frame, [*shift, *factor], out);
                }
                let at = out.take_dense(columns.len());
                for (offset, name) in columns.iter().enumerate() {
                    let values = frame.require(name, SEND_TRAINED_COLUMNS)?;
                    for row in 0..frame.rows() {
                        let value = (required(name, values, row)? - shift) * factor;
                        out.set_dense(row, at + offset, value);
                    }
                }
                Ok(())
            }
            Self::Window { columns, window, .. } => series::apply(columns, *window, frame, out),
            Self::Text { column, length, tokenizer, prompt, .. } => {
                text::apply(tokenizer, column, (*length, prompt), frame, out)
            }
        }
    }

    /// Decodes the files of a column and writes their values.
    fn apply_files(
        &self,
        column: &str,
        frame: &Frame,
        [shift, factor]: [f64; 2],
        out: &mut ExampleBuilder,
    ) -> Result<(), Error> {
        let values = frame.require(column, SEND_TRAINED_COLUMNS)?;
        let width = self.block().map_or(0, |block| block.dense_width());
        let at = out.take_dense(width);
        let budget = out.budget().clone();
        let decode = |row| {
            budget.check()?;
            let file = FileCell { name: column, column: values, row, budget: &budget };
            match self {
                Self::Image { shape, .. } => decode_image(&file, *shape),
                _ => decode_sound(&file, width),
            }
        };
        decode_files(frame, decode, |row, decoded| {
            for (offset, value) in decoded.into_iter().enumerate() {
                out.set_dense(row, at + offset, (value - shift) * factor);
            }
        })
    }
}
