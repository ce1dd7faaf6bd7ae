//! Rounds of boosting (Friedman 2001) with early stopping.

use std::ops::ControlFlow;

use rayon::prelude::*;

use super::grower::{BinTree, LeafRows, TreeGrower};
use super::histogram::PackedGradients;
use super::matrix::BinnedMatrix;
use super::objective::{BoostObjective, Labels, weighted_quantile};
use super::options::BoostOptions;

/// Binned rows with their targets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BoostRows<'a> {
    pub matrix: &'a BinnedMatrix,
    pub labels: Labels<'a>,
}

/// Result of boosting one target.
#[derive(Debug, Default)]
pub(crate) struct BoostedTarget {
    /// Score of each output without trees.
    pub base: Vec<f64>,
    /// Trees of all rounds, `base.len()` a round, up to the best round.
    pub trees: Vec<BinTree>,
}

/// Boosts one target. `round` receives the number of rounds done; `None` if it breaks.
pub(crate) fn boost(
    train: BoostRows<'_>,
    valid: Option<BoostRows<'_>>,
    objective: BoostObjective,
    options: &BoostOptions,
    round: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Option<BoostedTarget> {
    let mut state = Boosting::new(train, valid, objective, options);
    let (mut best, mut best_trees) = (f64::INFINITY, 0);
    for done in 0..options.rounds {
        // Inside the pool, small parallel steps do not wake a thread each.
        let (grown, loss) = rayon::scope(|_| state.round(done));
        if !grown {
            break;
        }
        if round(done + 1).is_break() {
            return None;
        }
        if loss.is_none_or(|loss| loss < best) {
            best = loss.unwrap_or(best);
            best_trees = state.trees.len();
        } else if options.patience > 0
            && state.trees.len() - best_trees >= options.patience * objective.width()
        {
            break;
        }
    }
    state.trees.truncate(best_trees);
    Some(BoostedTarget { base: state.base, trees: state.trees })
}

/// State between rounds.
struct Boosting<'a> {
    train: BoostRows<'a>,
    valid: Option<(BoostRows<'a>, Vec<f64>)>,
    objective: BoostObjective,
    options: &'a BoostOptions,
    base: Vec<f64>,
    /// Scores of the training rows: `[rows, width]`.
    scores: Vec<f64>,
    pairs: Vec<[f32; 2]>,
    growers: Vec<(TreeGrower<'a>, PackedGradients)>,
    trees: Vec<BinTree>,
    /// Buffers of rows.
    rows: [Vec<u32>; 2],
}

impl<'a> Boosting<'a> {
    fn new(
        train: BoostRows<'a>,
        valid: Option<BoostRows<'a>>,
        objective: BoostObjective,
        options: &'a BoostOptions,
    ) -> Self {
        let base = objective.base(&train.labels);
        let scores = |rows: usize| base.iter().copied().cycle().take(rows * base.len()).collect();
        let threads = rayon::current_num_threads().min(base.len());
        let grower = || (TreeGrower::new(train.matrix, options), PackedGradients::default());
        Self {
            valid: valid.map(|valid| (valid, scores(valid.matrix.rows))),
            scores: scores(train.matrix.rows),
            pairs: vec![[0.0; 2]; train.matrix.rows * base.len()],
            growers: std::iter::repeat_with(grower).take(threads).collect(),
            trees: Vec::new(),
            rows: [Vec::new(), Vec::new()],
            train,
            objective,
            options,
            base,
        }
    }

    /// Grows one tree for each output. `false` if none has a split; the loss on the validation rows.
    fn round(&mut self, round: usize) -> (bool, Option<f64>) {
        self.objective.gradients(&self.scores, &self.train.labels, &mut self.pairs);
        let width = self.base.len();
        let rows = self.options.sampled_rows(round, self.train.matrix.rows);
        let used = self.options.sampled_columns(round, self.train.matrix.columns.len());
        let constant = self.objective.has_constant_hessian() && self.train.labels.weights.is_empty();
        let mut splits = false;
        let threads = self.growers.len();
        for first in (0..width).step_by(threads) {
            let pairs = &self.pairs;
            let outputs = self.growers.par_iter_mut().zip(first..width.min(first + threads));
            let grown: Vec<BinTree> = outputs
                .map(|((grower, packed), output)| {
                    grower.rows.clone_from(&rows);
                    packed.pack(pairs, [output, width], &rows, constant);
                    grower.grow(packed, &used)
                })
                .collect();
            for (index, mut tree) in grown.into_iter().enumerate() {
                let output = first + index;
                splits |= tree.nodes.len() > 1;
                self.finish_leaves(&mut tree, index, output);
                self.add_to_train(&tree, index, output);
                self.add_to_valid(&tree, output);
                tree.leaves = Vec::new();
                self.trees.push(tree);
            }
        }
        let loss = |(valid, scores): &(BoostRows<'_>, Vec<f64>)| self.objective.loss(scores, &valid.labels);
        (splits, self.valid.as_ref().map(loss))
    }

    /// Applies the learning rate; before it, the leaves of a quantile become that of their residuals.
    fn finish_leaves(&self, tree: &mut BinTree, grower: usize, output: usize) {
        let width = self.base.len();
        if let Some(level) = self.objective.leaf_quantile() {
            let rows = &self.growers[grower].0.rows;
            let labels = self.train.labels;
            let value = |(_, range): &LeafRows| {
                let residual = |&row: &u32| {
                    let row = row as usize;
                    let value = f64::from(labels.values[row]) - self.scores[row * width + output];
                    (value, labels.weights.get(row).map_or(1.0, |&weight| f64::from(weight)))
                };
                weighted_quantile(&mut rows[range.clone()].iter().map(residual).collect::<Vec<_>>(), level)
            };
            let values: Vec<f64> = tree.leaves.par_iter().map(value).collect();
            tree.leaves.iter().zip(values).for_each(|((node, _), value)| tree.nodes[*node].value = value);
        }
        tree.nodes.iter_mut().for_each(|node| node.value *= self.options.learning_rate);
    }

    fn add_to_train(&mut self, tree: &BinTree, grower: usize, output: usize) {
        let width = self.base.len();
        if self.options.rows >= 1.0 {
            let rows = &self.growers[grower].0.rows;
            add_leaves(tree, &tree.leaves, rows, &mut self.scores[output..], width);
        } else {
            let leaves = apply_to_all(tree, self.train.matrix, &mut self.rows);
            add_leaves(tree, &leaves, &self.rows[0], &mut self.scores[output..], width);
        }
    }

    fn add_to_valid(&mut self, tree: &BinTree, output: usize) {
        let Some((valid, scores)) = &mut self.valid else { return };
        let leaves = apply_to_all(tree, valid.matrix, &mut self.rows);
        add_leaves(tree, &leaves, &self.rows[0], &mut scores[output..], self.base.len());
    }
}

/// Leaves of all rows of a matrix.
pub(crate) fn apply_to_all(
    tree: &BinTree,
    matrix: &BinnedMatrix,
    [rows, other]: &mut [Vec<u32>; 2],
) -> Vec<LeafRows> {
    rows.clear();
    rows.extend((0..).take(matrix.rows));
    other.resize(other.len().max(matrix.rows), 0);
    tree.apply(matrix, rows, other)
}

/// Adds the values of leaves to the scores of their rows, of which every `width`th belongs to the output.
pub(crate) fn add_leaves(
    tree: &BinTree,
    leaves: &[LeafRows],
    rows: &[u32],
    scores: &mut [f64],
    width: usize,
) {
    for (node, range) in leaves {
        let value = tree.nodes[*node].value;
        rows[range.clone()].iter().for_each(|&row| scores[row as usize * width] += value);
    }
}
