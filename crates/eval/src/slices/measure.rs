use statrs::distribution::{ContinuousCDF, StudentsT};

use super::condition::{Condition, text};
use super::tree::{Node, Tree};
use super::{SliceColumn, SliceOptions};
use crate::bootstrap::draws::draw;
use crate::{Bootstrap, RowSums};

/// Multiple of a slice's excess over the mean loss that a slice within it must have. With many rows, smaller differences
/// are significant too.
const MORE: f64 = 1.1;

/// Rows with larger errors than the others.
#[derive(Debug, Clone, PartialEq)]
pub struct LossSlice {
    /// Condition, such as `carat > 2.1 and cut = Fair`.
    pub condition: String,
    /// Number of all rows that fulfil it.
    pub rows: u64,
    /// Mean loss, measured on the rows that the search did not see.
    pub error: f64,
    /// Bounds of the confidence interval of the mean loss.
    pub interval: Option<(f64, f64)>,
    /// Mean loss of all rows.
    pub overall: f64,
    /// p-value of no larger loss than outside the slice, corrected for the number of slices that were tried.
    pub p_value: f64,
}

/// Slices whose mean loss is significantly larger than that of the other rows, the worst first.
///
/// `losses` has one number for each row; rows whose loss is not finite are ignored. Significance is that of one-sided Welch
/// tests with Bonferroni's correction. A slice within another is returned only if its losses are significantly larger than
/// those of the rest of the other and a tenth further above the mean, and a slice around others only if what remains without them is still significant.
/// Empty for fewer rows than two slices need, for losses without spread, and for a level outside (0, 1).
pub fn error_slices(columns: &[SliceColumn<'_>], losses: &[f64], options: &SliceOptions) -> Vec<LossSlice> {
    let finite: Vec<u32> =
        (0..).zip(losses).filter(|(_, loss)| loss.is_finite()).map(|(row, _)| row).collect();
    if finite.is_empty() || !(options.level > 0.0 && options.level < 1.0) {
        return Vec::new();
    }
    let overall = finite.iter().map(|row| losses[*row as usize]).sum::<f64>() / finite.len() as f64;
    let (search, held) = halves(&finite, options);
    let support = support(search.len() + held.len(), options).div_ceil(2);
    let nodes = Tree::grow(columns, losses, &search, support, options.depth);
    let test = Test { nodes: &nodes, columns, losses, held: &held, support, level: options.level };
    let mut slices: Vec<LossSlice> = test
        .significant()
        .into_iter()
        .map(|node| {
            let conditions = &nodes[node].conditions;
            let within = test.losses(|row| test.within(node, row));
            LossSlice {
                condition: text(conditions, columns),
                rows: finite.iter().filter(|row| holds(conditions, columns, **row)).count() as u64,
                error: mean(&within),
                interval: interval(&within, options),
                overall,
                p_value: test.p_value(|row| test.within(node, row), |row| !test.within(node, row)),
            }
        })
        .filter(|slice| slice.error > overall)
        .collect();
    slices.sort_by(|a, b| b.error.total_cmp(&a.error));
    slices.truncate(options.max_slices);
    slices
}

/// Rows that a slice must have at least.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn support(rows: usize, options: &SliceOptions) -> usize {
    // A cast of a number beyond the range ends at its border.
    options.min_rows.max((rows as f64 * options.min_share).ceil() as usize)
}

/// Rows that grow the tree and rows that measure it, by a hash of their numbers.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn halves(rows: &[u32], options: &SliceOptions) -> (Vec<u32>, Vec<u32>) {
    // The number of rows below the bar is binomial; three standard deviations less than the limit.
    let limit = options.max_rows as f64;
    let share = (limit - 3.0 * limit.sqrt()).max(0.0) / rows.len() as f64;
    let bar = if rows.len() <= options.max_rows { u64::MAX } else { (share * u64::MAX as f64) as u64 };
    let hash = |row: u32| draw(options.seed ^ 0x3C6E_F372_FE94_F82B, u64::from(row));
    let chosen = rows.iter().copied().filter(|row| hash(*row) <= bar).take(options.max_rows);
    chosen.partition(|row| hash(*row) & 1 == 0)
}

fn holds(conditions: &[Condition], columns: &[SliceColumn<'_>], row: u32) -> bool {
    conditions.iter().all(|condition| condition.holds(columns, row as usize))
}

/// Tests of the tree's nodes on the rows that it was not grown on.
struct Test<'a> {
    nodes: &'a [Node],
    columns: &'a [SliceColumn<'a>],
    losses: &'a [f64],
    held: &'a [u32],
    support: usize,
    level: f64,
}

impl Test<'_> {
    /// Nodes that are slices to return.
    fn significant(&self) -> Vec<usize> {
        let worse = |node: usize| {
            self.supports(node) && self.larger(|row| self.within(node, row), |row| !self.within(node, row))
        };
        let candidates: Vec<usize> = (0..self.nodes.len()).filter(|node| worse(*node)).collect();
        let mut found: Vec<usize> = Vec::new();
        // From the innermost on: a node comes after those around it.
        for &node in candidates.iter().rev() {
            let around = self.around(node).find(|around| candidates.contains(around));
            let stands_out = around.is_none_or(|around| {
                let excess =
                    |node| mean(&self.losses(|row| self.within(node, row))) - mean(&self.losses(|_| true));
                if excess(node) < MORE * excess(around) {
                    return false;
                }
                let rest = |row| self.within(around, row) && !self.within(node, row);
                self.larger(|row| self.within(node, row), rest)
            });
            let inner: Vec<usize> = found
                .iter()
                .copied()
                .filter(|inner| self.around(*inner).any(|around| around == node))
                .collect();
            let remains = inner.is_empty() || {
                let remaining =
                    |row| self.within(node, row) && !inner.iter().any(|inner| self.within(*inner, row));
                self.larger(remaining, |row| !self.within(node, row))
            };
            if stands_out && remains {
                found.push(node);
            }
        }
        found
    }

    fn supports(&self, node: usize) -> bool {
        self.held.iter().filter(|row| self.within(node, **row)).count() >= self.support
    }

    fn within(&self, node: usize, row: u32) -> bool {
        holds(&self.nodes[node].conditions, self.columns, row)
    }

    /// Nodes that contain a node, the smallest first.
    fn around(&self, node: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(self.nodes[node].parent, |parent| self.nodes[*parent].parent)
    }

    /// Losses of the rows for which a condition holds.
    fn losses(&self, holds: impl Fn(u32) -> bool) -> Vec<f64> {
        self.held.iter().filter(|row| holds(**row)).map(|row| self.losses[*row as usize]).collect()
    }

    /// `true` if the losses of the first rows are significantly larger than those of the second.
    fn larger(&self, first: impl Fn(u32) -> bool, second: impl Fn(u32) -> bool) -> bool {
        self.p_value(first, second) <= 1.0 - self.level
    }

    /// p-value, corrected for the number of nodes.
    fn p_value(&self, first: impl Fn(u32) -> bool, second: impl Fn(u32) -> bool) -> f64 {
        (welch(&self.losses(first), &self.losses(second)) * self.nodes.len() as f64).min(1.0)
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Mean and squared standard error of the mean.
fn moments(values: &[f64]) -> (f64, f64) {
    let (rows, mean) = (values.len() as f64, mean(values));
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, squares / (rows - 1.0) / rows)
}

/// p-value of Welch's test that the mean of the first values is not larger than that of the second.
fn welch(first: &[f64], second: &[f64]) -> f64 {
    if first.len() < 2 || second.len() < 2 {
        return 1.0;
    }
    let ((first_mean, first_error), (second_mean, second_error)) = (moments(first), moments(second));
    let variance = first_error + second_error;
    if !variance.is_finite() || variance <= 0.0 {
        return if first_mean > second_mean { 0.0 } else { 1.0 };
    }
    let freedom = variance * variance
        / (first_error.powi(2) / (first.len() as f64 - 1.0)
            + second_error.powi(2) / (second.len() as f64 - 1.0));
    let statistic = (first_mean - second_mean) / variance.sqrt();
    StudentsT::new(0.0, 1.0, freedom).map_or(1.0, |student| student.sf(statistic))
}

fn interval(losses: &[f64], options: &SliceOptions) -> Option<(f64, f64)> {
    let mut sums = RowSums::new(2, options.seed);
    for loss in losses {
        sums.push(&[1.0, *loss]);
    }
    let plan = Bootstrap { level: options.level, seed: options.seed, ..Bootstrap::default() };
    let found = plan.interval_of_sums(&sums, |sums| (sums[0] > 0.0).then(|| sums[1] / sums[0]))?;
    Some((found.low, found.high))
}
