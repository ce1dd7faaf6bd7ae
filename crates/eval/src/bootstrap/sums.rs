//! Sums over rows, kept apart for each unit that a resample draws.

use super::UNITS;
use super::draws::index;

/// Sums of per-row numbers, from which metrics such as means are resampled without the rows.
///
/// Takes the rows one after the other. Up to [`UNITS`] rows are kept singly; beyond, each row is added to a group that
/// is chosen at random by its number, so that memory is `UNITS * width` numbers whatever the number of rows.
#[derive(Debug, Clone)]
pub struct RowSums {
    width: usize,
    seed: u64,
    rows: u64,
    /// `[units, width]`.
    units: Vec<f64>,
}

impl RowSums {
    /// Empty sums of `width` numbers. The seed chooses the groups of rows.
    pub fn new(width: usize, seed: u64) -> Self {
        Self { width, seed, rows: 0, units: Vec::new() }
    }

    /// Adds the numbers of one row. Numbers beyond the width are ignored, missing ones count as zero.
    pub fn push(&mut self, numbers: &[f64]) {
        for (sum, number) in self.next_row().iter_mut().zip(numbers) {
            *sum += number;
        }
    }

    /// Adds one row of which only some numbers are not zero, given with their indices. Indices beyond the width are
    /// ignored.
    pub fn push_sparse(&mut self, numbers: impl IntoIterator<Item = (usize, f64)>) {
        let sums = self.next_row();
        for (at, number) in numbers {
            if let Some(sum) = sums.get_mut(at) {
                *sum += number;
            }
        }
    }

    /// Sums of the unit of the next row, which counts from here on.
    fn next_row(&mut self) -> &mut [f64] {
        let unit = if self.rows < UNITS as u64 {
            self.units.resize(self.units.len() + self.width, 0.0);
            usize::try_from(self.rows).unwrap_or(0)
        } else {
            if self.rows == UNITS as u64 {
                self.group();
            }
            group(self.seed, self.rows)
        };
        self.rows += 1;
        &mut self.units[unit * self.width..][..self.width]
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Sums over all rows.
    pub fn totals(&self) -> Vec<f64> {
        let mut totals = vec![0.0; self.width];
        for unit in self.units.chunks_exact(self.width.max(1)) {
            totals.iter_mut().zip(unit).for_each(|(total, number)| *total += number);
        }
        totals
    }

    /// `[units, width]`.
    pub(super) fn units(&self) -> &[f64] {
        &self.units
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Adds the rows, which are single so far, to their groups.
    fn group(&mut self) {
        let single = std::mem::replace(&mut self.units, vec![0.0; UNITS * self.width]);
        for (row, numbers) in (0..).zip(single.chunks_exact(self.width.max(1))) {
            let unit = group(self.seed, row);
            for (sum, number) in self.units[unit * self.width..][..self.width].iter_mut().zip(numbers) {
                *sum += number;
            }
        }
    }
}

/// Group of a row, where there are more than [`UNITS`] rows.
pub fn group(seed: u64, row: u64) -> usize {
    // A sequence of its own: with the plain seed, the groups would share numbers with the keys of the resamples.
    index(seed ^ 0x6A09_E667_F3BC_C908, row, UNITS)
}
