//! Tests against plain references and `LightGBM`, and of the properties that options promise.

mod lightgbm;
mod properties;
mod ranking;
mod reference;

use std::ops::ControlFlow;

use super::rounds::BoostedTarget;
use super::*;

/// Rows of numbers and categories with a target.
#[derive(Debug, Clone, Default)]
struct Rows {
    numbers: Vec<f32>,
    categories: Vec<i32>,
    values: Vec<f32>,
    weights: Vec<f32>,
}

impl Rows {
    fn table(&self) -> Table<'_> {
        Table { numbers: &self.numbers, categories: &self.categories, rows: self.values.len() }
    }

    fn labels(&self) -> Labels<'_> {
        Labels { values: &self.values, weights: &self.weights, groups: None }
    }

    /// Boosts all rounds, and the scores of the rows.
    fn boost(&self, objective: BoostObjective, options: &BoostOptions) -> (BoostedTarget, Vec<f64>) {
        let matrix = BinnedMatrix::fit(&self.table(), options.bins);
        let train = BoostRows { matrix: &matrix, labels: self.labels() };
        let found = boost(train, None, objective, options, &mut |_| ControlFlow::Continue(())).unwrap();
        let scores = scores(&found, &matrix);
        (found, scores)
    }
}

/// Scores of all rows: `[rows, width]`.
fn scores(found: &BoostedTarget, matrix: &BinnedMatrix) -> Vec<f64> {
    let width = found.base.len();
    let mut scores: Vec<f64> = found.base.iter().copied().cycle().take(width * matrix.rows).collect();
    let mut other = vec![0; matrix.rows];
    for (index, tree) in found.trees.iter().enumerate() {
        let mut rows: Vec<u32> = (0..).take(matrix.rows).collect();
        for (node, range) in tree.apply(matrix, &mut rows, &mut other) {
            let value = tree.nodes[node].value;
            rows[range].iter().for_each(|&row| scores[row as usize * width + index % width] += value);
        }
    }
    scores
}

/// Options of one round without any penalty or limit.
fn plain(leaves: usize) -> BoostOptions {
    BoostOptions {
        rounds: 1,
        learning_rate: 1.0,
        leaves,
        leaf_rows: 1,
        leaf_weight: 0.0,
        category_smoothing: 0.0,
        category_l2: 0.0,
        category_limit: 255,
        category_rows: 1,
        ..BoostOptions::default()
    }
}

/// Numbers in `[0, 1)` that follow from a seed.
fn draws(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    }
}
