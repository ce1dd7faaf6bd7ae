use std::ops::ControlFlow;

use cupola_prep::{Layout, Targets};
use cupola_spec::{Bagging, Block, TreesSpec};
use serde::Deserialize;

use super::*;
use crate::{Trees, TreesRows};

fn forest(trees: usize, examples: &Examples, targets: &[TreesTarget<'_>], seed: u64) -> Trees {
    let rows = TreesRows { train: examples, valid: None, monotone: &[] };
    let spec = TreesSpec::Forest(Bagging { trees, leaf: 1, depth: None, features: None });
    Trees::fit(&spec, rows, targets, seed, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn examples(columns: usize, values: &[f32]) -> Examples {
    let blocks = vec![Block::Table { numbers: columns, encoded: 0, indices: Vec::new() }];
    let mut examples = Examples::zeros(Layout { blocks }, values.len() / columns);
    examples.dense.copy_from_slice(values);
    examples
}

/// Scores of scikit-learn's forests over several seeds, from `scripts/golden/out_of_bag.py`.
#[derive(Deserialize)]
struct Golden {
    columns: usize,
    values: Vec<f32>,
    classes: Vec<i32>,
    numbers: Vec<f32>,
    trees: usize,
    accuracy: [f64; 2],
    r2: [f64; 2],
}

#[test]
fn scores_are_those_of_scikit_learn() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/out_of_bag.json")).unwrap();
    let examples = examples(golden.columns, &golden.values);
    let (classes, numbers) =
        (Targets::Class(golden.classes.clone()), Targets::Number(golden.numbers.clone()));
    let targets = [TreesTarget::from((&classes, 3)), TreesTarget::from((&numbers, 1))];
    let mean = golden.numbers.iter().map(|y| f64::from(*y)).sum::<f64>() / golden.numbers.len() as f64;
    let (mut accuracies, mut r2s) = (Vec::new(), Vec::new());
    for seed in 0..8 {
        let forest = forest(golden.trees, &examples, &targets, seed);
        let found = forest.out_of_bag(&examples, &targets, seed).unwrap();
        assert_eq!(found.rows.len(), examples.rows);
        let (mut right, mut off, mut spread) = (0.0, 0.0, 0.0);
        for (row, logits) in found.rows.iter().zip(found.logits.chunks(4)) {
            let best = (0..3).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap();
            right += f64::from(u8::from(best == golden.classes[*row] as usize));
            off += f64::from(logits[3] - golden.numbers[*row]).powi(2);
            spread += (f64::from(golden.numbers[*row]) - mean).powi(2);
        }
        accuracies.push(right / found.rows.len() as f64);
        r2s.push(1.0 - off / spread);
    }
    for (own, [expected, deviation]) in [(accuracies, golden.accuracy), (r2s, golden.r2)] {
        let own = own.iter().sum::<f64>() / own.len() as f64;
        // Four standard errors of a mean of eight.
        assert!((own - expected).abs() < 4.0 * deviation / 8.0_f64.sqrt(), "{own} {expected} {deviation}");
    }
}

#[test]
fn each_row_is_predicted_by_the_trees_that_have_not_drawn_it() {
    let values: Vec<f32> = (0..60_u16).map(|at| (f32::from(at) * 0.618).fract()).collect();
    let examples = examples(2, &values);
    let numbers: Vec<f32> = (0..30_u16).map(|at| (f32::from(at) * 0.414).fract()).collect();
    let numbers = Targets::Number(numbers);
    let targets = [TreesTarget::from((&numbers, 1))];
    let forest = forest(3, &examples, &targets, 5);
    let found = forest.out_of_bag(&examples, &targets, 5).unwrap();
    let drawn: Vec<Vec<u32>> = (0..3).map(|tree| drawn_rows(30, &mut TreeDraws::new(5, [0, tree]))).collect();
    let mut rows = Vec::new();
    for row in 0..30 {
        let unseen: Vec<f64> = (0..3)
            .filter(|tree| drawn[*tree][row] == 0)
            .map(|tree| forest.0.trees()[tree].predict(&values[2 * row..2 * row + 2]) * 3.0)
            .collect();
        if unseen.is_empty() {
            continue;
        }
        let mean = unseen.iter().sum::<f64>() / unseen.len() as f64;
        assert!((mean - f64::from(found.logits[rows.len()])).abs() < 1e-6, "row {row}");
        rows.push(row);
    }
    assert_eq!(found.rows, rows);
    assert!(rows.len() < 30, "three trees have drawn some rows all");
}
