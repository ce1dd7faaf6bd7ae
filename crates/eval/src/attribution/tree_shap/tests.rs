//! Shapley values against `shap` and against the definition.

use serde::Deserialize;

use super::super::tree::{AdditiveTrees, PlainTree, TreeNode};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    base: f64,
    trees: Vec<Vec<TreeNode>>,
    /// `null` for a missing value.
    rows: Vec<Vec<Option<f64>>>,
    expected: f64,
    shapley: Vec<Vec<f64>>,
    scores: Vec<f64>,
}

fn trees(case: &Case) -> AdditiveTrees {
    let trees = case.trees.iter().map(|nodes| PlainTree::new(nodes.clone()).unwrap()).collect();
    AdditiveTrees { base: case.base, trees, linear: Vec::new() }
}

fn rows(case: &Case) -> impl Iterator<Item = Vec<f64>> + '_ {
    case.rows.iter().map(|row| row.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

#[track_caller]
fn close(what: &str, found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance * expected.abs().max(1.0),
        "{what}: {found}, expected {expected}"
    );
}

#[test]
fn values_are_those_of_shap() {
    let golden: Golden = serde_json::from_str(include_str!("../../golden/attribution.json")).unwrap();
    assert!(golden.cases.len() >= 4);
    for case in &golden.cases {
        let trees = trees(case);
        close(&case.name, trees.expected(), case.expected, 1e-6);
        for ((row, expected), score) in rows(case).zip(&case.shapley).zip(&case.scores) {
            let found = trees.shapley(&row, row.len(), &mut || true).unwrap();
            close(&case.name, trees.score(&row), *score, 1e-6);
            for (feature, (found, expected)) in found.iter().zip(expected).enumerate() {
                close(&format!("{} feature {feature}", case.name), *found, *expected, 1e-6);
            }
            // Exact up to rounding, whatever `shap` says.
            close(&case.name, trees.expected() + found.iter().sum::<f64>(), trees.score(&row), 1e-10);
        }
    }
}

/// Mean prediction of a tree if only the features of `known` are known.
fn conditional(tree: &PlainTree, at: usize, row: &[f64], known: u32) -> f64 {
    match tree.nodes()[at] {
        TreeNode::Leaf { value, .. } => value,
        TreeNode::Split { feature, .. } | TreeNode::CategorySplit { feature, .. }
            if known >> feature & 1 == 1 =>
        {
            conditional(tree, tree.child(at, row).unwrap(), row, known)
        }
        TreeNode::Split { .. } | TreeNode::CategorySplit { .. } => tree.nodes()[at]
            .children()
            .map(|child| tree.share(at, child) * conditional(tree, child, row, known))
            .sum(),
    }
}

/// Shapley values by their definition, a sum over all subsets.
fn by_definition(tree: &PlainTree, row: &[f64]) -> Vec<f64> {
    let count = row.len();
    let factorial = |n: usize| (1..=n).map(|i| i as f64).product::<f64>();
    let value = |feature: usize| {
        let others = (0..1_u32 << count).filter(|set| set >> feature & 1 == 0);
        others
            .map(|set| {
                let size = set.count_ones() as usize;
                let weight = factorial(size) * factorial(count - size - 1) / factorial(count);
                let gain = conditional(tree, 0, row, set | 1 << feature) - conditional(tree, 0, row, set);
                weight * gain
            })
            .sum()
    };
    (0..count).map(value).collect()
}

/// A tree with three branches, a split by a set, a feature twice on a path, and a branch that no training row took.
fn odd_tree() -> PlainTree {
    let split = |feature, threshold, [left, right, missing]: [usize; 3], cover| TreeNode::Split {
        feature,
        threshold,
        left,
        right,
        missing,
        cover,
    };
    let leaf = |value, cover| TreeNode::Leaf { value, cover };
    let by_set =
        TreeNode::CategorySplit { feature: 1, set: [0, 1], left: 4, right: 5, missing: 5, cover: 6.0 };
    let nodes = vec![
        split(0, 0.0, [1, 2, 3], 10.0),
        by_set,
        split(0, 2.0, [6, 7, 6], 3.0),
        leaf(9.0, 1.0),
        split(0, -1.0, [8, 9, 8], 4.0),
        leaf(-2.0, 2.0),
        split(2, 0.0, [10, 11, 10], 3.0),
        leaf(5.0, 0.0),
        leaf(1.5, 1.0),
        leaf(0.5, 3.0),
        leaf(7.0, 2.0),
        leaf(-3.0, 1.0),
    ];
    PlainTree::with_sets(nodes, vec![0b1001]).unwrap()
}

#[test]
fn values_are_those_of_the_definition() {
    let tree = odd_tree();
    let values = [-2.0, -0.5, 0.5, 3.0, f64::NAN];
    for index in 0..125 {
        let row = [values[index % 5], values[index / 5 % 5], values[index / 25]];
        let trees = AdditiveTrees { trees: vec![tree.clone()], ..AdditiveTrees::default() };
        let found = trees.shapley(&row, 3, &mut || true).unwrap();
        for (found, expected) in found.iter().zip(by_definition(&tree, &row)) {
            close(&format!("{row:?}"), *found, expected, 1e-12);
        }
    }
}

#[test]
fn linear_terms_belong_to_their_feature_and_an_explanation_can_be_stopped() {
    let trees =
        AdditiveTrees { base: 1.0, trees: vec![odd_tree()], linear: vec![(1, 2.0, 0.5), (2, 0.0, 3.0)] };
    let row = [0.5, 6.0, f64::NAN];
    let found = trees.shapley(&row, 3, &mut || true).unwrap();
    close("sum", trees.expected() + found.iter().sum::<f64>(), trees.score(&row), 1e-12);
    let bare = AdditiveTrees { linear: Vec::new(), ..trees.clone() };
    close("linear", found[1] - bare.shapley(&row, 3, &mut || true).unwrap()[1], 2.0, 1e-12);
    assert_eq!(trees.shapley(&row, 3, &mut || false), None);
}

#[test]
fn steps_are_squares_of_the_features_of_a_path_at_leaves_and_multiples_at_splits() {
    let trees = AdditiveTrees { trees: vec![odd_tree(), odd_tree()], ..AdditiveTrees::default() };
    // Splits: 4 for the root, 8 three times with one feature above them, 12 with two. Leaves: 4 twice, 9 five times.
    close("steps", trees.shapley_steps(), 2.0 * 93.0, 1e-12);
}
