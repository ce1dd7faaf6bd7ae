//! Accumulated local effects and partial dependence against `PyALE` and scikit-learn.

use std::convert::Infallible;

use serde::Deserialize;

use super::super::dependence::{dependence_grid, partial_dependence};
use super::super::tree::{AdditiveTrees, PlainTree, TreeNode};
use super::*;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    effects: Effects,
}

#[derive(Deserialize)]
struct Case {
    trees: Vec<Vec<TreeNode>>,
}

#[derive(Deserialize)]
struct Effects {
    rows: Vec<Vec<f64>>,
    grid: Vec<f64>,
    dependence: Vec<f64>,
    edges: Vec<f64>,
    ale: Vec<f64>,
    counts: Vec<f64>,
}

#[track_caller]
fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-9, "{found}, expected {expected}");
    }
}

#[test]
fn curves_are_those_of_scikit_learn_and_pyale() {
    let golden: Golden = serde_json::from_str(include_str!("../../golden/attribution.json")).unwrap();
    let trees = golden.cases[0].trees.iter().map(|nodes| PlainTree::new(nodes.clone()).unwrap()).collect();
    let forest = AdditiveTrees { trees, ..AdditiveTrees::default() };
    let Effects { rows, grid, dependence, edges, ale: expected, counts } = golden.effects;
    let predict = |values: &[f64]| {
        let score = |(row, value): (&Vec<f64>, &f64)| forest.score(&[&[*value], &row[1..]].concat());
        Ok::<_, Infallible>(rows.iter().zip(values).map(score).collect::<Vec<f64>>())
    };
    let values: Vec<f64> = rows.iter().map(|row| row[0]).collect();
    close(&dependence_grid(&values, grid.len(), [0.05, 0.95]), &grid);
    let mut at = |point: usize| predict(&vec![grid[point]; rows.len()]);
    close(&partial_dependence(grid.len(), &mut at).unwrap().mean, &dependence);
    let found = ale(&values, &edges, &mut |values: &[f64]| predict(values)).unwrap().unwrap();
    close(&found.effects, &expected);
    let found: Vec<f64> = found.counts.iter().map(|count| *count as f64).collect();
    close(&found, &counts[1..]);
}

#[test]
fn a_linear_effect_is_a_line_whatever_the_edges() {
    let values: Vec<f64> = (0..200).map(|row| f64::from(row * row) / 100.0).collect();
    let edges = AleCurve::quantile_edges(&values, 20);
    assert_eq!((edges.len(), edges[0], edges[20]), (21, 0.0, 396.01));
    let mut predict = |moved: &[f64]| Ok::<_, Infallible>(moved.iter().map(|x| 3.0 * x).collect());
    let curve = ale(&values, &edges, &mut predict).unwrap().unwrap();
    assert_eq!(curve.counts.iter().sum::<usize>(), 200);
    for (edges, effects) in edges.windows(2).zip(curve.effects.windows(2)) {
        assert!((effects[1] - effects[0] - 3.0 * (edges[1] - edges[0])).abs() < 1e-9);
    }
    assert_eq!(ale(&values, &[1.0], &mut predict).unwrap(), None);
    assert_eq!(ale(&[f64::NAN], &[1.0, 2.0], &mut predict).unwrap(), None);
    assert_eq!(AleCurve::quantile_edges(&[], 5), Vec::<f64>::new());
    assert_eq!(AleCurve::quantile_edges(&[2.0; 9], 5), [2.0]);
}
