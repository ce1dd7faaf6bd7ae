//! One decision tree: nodes in an array, parents before their children.

use cupola_eval::{PlainTree, TreeNode};

use crate::error::Error;

/// Node of a [`FlatTree`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FlatNode {
    /// Inner node.
    Split {
        /// Column of the example.
        feature: u32,
        /// Values that go left.
        rule: SplitRule,
        /// Node of the values that the rule holds for.
        left: u32,
        /// Node of all other values.
        right: u32,
        /// `true` if missing values (NaN) go left.
        missing_left: bool,
        /// Weight of the training rows that reached the node; the sum of Hessians, or a number of rows.
        cover: f32,
    },
    /// End of a path.
    Leaf {
        /// Value that is added to the score.
        value: f64,
        /// Weight of the training rows that reached the node.
        cover: f32,
    },
}

/// Values that go to the left child.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SplitRule {
    /// Values below the threshold. An import of `value <= t` takes the next number above `t`.
    Below(f32),
    /// Categories of a set, whose value is their index: the bits from `start * 32` on of the tree's sets, `words * 32` of
    /// them. Other values, negative or beyond the set, go right.
    Within {
        /// First word of the set.
        start: u32,
        /// Number of words.
        words: u32,
    },
}

/// Decision tree of one output.
#[derive(Debug, Clone, PartialEq)]
pub struct FlatTree {
    output: u32,
    nodes: Vec<FlatNode>,
    sets: Vec<u32>,
}

impl FlatTree {
    /// Tree of an output whose root is the first node. `sets` are the bits of the sets of categories: bit `i % 32` of
    /// word `start + i / 32` for category `i`.
    ///
    /// # Errors
    /// [`Error::File`] unless every node but the root has one parent, which comes before it, and numbers are finite.
    pub fn new(output: usize, nodes: Vec<FlatNode>, sets: Vec<u32>) -> Result<Self, Error> {
        let invalid = |reason: &str| Error::File { reason: reason.to_owned() };
        let output = u32::try_from(output).map_err(|_| invalid("it has too many outputs"))?;
        let mut has_parent = vec![false; nodes.len()];
        for (index, node) in nodes.iter().enumerate() {
            if !node.is_finite() || !node.has_set(sets.len()) {
                return Err(invalid("a node has a number that is not finite, or a set that is not there"));
            }
            let FlatNode::Split { left, right, .. } = *node else { continue };
            for child in [left as usize, right as usize] {
                let first = child > index && has_parent.get(child) == Some(&false);
                if !first {
                    return Err(invalid("its nodes are not trees with parents before their children"));
                }
                has_parent[child] = true;
            }
        }
        if nodes.is_empty() || has_parent.iter().skip(1).any(|has| !has) {
            return Err(invalid("its nodes are not trees with parents before their children"));
        }
        Ok(Self { output, nodes, sets })
    }

    /// Output whose score the tree adds to.
    pub fn output(&self) -> usize {
        self.output as usize
    }

    /// All nodes, the root first.
    pub fn nodes(&self) -> &[FlatNode] {
        &self.nodes
    }

    /// Bits of the sets of categories.
    pub fn sets(&self) -> &[u32] {
        &self.sets
    }

    /// Number of columns that an example needs at least.
    pub fn columns(&self) -> usize {
        self.nodes.iter().map(FlatNode::columns).max().unwrap_or(0)
    }

    /// Value of the leaf that a row reaches.
    pub fn predict(&self, row: &[f32]) -> f64 {
        let mut at = 0;
        loop {
            match self.nodes[at] {
                FlatNode::Leaf { value, .. } => return value,
                FlatNode::Split { feature, rule, left, right, missing_left, .. } => {
                    let value = row[feature as usize];
                    let goes_left = match rule {
                        SplitRule::Below(threshold) => value < threshold || missing_left && value.is_nan(),
                        SplitRule::Within { .. } if value.is_nan() => missing_left,
                        SplitRule::Within { start, words } => self.contains(start, words, value),
                    };
                    at = if goes_left { left } else { right } as usize;
                }
            }
        }
    }

    /// `true` if the set has the category `value`.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    fn contains(&self, start: u32, words: u32, value: f32) -> bool {
        let inside = value >= 0.0 && f64::from(value) < f64::from(words) * 32.0;
        inside && {
            let category = value as u32;
            self.sets[(start + category / 32) as usize] >> (category % 32) & 1 == 1
        }
    }

    /// The same tree for explanations; `None` if it is too deep.
    pub(crate) fn plain(&self) -> Option<PlainTree> {
        let nodes = self.nodes.iter().map(|node| match *node {
            FlatNode::Leaf { value, cover } => TreeNode::Leaf { value, cover: f64::from(cover) },
            FlatNode::Split { feature, rule, left, right, missing_left, cover } => {
                let (feature, cover) = (feature as usize, f64::from(cover));
                let (left, right) = (left as usize, right as usize);
                let missing = if missing_left { left } else { right };
                match rule {
                    SplitRule::Below(threshold) => {
                        let threshold = f64::from(threshold);
                        TreeNode::Split { feature, threshold, left, right, missing, cover }
                    }
                    SplitRule::Within { start, words } => {
                        TreeNode::CategorySplit { feature, set: [start, words], left, right, missing, cover }
                    }
                }
            }
        });
        PlainTree::with_sets(nodes.collect(), self.sets.clone())
    }
}

impl FlatNode {
    fn is_finite(&self) -> bool {
        match *self {
            Self::Leaf { value, cover } => value.is_finite() && cover >= 0.0 && cover.is_finite(),
            Self::Split { rule, cover, .. } => {
                let threshold = !matches!(rule, SplitRule::Below(threshold) if threshold.is_nan());
                threshold && cover >= 0.0 && cover.is_finite()
            }
        }
    }

    /// `true` unless the set of the node reaches beyond `words` words.
    fn has_set(&self, all: usize) -> bool {
        let Self::Split { rule: SplitRule::Within { start, words }, .. } = *self else { return true };
        start as usize + words as usize <= all
    }

    fn columns(&self) -> usize {
        match *self {
            Self::Split { feature, .. } => feature as usize + 1,
            Self::Leaf { .. } => 0,
        }
    }
}
