//! Shares of the same bins or categories in two data sets.

use std::collections::BTreeMap;

use crate::profile::{CategoryReference, SortedNumbers};

/// Numbers of values in the same cells, of the reference and of current data.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct PairedCounts {
    pub reference: Vec<f64>,
    pub current: Vec<f64>,
}

/// Columns with more distinct values in the reference than this are binned.
const MOST_CELLS: usize = 20;

impl PairedCounts {
    /// Counts of categories, in the order of their names. Values that the reference counts together as others are one cell.
    pub fn of_categories(reference: &CategoryReference, current: &CategoryReference) -> Self {
        let mut cells: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
        for (value, count) in &reference.values {
            cells.entry(value).or_default()[0] += count;
        }
        let mut other = [reference.other, current.other];
        for (value, count) in &current.values {
            match cells.get_mut(value.as_str()) {
                Some(cell) => cell[1] += count,
                None if reference.other > 0 => other[1] += count,
                None => cells.entry(value).or_default()[1] += count,
            }
        }
        let others = (other != [0, 0]).then_some(other);
        Self::of_cells(cells.into_values().chain(others))
    }

    /// Counts of distinct numbers. Those of a sample are multiplied to the number of all values.
    #[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
    pub fn of_values(reference: &SortedNumbers, current: &SortedNumbers) -> Self {
        let mut counts = Self::of_sorted(&reference.sorted, &current.sorted);
        for (counts, side) in [(&mut counts.reference, reference), (&mut counts.current, current)] {
            if side.sorted.len() as u64 != side.count {
                let factor = side.count as f64 / side.sorted.len().max(1) as f64;
                for count in counts.iter_mut() {
                    *count *= factor;
                }
            }
        }
        counts
    }

    fn of_sorted(reference: &[f64], current: &[f64]) -> Self {
        let mut cells: Vec<[u64; 2]> = Vec::new();
        let (mut at, mut with) = (0, 0);
        while at < reference.len() || with < current.len() {
            let value = match (reference.get(at), current.get(with)) {
                (Some(a), Some(b)) => a.min(*b),
                (Some(one), None) | (None, Some(one)) => *one,
                (None, None) => break,
            };
            let equal = |values: &[f64]| values.iter().take_while(|other| **other <= value).count();
            let (a, b) = (equal(&reference[at..]), equal(&current[with..]));
            cells.push([a as u64, b as u64]);
            (at, with) = (at + a, with + b);
        }
        Self::of_cells(cells.into_iter())
    }

    /// Counts of numbers: of each value if the reference has few of them, else of bins of equal width.
    pub fn of_numbers(reference: &SortedNumbers, current: &SortedNumbers) -> Self {
        let (a, b) = (&reference.sorted, &current.sorted);
        if distinct(a, MOST_CELLS) <= MOST_CELLS {
            return Self::of_sorted(a, b);
        }
        let edges = sturges_edges(a, b, a.len() + b.len());
        Self { reference: histogram(a, &edges), current: histogram(b, &edges) }
    }

    #[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
    fn of_cells(cells: impl Iterator<Item = [u64; 2]>) -> Self {
        let (reference, current) = cells.map(|cell| (cell[0] as f64, cell[1] as f64)).unzip();
        Self { reference, current }
    }

    /// Counts of each cell, of the reference first.
    pub fn cells(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.reference.iter().copied().zip(self.current.iter().copied())
    }

    /// Shares of the cells.
    pub fn shares(&self) -> Self {
        let share = |counts: &[f64]| {
            let total: f64 = counts.iter().sum();
            counts.iter().map(|count| count / total).collect()
        };
        Self { reference: share(&self.reference), current: share(&self.current) }
    }

    /// Shares in which a small one stands for zero, so that their logarithms are finite.
    pub fn filled_shares(&self) -> Self {
        let mut shares = self.shares();
        for side in [&mut shares.reference, &mut shares.current] {
            let least = side.iter().copied().filter(|share| *share != 0.0).fold(f64::INFINITY, f64::min);
            let filled = if least <= 0.0001 { least / 1e6 } else { 0.0001 };
            side.iter_mut().filter(|share| **share == 0.0).for_each(|share| *share = filled);
        }
        shares
    }
}

/// Number of distinct values of a sorted list, counted up to one more than `most`.
pub(super) fn distinct(sorted: &[f64], most: usize) -> usize {
    let mut rest = sorted;
    let mut count = 0;
    while let Some(first) = rest.first().copied()
        && count <= most
    {
        rest = &rest[rest.partition_point(|value| *value <= first)..];
        count += 1;
    }
    count
}

/// Borders of bins of equal width over two sorted lists, by the rule of Sturges (1926) for `values` values, as `NumPy` makes them.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few dozen bins"
)]
pub(super) fn sturges_edges(a: &[f64], b: &[f64], values: usize) -> Vec<f64> {
    let ends = |values: &[f64]| values.first().copied().zip(values.last().copied());
    let Some((mut low, mut high)) = [ends(a), ends(b)]
        .into_iter()
        .flatten()
        .reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
    else {
        return Vec::new();
    };
    let width = (high - low) / ((values as f64).log2() + 1.0);
    let bins = if width > 0.0 { ((high - low) / width).ceil() } else { 1.0 };
    if low >= high {
        (low, high) = (low - 0.5, high + 0.5);
    }
    let step = (high - low) / bins;
    let mut edges: Vec<f64> = (0..=bins as usize).map(|bin| bin as f64 * step + low).collect();
    if let Some(last) = edges.last_mut() {
        *last = high;
    }
    edges
}

/// Number of values of a sorted list in each bin, which holds its lower border; the last one holds both.
#[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
pub(super) fn histogram(sorted: &[f64], edges: &[f64]) -> Vec<f64> {
    let Some(last) = edges.len().checked_sub(2) else { return Vec::new() };
    let below = |edge: f64| sorted.partition_point(|value| *value < edge);
    let count = |bin: usize| {
        let end = if bin == last {
            sorted.partition_point(|value| *value <= edges[bin + 1])
        } else {
            below(edges[bin + 1])
        };
        (end - below(edges[bin])) as f64
    };
    (0..=last).map(count).collect()
}
