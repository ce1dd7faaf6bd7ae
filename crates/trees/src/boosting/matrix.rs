//! Bins of all rows, in blocks of neighbouring columns, so that a row's bins share a cache line.

use std::sync::Arc;

use rayon::prelude::*;

use super::bins::{ColumnBins, count_categories};

/// Most rows that the bins of numbers are found from.
const SAMPLE: usize = 200_000;

/// Table of numbers, row by row. The last `categories` columns hold indices of categories.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table<'a> {
    /// `[rows, numbers]`
    pub numbers: &'a [f32],
    /// `[rows, categories]`; negative for missing values.
    pub categories: &'a [i32],
    pub rows: usize,
}

impl Table<'_> {
    fn numbers_width(&self) -> usize {
        self.numbers.len() / self.rows.max(1)
    }

    fn categories_width(&self) -> usize {
        self.categories.len() / self.rows.max(1)
    }

    fn width(&self) -> usize {
        self.numbers_width() + self.categories_width()
    }

    /// Value of a row; NaN if it is missing.
    #[allow(clippy::cast_precision_loss, reason = "indices of categories stay far below 2^24")]
    fn value(&self, row: usize, column: usize) -> f32 {
        let (numbers, categories) = (self.numbers_width(), self.categories_width());
        match column.checked_sub(numbers) {
            None => self.numbers[row * numbers + column],
            Some(column) => match self.categories[row * categories + column] {
                index if index < 0 => f32::NAN,
                index => index as f32,
            },
        }
    }

    fn column_bins(&self, column: usize, max_bins: usize) -> ColumnBins {
        if column >= self.numbers_width() {
            let rows = count_categories((0..self.rows).map(|row| self.value(row, column)));
            return ColumnBins::of_categories(&rows, max_bins);
        }
        let sample = sampled_rows(self.rows).map(|row| self.value(row, column));
        ColumnBins::of_numbers(sample.filter(|value| !value.is_nan()).collect(), max_bins)
    }
}

/// All rows, or as many as are sampled, spread evenly.
fn sampled_rows(rows: usize) -> impl Iterator<Item = usize> {
    let count = rows.min(SAMPLE);
    (0..count).map(move |index| (index as u128 * rows as u128 / count.max(1) as u128) as usize)
}

/// Bins of every value of a table.
#[derive(Debug)]
pub(crate) struct BinnedMatrix {
    pub rows: usize,
    pub columns: Arc<Vec<ColumnBins>>,
    pub blocks: Vec<BinBlock>,
    /// Block of each column, and the place in it.
    places: Vec<(usize, usize)>,
}

/// Bins of 1, 2, 4 or 8 neighbouring columns.
#[derive(Debug)]
pub(crate) struct BinBlock {
    /// First column.
    pub first: usize,
    pub width: usize,
    /// `[rows, width]`
    pub data: Vec<u8>,
}

impl BinnedMatrix {
    /// Finds the bins of all columns.
    pub fn fit(table: &Table<'_>, max_bins: usize) -> Self {
        let columns = (0..table.width()).into_par_iter().map(|column| table.column_bins(column, max_bins));
        Self::apply(table, &Arc::new(columns.collect()))
    }

    /// Applies bins that were found before.
    pub fn apply(table: &Table<'_>, columns: &Arc<Vec<ColumnBins>>) -> Self {
        let (mut blocks, mut places) = (Vec::new(), Vec::new());
        while places.len() < columns.len() {
            let rest = columns.len() - places.len();
            let width = [8, 4, 2, 1].into_iter().find(|width| *width <= rest).unwrap_or(1);
            places.extend((0..width).map(|place| (blocks.len(), place)));
            blocks.push((places.len() - width, width));
        }
        let blocks = blocks.into_iter().map(|(first, width)| {
            let mut data = vec![0; table.rows * width];
            data.par_chunks_mut(width * 4_096).enumerate().for_each(|(chunk, data)| {
                for (row, bins) in data.chunks_exact_mut(width).enumerate() {
                    for (place, bin) in bins.iter_mut().enumerate() {
                        let column = first + place;
                        *bin = columns[column].bin(table.value(chunk * 4_096 + row, column));
                    }
                }
            });
            BinBlock { first, width, data }
        });
        Self { rows: table.rows, columns: Arc::clone(columns), blocks: blocks.collect(), places }
    }

    /// Bins of a column.
    #[inline]
    pub fn column(&self, column: usize) -> BinColumn<'_> {
        let (block, place) = self.places[column];
        let block = &self.blocks[block];
        BinColumn { data: &block.data, width: block.width, place }
    }
}

/// Bins of one column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BinColumn<'a> {
    data: &'a [u8],
    width: usize,
    place: usize,
}

impl BinColumn<'_> {
    #[inline]
    pub fn bin(&self, row: usize) -> u8 {
        self.data[row * self.width + self.place]
    }
}
