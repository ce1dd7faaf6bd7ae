//! Decision trees as plain data, whatever library has grown them.

use serde::{Deserialize, Serialize};

/// Longest accepted path: explanations recurse along it.
const MAX_DEPTH: usize = 1_024;

/// Node of a [`PlainTree`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TreeNode {
    /// Rows go left if their value is below the threshold, and elsewhere if it is NaN.
    Split {
        /// Index of the feature.
        feature: usize,
        /// Least value that goes right.
        threshold: f64,
        /// Node of smaller values.
        left: usize,
        /// Node of all other values.
        right: usize,
        /// Node of NaN: `left`, `right` or a third one.
        missing: usize,
        /// Weight of the training rows that reached the node.
        cover: f64,
    },
    /// Rows go left if the set has their value, the index of a category, and elsewhere if it is NaN.
    CategorySplit {
        /// Index of the feature.
        feature: usize,
        /// First word of the set among those of the tree, and number of words; 32 categories a word.
        set: [u32; 2],
        /// Node of the categories of the set.
        left: usize,
        /// Node of all other values.
        right: usize,
        /// Node of NaN: `left`, `right` or a third one.
        missing: usize,
        /// Weight of the training rows that reached the node.
        cover: f64,
    },
    /// End of a path.
    Leaf {
        /// Prediction.
        value: f64,
        /// Weight of the training rows that reached the node.
        cover: f64,
    },
}

impl TreeNode {
    /// Weight of the training rows that reached the node.
    pub fn cover(&self) -> f64 {
        match *self {
            Self::Split { cover, .. } | Self::CategorySplit { cover, .. } | Self::Leaf { cover, .. } => cover,
        }
    }

    /// Children, each once; empty for a leaf.
    pub(super) fn children(&self) -> impl Iterator<Item = usize> {
        let (two, third) = match *self {
            Self::Split { left, right, missing, .. } | Self::CategorySplit { left, right, missing, .. } => {
                (Some([left, right]), Some(missing).filter(|missing| *missing != left && *missing != right))
            }
            Self::Leaf { .. } => (None, None),
        };
        two.into_iter().flatten().chain(third)
    }
}

/// Decision tree of binary splits, with at most one further branch for missing values.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainTree {
    nodes: Vec<TreeNode>,
    sets: Vec<u32>,
    depth: usize,
}

impl PlainTree {
    /// Tree whose root is the first node. `None` unless the nodes form one tree of at most 1,024 levels with finite
    /// values and covers of at least 0.
    pub fn new(nodes: Vec<TreeNode>) -> Option<Self> {
        Self::with_sets(nodes, Vec::new())
    }

    /// Tree with sets of categories: category `i` of a set is bit `i % 32` of its word `i / 32`. `None` as for
    /// [`PlainTree::new`], and for a set beyond the end of `sets`.
    pub fn with_sets(nodes: Vec<TreeNode>, sets: Vec<u32>) -> Option<Self> {
        let valid = |node: &TreeNode| match *node {
            TreeNode::CategorySplit { set: [start, words], cover, .. } => {
                start as usize + words as usize <= sets.len() && is_weight(cover)
            }
            TreeNode::Split { threshold, cover, .. } => !threshold.is_nan() && is_weight(cover),
            TreeNode::Leaf { value, cover } => value.is_finite() && is_weight(cover),
        };
        if nodes.is_empty() || !nodes.iter().all(valid) {
            return None;
        }
        let mut seen = vec![false; nodes.len()];
        let (mut open, mut depth) = (vec![(0, 0)], 0);
        while let Some((at, level)) = open.pop() {
            if level > MAX_DEPTH || std::mem::replace(seen.get_mut(at)?, true) {
                return None;
            }
            depth = depth.max(level);
            open.extend(nodes[at].children().map(|child| (child, level + 1)));
        }
        seen.iter().all(|seen| *seen).then_some(Self { nodes, sets, depth })
    }

    /// All nodes, the root first.
    pub fn nodes(&self) -> &[TreeNode] {
        &self.nodes
    }

    /// Number of splits on the longest path.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Prediction for the features of a row; a feature that the row lacks is missing.
    pub fn predict(&self, row: &[f64]) -> f64 {
        let mut at = 0;
        loop {
            match self.nodes[at] {
                TreeNode::Leaf { value, .. } => return value,
                _ => at = self.child(at, row).unwrap_or_default(),
            }
        }
    }

    /// Child that a row goes to; `None` for a leaf.
    pub(super) fn child(&self, at: usize, row: &[f64]) -> Option<usize> {
        let value = |feature: usize| row.get(feature).copied().unwrap_or(f64::NAN);
        let (value, goes_left, [left, right, missing]) = match self.nodes[at] {
            TreeNode::Split { feature, threshold, left, right, missing, .. } => {
                let value = value(feature);
                (value, value < threshold, [left, right, missing])
            }
            TreeNode::CategorySplit { feature, set, left, right, missing, .. } => {
                let value = value(feature);
                (value, self.contains(set, value), [left, right, missing])
            }
            TreeNode::Leaf { .. } => return None,
        };
        Some(if value.is_nan() {
            missing
        } else if goes_left {
            left
        } else {
            right
        })
    }

    /// `true` if the set has the category `value`.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    fn contains(&self, [start, words]: [u32; 2], value: f64) -> bool {
        (0.0..f64::from(words) * 32.0).contains(&value) && {
            let category = value as u32;
            self.sets[(start + category / 32) as usize] >> (category % 32) & 1 == 1
        }
    }

    /// Share of a node's training rows that went to `child`; equal shares if no row reached the node.
    pub(super) fn share(&self, at: usize, child: usize) -> f64 {
        let total: f64 = self.nodes[at].children().map(|child| self.nodes[child].cover()).sum();
        if total > 0.0 {
            self.nodes[child].cover() / total
        } else {
            1.0 / self.nodes[at].children().count().max(1) as f64
        }
    }

    /// Mean of the leaves, weighted by the shares of training rows.
    pub fn mean(&self) -> f64 {
        let mut sum = 0.0;
        let mut open = vec![(0, 1.0)];
        while let Some((at, weight)) = open.pop() {
            if let TreeNode::Leaf { value, .. } = self.nodes[at] {
                sum += weight * value;
            } else {
                let each = self.nodes[at].children();
                open.extend(each.map(|child| (child, weight * self.share(at, child))));
            }
        }
        sum
    }

    /// Allocated bytes.
    pub fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<TreeNode>() + self.sets.capacity() * size_of::<u32>()
    }
}

fn is_weight(cover: f64) -> bool {
    cover.is_finite() && cover >= 0.0
}

/// Sum of a constant, trees and a linear function: the score of one output.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AdditiveTrees {
    /// Constant.
    pub base: f64,
    /// Trees, whose values are added.
    pub trees: Vec<PlainTree>,
    /// Linear terms `(feature, mean of training, slope)`: `slope * (value - mean)`, and 0 for a value that is not finite.
    pub linear: Vec<(usize, f64, f64)>,
}

impl AdditiveTrees {
    /// Score of a row.
    pub fn score(&self, row: &[f64]) -> f64 {
        let trees: f64 = self.trees.iter().map(|tree| tree.predict(row)).sum();
        self.base + trees + self.linear_terms(row).map(|(_, term)| term).sum::<f64>()
    }

    /// Linear terms of a row by feature.
    pub(super) fn linear_terms<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = (usize, f64)> + 'a {
        self.linear.iter().map(|&(feature, mean, slope)| {
            let value = row.get(feature).copied().filter(|value| value.is_finite());
            (feature, value.map_or(0.0, |value| slope * (value - mean)))
        })
    }

    /// Allocated bytes.
    pub fn bytes(&self) -> usize {
        self.trees.iter().map(PlainTree::bytes).sum::<usize>() + self.linear.capacity() * 24
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(value: f64) -> TreeNode {
        TreeNode::Leaf { value, cover: 1.0 }
    }

    fn split([left, right, missing]: [usize; 3]) -> TreeNode {
        TreeNode::Split { feature: 0, threshold: 0.5, left, right, missing, cover: 2.0 }
    }

    #[test]
    fn only_trees_are_accepted() {
        assert!(PlainTree::new(vec![leaf(1.0)]).is_some());
        assert!(PlainTree::new(vec![split([1, 2, 1]), leaf(1.0), leaf(2.0)]).is_some());
        assert!(PlainTree::new(vec![split([1, 2, 3]), leaf(1.0), leaf(2.0), leaf(3.0)]).is_some());
        for nodes in [
            Vec::new(),
            vec![split([0, 1, 1]), leaf(1.0)],
            vec![split([1, 1, 1]), leaf(1.0)],
            vec![split([1, 9, 1]), leaf(1.0)],
            vec![leaf(1.0), leaf(2.0)],
            vec![leaf(f64::NAN)],
            vec![split([1, 2, 1]), split([2, 1, 1]), leaf(1.0)],
        ] {
            assert_eq!(PlainTree::new(nodes.clone()), None, "{nodes:?}");
        }
        let chain = |levels: usize| {
            let mut nodes = Vec::new();
            for level in 0..levels {
                nodes.extend([split([2 * level + 1, 2 * level + 2, 2 * level + 1]), leaf(0.0)]);
            }
            nodes.push(leaf(1.0));
            PlainTree::new(nodes)
        };
        assert_eq!(chain(1_000).map(|tree| tree.depth()), Some(1_000));
        assert!(chain(2_000).is_none());
    }

    #[test]
    fn rows_follow_thresholds_and_missing_values_their_branch() {
        let tree = PlainTree::new(vec![split([1, 2, 3]), leaf(1.0), leaf(2.0), leaf(6.0)]).unwrap();
        for (value, expected) in [(0.4, 1.0), (0.5, 2.0), (f64::NAN, 6.0), (f64::INFINITY, 2.0)] {
            assert!((tree.predict(&[value]) - expected).abs() < 1e-12);
        }
        assert!((tree.predict(&[]) - 6.0).abs() < 1e-12);
        assert!((tree.mean() - 3.0).abs() < 1e-12);
    }

    #[test]
    fn rows_follow_sets_of_categories() {
        let by_set =
            |set| TreeNode::CategorySplit { feature: 0, set, left: 1, right: 2, missing: 2, cover: 2.0 };
        let nodes = |set| vec![by_set(set), leaf(1.0), leaf(2.0)];
        let tree = PlainTree::with_sets(nodes([1, 2]), vec![u32::MAX, 0b101, 0b10]).unwrap();
        let right = [1.0, 32.0, 34.0, 64.0, 1e12, -1.0, f64::INFINITY, f64::NAN];
        for (value, expected) in
            [0.0, 2.0, 33.0].map(|value| (value, 1.0)).into_iter().chain(right.map(|value| (value, 2.0)))
        {
            assert!((tree.predict(&[value]) - expected).abs() < 1e-12, "{value}");
        }
        assert!(PlainTree::with_sets(nodes([1, 3]), vec![0; 3]).is_none());
        assert!(PlainTree::with_sets(nodes([u32::MAX, u32::MAX]), vec![0; 3]).is_none());
    }
}
