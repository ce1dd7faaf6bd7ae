//! Growth of one tree, leaf by leaf (Shi 2007; Ke et al. 2017): the leaf with the best split is split next.

use rayon::prelude::*;

use super::bins::MAX_BINS;
use super::histogram::{self, ColumnHistogram, PackedGradients, hessian};
use super::matrix::{BinColumn, BinnedMatrix};
use super::options::BoostOptions;
use super::split::{BinRuleSplit, SplitCandidate, SplitNode};

/// Bins from which on both children's splits are looked for in parallel.
const PARALLEL_BINS: usize = 1 << 13;
/// Rows from which on several threads partition them.
const PARALLEL_ROWS: usize = 1 << 16;

/// Node of a tree whose splits are on bins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BinNode {
    /// Split with the left and the right child; `None` for a leaf.
    pub split: Option<(SplitCandidate, [u32; 2])>,
    /// Value of a leaf.
    pub value: f64,
    /// Sum of the Hessians of the rows.
    pub cover: f64,
}

/// A grown tree and the rows of its leaves.
#[derive(Debug, Clone, Default)]
pub(crate) struct BinTree {
    pub nodes: Vec<BinNode>,
    /// Leaves: the node, and its range in the rows of the grower.
    pub leaves: Vec<LeafRows>,
}

impl BinTree {
    /// Rows of each leaf among all rows of `matrix`: the ranges refer to `rows`, which the rows are sorted into.
    pub fn apply(&self, matrix: &BinnedMatrix, rows: &mut [u32], other: &mut [u32]) -> Vec<LeafRows> {
        let mut ranges = vec![0..rows.len(); self.nodes.len()];
        let mut leaves = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let range = ranges[index].clone();
            let Some((split, [left, right])) = &node.split else {
                leaves.push((index, range));
                continue;
            };
            let middle = range.start + partition(matrix, split, &mut rows[range.clone()], other);
            ranges[*left as usize] = range.start..middle;
            ranges[*right as usize] = middle..range.end;
        }
        leaves
    }
}

/// Leaf and the range of its rows.
pub(crate) type LeafRows = (usize, std::ops::Range<usize>);

/// Node of a packed sum, with the bounds of its value and its number of rows.
type NodeOf<'f, 'a> = dyn Fn(i64, [f64; 2], usize) -> SplitNode<'a> + Sync + 'f;

/// Leaf that may be split.
struct OpenLeaf {
    node: usize,
    rows: std::ops::Range<usize>,
    depth: usize,
    sum: i64,
    bounds: [f64; 2],
    histograms: Vec<ColumnHistogram>,
    best: Option<SplitCandidate>,
}

/// Buffers that the trees of one output share.
pub(crate) struct TreeGrower<'a> {
    matrix: &'a BinnedMatrix,
    options: &'a BoostOptions,
    /// Rows of the tree, those of each leaf side by side.
    pub rows: Vec<u32>,
    other: Vec<u32>,
    spare: Vec<Vec<ColumnHistogram>>,
}

impl<'a> TreeGrower<'a> {
    pub fn new(matrix: &'a BinnedMatrix, options: &'a BoostOptions) -> Self {
        Self { matrix, options, rows: Vec::new(), other: vec![0; matrix.rows], spare: Vec::new() }
    }

    /// Grows a tree on `self.rows` with the used columns.
    #[allow(clippy::cast_possible_truncation, reason = "the numbers are small")]
    pub fn grow(&mut self, gradients: &PackedGradients, used: &[bool]) -> BinTree {
        let sum = gradients.sum(&self.rows);
        let node = |sum, bounds, rows| SplitNode {
            options: self.options,
            sum,
            bounds,
            quanta: [gradients.gradient, gradients.hessian],
            rows: rows as f64 / hessian(sum).max(1.0),
        };
        let mut tree = BinTree::default();
        let free = [f64::NEG_INFINITY, f64::INFINITY];
        let root = node(sum, free, self.rows.len());
        tree.push(&root, 0.0);
        let mut histograms = self.histograms();
        histogram::build(self.matrix, &gradients.pairs, &self.rows, used, &mut histograms);
        let best = self.best(&root, used, &histograms);
        let all = 0..self.rows.len();
        let mut open = vec![OpenLeaf { node: 0, rows: all, depth: 0, sum, bounds: free, histograms, best }];
        let mut leaves = 1;
        while leaves < self.options.leaves.max(1) {
            let Some(at) = best_leaf(&open) else { break };
            let leaf = open.swap_remove(at);
            let Some(split) = leaf.best else { break };
            leaves += 1;
            let last = leaves >= self.options.leaves;
            let range = leaf.rows.clone();
            let middle = range.start + partition(self.matrix, &split, &mut self.rows[range], &mut self.other);
            let children = self.children(&leaf, &split, middle, &node);
            tree.nodes[leaf.node].split =
                Some((split, [tree.nodes.len() as u32, tree.nodes.len() as u32 + 1]));
            for child in &children {
                tree.push(&node(child.sum, child.bounds, child.rows.len()), split.l2);
            }
            let [mut left, mut right] = children;
            left.node = tree.nodes.len() - 2;
            right.node = tree.nodes.len() - 1;
            let deep = self.options.depth > 0 && left.depth >= self.options.depth;
            let small = left.rows.len().max(right.rows.len()) < 2 * self.options.leaf_rows;
            if last || deep || small {
                self.spare.push(leaf.histograms);
            } else {
                self.search(gradients, used, leaf.histograms, [&mut left, &mut right], &node);
            }
            open.extend([left, right]);
        }
        for leaf in open {
            tree.leaves.push((leaf.node, leaf.rows));
            if !leaf.histograms.is_empty() {
                self.spare.push(leaf.histograms);
            }
        }
        tree.leaves.sort_by_key(|(_, rows)| rows.start);
        tree
    }

    /// Children of a split leaf, without histograms. Under a monotone constraint the middle of their values bounds both.
    fn children(
        &self,
        leaf: &OpenLeaf,
        split: &SplitCandidate,
        middle: usize,
        node: &NodeOf<'_, 'a>,
    ) -> [OpenLeaf; 2] {
        let sums = [split.left, leaf.sum.wrapping_sub(split.left)];
        let mut bounds = [leaf.bounds; 2];
        let monotone = self.options.monotone.get(split.column).copied().unwrap_or(0);
        if monotone != 0 {
            let rows = leaf.rows.len();
            let values = sums.map(|sum| node(sum, leaf.bounds, rows).quantum_value(sum, split.l2));
            let between = f64::midpoint(values[0], values[1]);
            let (low, high) = if monotone > 0 { (0, 1) } else { (1, 0) };
            bounds[low][1] = between;
            bounds[high][0] = between;
        }
        let ranges = [leaf.rows.start..middle, middle..leaf.rows.end];
        let child = |side: usize| OpenLeaf {
            node: 0,
            rows: ranges[side].clone(),
            depth: leaf.depth + 1,
            sum: sums[side],
            bounds: bounds[side],
            histograms: Vec::new(),
            best: None,
        };
        [child(0), child(1)]
    }

    /// Finds the best splits of two children. The histograms of the larger one are the parent's less the smaller one's.
    fn search(
        &mut self,
        gradients: &PackedGradients,
        used: &[bool],
        mut parent: Vec<ColumnHistogram>,
        [left, right]: [&mut OpenLeaf; 2],
        node: &NodeOf<'_, 'a>,
    ) {
        let mut own = self.histograms();
        let (small, large) = if left.rows.len() <= right.rows.len() { (left, right) } else { (right, left) };
        let rows = &self.rows[small.rows.clone()];
        histogram::build(self.matrix, &gradients.pairs, rows, used, &mut own);
        histogram::subtract(self.matrix, &mut parent, &own);
        (small.histograms, large.histograms) = (own, parent);
        let find = |leaf: &OpenLeaf| {
            self.best(&node(leaf.sum, leaf.bounds, leaf.rows.len()), used, &leaf.histograms)
        };
        let bins: usize = self.matrix.columns.iter().map(super::bins::ColumnBins::count).sum();
        let found = if bins >= PARALLEL_BINS {
            let (small, large): (&OpenLeaf, &OpenLeaf) = (small, large);
            rayon::join(|| find(small), || find(large))
        } else {
            (find(small), find(large))
        };
        (small.best, large.best) = found;
    }

    /// Best split of a node over all used columns; the first of equal ones.
    fn best(
        &self,
        node: &SplitNode<'_>,
        used: &[bool],
        histograms: &[ColumnHistogram],
    ) -> Option<SplitCandidate> {
        let mut best: Option<SplitCandidate> = None;
        let columns = self.matrix.columns.iter().zip(used).zip(histograms).enumerate();
        for (column, ((bins, _), histogram)) in columns.filter(|(_, ((_, used), _))| **used) {
            let found = node.best(column, bins, histogram);
            if let Some(found) = found.filter(|found| best.is_none_or(|best| found.gain > best.gain)) {
                best = Some(found);
            }
        }
        best
    }

    fn histograms(&mut self) -> Vec<ColumnHistogram> {
        self.spare.pop().unwrap_or_else(|| vec![[0; MAX_BINS]; self.matrix.columns.len()])
    }
}

impl BinTree {
    fn push(&mut self, node: &SplitNode<'_>, l2: f64) {
        let cover = hessian(node.sum) * node.quanta[1];
        self.nodes.push(BinNode { split: None, value: node.value(node.sum, l2), cover });
    }
}

/// Moves the rows that go left to the front, in their order; returns their number. `other` is a buffer.
fn partition(matrix: &BinnedMatrix, split: &SplitCandidate, rows: &mut [u32], other: &mut [u32]) -> usize {
    let mut goes_left = [false; MAX_BINS];
    for (bin, left) in (0..=u8::MAX).zip(&mut goes_left) {
        *left = match split.rule {
            BinRuleSplit::UpTo(most) => bin <= most,
            BinRuleSplit::Set(set) => set.contains(bin),
        };
    }
    goes_left[usize::from(matrix.columns[split.column].missing())] = split.missing_left;
    let column = matrix.column(split.column);
    let other = &mut other[..rows.len()];
    let size = rows.len().div_ceil(rayon::current_num_threads());
    if rows.len() < PARALLEL_ROWS || size == rows.len() {
        let left = partition_part(column, &goes_left, rows, other);
        let right = &mut rows[left..];
        right.copy_from_slice(&other[..right.len()]);
        return left;
    }
    let parts = rows.par_chunks_mut(size).zip(other.par_chunks_mut(size));
    let counts: Vec<usize> =
        parts.map(|(rows, other)| partition_part(column, &goes_left, rows, other)).collect();
    let (mut left, all) = (0, counts.iter().sum::<usize>());
    let mut right_rows = Vec::with_capacity(rows.len() - all);
    for (start, count) in (0..rows.len()).step_by(size).zip(counts) {
        let length = size.min(rows.len() - start);
        rows.copy_within(start..start + count, left);
        right_rows.extend_from_slice(&other[start..start + length - count]);
        left += count;
    }
    rows[all..].copy_from_slice(&right_rows);
    all
}

/// Moves the rows that go left to the front of `rows`, and the others to that of `other`.
fn partition_part(
    column: BinColumn<'_>,
    goes_left: &[bool; MAX_BINS],
    rows: &mut [u32],
    other: &mut [u32],
) -> usize {
    let (mut left, mut right) = (0, 0);
    let other = &mut other[..rows.len()];
    for at in 0..rows.len() {
        let row = rows[at];
        let is_left = goes_left[usize::from(column.bin(row as usize))];
        // Both are written, so that no branch is mispredicted.
        rows[left] = row;
        other[right] = row;
        left += usize::from(is_left);
        right += usize::from(!is_left);
    }
    left
}

/// Leaf with the best split; the older one of equals.
#[allow(clippy::float_cmp, reason = "the values are exact")]
fn best_leaf(open: &[OpenLeaf]) -> Option<usize> {
    let mut best: Option<(f64, usize, usize)> = None;
    for (at, leaf) in open.iter().enumerate() {
        let Some(split) = &leaf.best else { continue };
        let better = |(gain, node, _): (f64, usize, usize)| {
            split.gain > gain || split.gain == gain && leaf.node < node
        };
        if best.is_none_or(better) {
            best = Some((split.gain, leaf.node, at));
        }
    }
    best.map(|(.., at)| at)
}
