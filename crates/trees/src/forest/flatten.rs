//! A grown tree as the plain tree of one output.

use super::grow::GrownNode;
use crate::error::Error;
use crate::{FlatNode, FlatTree, SplitRule};

/// Tree of one output of a target whose first output is `first`. Values are divided by the number of trees. A split
/// between equal values becomes a leaf: many splits between other classes are of no use to one.
pub(super) fn flat_tree(
    nodes: &[GrownNode],
    output: usize,
    first: usize,
    trees: usize,
) -> Result<FlatTree, Error> {
    let values = constant_values(nodes, output);
    // Indices of the nodes that stay, in the order of the new tree.
    let (mut order, mut flat) = (vec![0], Vec::new());
    while let Some(&at) = order.get(flat.len()) {
        let index = |next: usize| u32::try_from(next).unwrap_or(u32::MAX);
        flat.push(match (&nodes[at], values[at]) {
            (node, Some(value)) => FlatNode::Leaf { value: value / trees as f64, cover: cover(node) },
            (GrownNode::Split { column, threshold, left, right, missing_left, .. }, None) => {
                let next = order.len();
                order.extend([*left, *right]);
                FlatNode::Split {
                    feature: index(*column),
                    rule: SplitRule::Below(*threshold),
                    left: index(next),
                    right: index(next + 1),
                    missing_left: *missing_left,
                    cover: cover(&nodes[at]),
                }
            }
            (leaf @ GrownNode::Leaf { .. }, None) => FlatNode::Leaf { value: 0.0, cover: cover(leaf) },
        });
    }
    FlatTree::new(first + output, flat, Vec::new())
}

/// Value of all leaves below each node; `None` if they differ.
fn constant_values(nodes: &[GrownNode], output: usize) -> Vec<Option<f64>> {
    let mut values: Vec<Option<f64>> = vec![None; nodes.len()];
    // Children come after their parents.
    for (at, node) in nodes.iter().enumerate().rev() {
        values[at] = match node {
            GrownNode::Leaf { values, .. } => values.get(output).copied(),
            GrownNode::Split { left, right, .. } => {
                let same = |(a, b): &(f64, f64)| a.to_bits() == b.to_bits();
                values[*left].zip(values[*right]).filter(same).map(|(value, _)| value)
            }
        };
    }
    values
}

/// Weight of the rows of a node.
#[allow(clippy::cast_possible_truncation, reason = "a count of rows")]
fn cover(node: &GrownNode) -> f32 {
    match node {
        GrownNode::Split { weight, .. } | GrownNode::Leaf { weight, .. } => *weight as f32,
    }
}
