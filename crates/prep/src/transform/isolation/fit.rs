//! Growing of an isolation forest.

use super::{IsolationForest, IsolationTree, filled};
use crate::error::Error;
use crate::frame::Frame;
use crate::stats::{draw, unit};
use crate::transform::knn::rows_of;

/// Number of trees, and rows that each tree grows on (section 5.2 of the paper).
const TREES: usize = 100;
const SAMPLE: usize = 256;
/// Rows that are stored to draw the samples from and to find the threshold.
const MAX_ROWS: usize = TREES * SAMPLE;
/// Default share of training rows that are outliers.
const OUTLIER_SHARE: f64 = 0.01;

/// Isolation forest being fitted, with the training rows so far.
#[derive(Debug, Default)]
pub(crate) struct IsolationFit {
    pub(super) rows: Vec<Vec<Option<f64>>>,
}

impl IsolationFit {
    /// Adds training rows up to the limit.
    pub fn observe(&mut self, columns: &[&str], frame: &Frame) -> Result<(), Error> {
        let missing = MAX_ROWS.saturating_sub(self.rows.len()).min(frame.rows());
        if missing > 0 {
            self.rows.extend(rows_of(columns, &frame.slice(0, missing))?);
        }
        Ok(())
    }

    /// Grows the forest. `fills` replace missing values; `share` is the share of rows that are outliers.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of a row")]
    pub fn finish(self, fills: &[f64], share: Option<f64>) -> IsolationForest {
        let rows: Vec<Vec<f64>> = self.rows.iter().map(|row| filled(row, fills)).collect();
        let sample = SAMPLE.min(rows.len());
        let trees = (0..TREES as u64).map(|tree| TreeBuilder::grow(&rows, sample, tree)).collect();
        let mut forest = IsolationForest { sample, threshold: f64::MAX, trees };
        let mut scores: Vec<f64> = rows.iter().map(|row| forest.score(row)).collect();
        scores.sort_by(f64::total_cmp);
        let rank = ((1.0 - share.unwrap_or(OUTLIER_SHARE)) * scores.len() as f64) as usize;
        if let Some(score) = scores.get(rank.min(scores.len().saturating_sub(1))) {
            forest.threshold = *score;
        }
        forest
    }
}

/// Builder of one tree.
struct TreeBuilder<'a> {
    rows: &'a [Vec<f64>],
    /// Number of the tree, which its draws depend on.
    tree: u64,
    draws: u64,
    max_depth: u32,
    out: IsolationTree,
}

impl<'a> TreeBuilder<'a> {
    /// Grows a tree on `sample` of the rows, drawn without replacement.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of a row")]
    fn grow(rows: &'a [Vec<f64>], sample: usize, tree: u64) -> IsolationTree {
        let max_depth = usize::BITS - sample.max(2).saturating_sub(1).leading_zeros();
        let mut builder = Self { rows, tree, draws: 0, max_depth, out: IsolationTree::default() };
        let mut indices: Vec<usize> = (0..rows.len()).collect();
        for index in 0..sample {
            let other = index + (builder.draw() * (rows.len() - index) as f64) as usize;
            indices.swap(index, other);
        }
        indices.truncate(sample);
        builder.push_leaf();
        builder.split(0, indices, 0);
        builder.out
    }

    fn draw(&mut self) -> f64 {
        self.draws += 1;
        unit(draw(0, "isolation", self.tree, self.draws))
    }

    /// Splits a node at a random value of a random column until rows are alone or the depth is reached.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        reason = "columns and nodes are few"
    )]
    fn split(&mut self, node: usize, mut rows: Vec<usize>, depth: u32) {
        self.out.rows[node] = rows.len() as u32;
        let ranges = self.varying_columns(&rows);
        if depth == self.max_depth || rows.len() < 2 || ranges.is_empty() {
            return;
        }
        let (column, low, high) = ranges[(self.draw() * ranges.len() as f64) as usize];
        let at = low + self.draw() * (high - low);
        let (left, right): (Vec<usize>, Vec<usize>) =
            rows.drain(..).partition(|row| self.rows[*row][column] <= at);
        let first = self.out.column.len();
        (self.out.column[node], self.out.cut[node], self.out.left[node]) = (column as i32, at, first as u32);
        self.push_leaf();
        self.push_leaf();
        self.split(first, left, depth + 1);
        self.split(first + 1, right, depth + 1);
    }

    /// Columns in which the rows differ, with their ranges.
    fn varying_columns(&self, rows: &[usize]) -> Vec<(usize, f64, f64)> {
        let width = self.rows.first().map_or(0, Vec::len);
        let ranges = (0..width).filter_map(|column| {
            let values = rows.iter().map(|row| self.rows[*row][column]);
            let (low, high) = values.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
            (low < high).then_some((column, low, high))
        });
        ranges.collect()
    }

    fn push_leaf(&mut self) {
        self.out.column.push(-1);
        self.out.cut.push(0.0);
        self.out.left.push(0);
        self.out.rows.push(0);
    }
}
