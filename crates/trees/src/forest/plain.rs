//! Forests as plain trees. smartcore keeps its nodes private, so they are read from its serialised form.

use cupola_eval::{AdditiveTrees, PlainTree, TreeNode};
use serde::Deserialize;

use super::{Forest, Output, Regressor};
use crate::error::Error;
use crate::plain::{PlainOutput, TreeScore, not_a_tree};

/// smartcore 0.7's `RandomForestRegressor`, field by field.
#[derive(Deserialize)]
struct RegressorFields {
    forest_regressor: Option<ForestFields>,
}

#[derive(Deserialize)]
struct ForestFields {
    trees: Option<Vec<TreeFields>>,
    #[serde(rename = "num_features")]
    _features: Option<usize>,
    #[serde(rename = "samples")]
    _samples: Option<Vec<Vec<bool>>>,
}

#[derive(Deserialize)]
struct TreeFields {
    nodes: Vec<NodeFields>,
    #[serde(rename = "parameters")]
    _parameters: Option<ParameterFields>,
    #[serde(rename = "depth")]
    _depth: u16,
    root_mass: f64,
}

#[derive(Deserialize)]
struct NodeFields {
    output: f64,
    split_feature: usize,
    split_value: Option<f64>,
    split_score: Option<f64>,
    true_child: Option<usize>,
    false_child: Option<usize>,
}

#[derive(Deserialize)]
struct ParameterFields {
    #[serde(rename = "max_depth")]
    _max_depth: Option<u16>,
    #[serde(rename = "min_samples_leaf")]
    _leaf: usize,
    #[serde(rename = "min_samples_split")]
    _split: usize,
    #[serde(rename = "seed")]
    _seed: Option<u64>,
    #[serde(rename = "splitter")]
    _splitter: SplitterField,
}

#[derive(Deserialize)]
enum SplitterField {
    Random,
    Best,
}

impl Forest {
    /// Number of input columns.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Plain trees of every output.
    pub(crate) fn plain_outputs(&self) -> Result<Vec<PlainOutput>, Error> {
        self.outputs.iter().map(Output::plain).collect()
    }
}

impl Output {
    fn plain(&self) -> Result<PlainOutput, Error> {
        let mut fields = Vec::new();
        for group in &self.groups {
            fields.extend(tree_fields(&group.forest)?);
        }
        let scale = 1.0 / fields.len().max(1) as f64;
        let trees = fields.iter().map(|tree| plain_tree(tree, scale).ok_or_else(not_a_tree));
        let trees = AdditiveTrees { trees: trees.collect::<Result<_, _>>()?, ..AdditiveTrees::default() };
        let score = if self.class { TreeScore::Probability } else { TreeScore::Number };
        Ok(PlainOutput { trees, score })
    }
}

fn tree_fields(forest: &Regressor) -> Result<Vec<TreeFields>, Error> {
    let invalid = |error: postcard::Error| Error::File { reason: error.to_string() };
    let bytes = postcard::to_allocvec(forest).map_err(invalid)?;
    let fields: RegressorFields = postcard::from_bytes(&bytes).map_err(invalid)?;
    Ok(fields.forest_regressor.and_then(|forest| forest.trees).unwrap_or_default())
}

/// Plain tree with values multiplied by `scale`; `None` for nodes that are not a tree.
fn plain_tree(tree: &TreeFields, scale: f64) -> Option<PlainTree> {
    let covers = covers(tree)?;
    let plain = |(node, cover): (&NodeFields, f64)| match (node.true_child, node.false_child) {
        (Some(left), Some(right)) => Some(TreeNode::Split {
            feature: node.split_feature,
            // smartcore sends a value to the left if it is at most the threshold.
            threshold: node.split_value?.next_up(),
            left,
            right,
            missing: right,
            cover,
        }),
        (None, None) => Some(TreeNode::Leaf { value: node.output * scale, cover }),
        _ => None,
    };
    PlainTree::new(tree.nodes.iter().zip(covers).map(plain).collect::<Option<_>>()?)
}

/// Training rows of each node. smartcore keeps those of the root and every node's mean, which is that of its children
/// weighted by their rows; the rows are whole numbers, so rounding makes them exact.
fn covers(tree: &TreeFields) -> Option<Vec<f64>> {
    let mut covers = vec![0.0; tree.nodes.len()];
    *covers.first_mut()? = tree.root_mass;
    // Children stand after their parent.
    for (at, node) in tree.nodes.iter().enumerate() {
        let (Some(left), Some(right)) = (node.true_child, node.false_child) else { continue };
        if left <= at || right <= at || left >= tree.nodes.len() || right >= tree.nodes.len() {
            return None;
        }
        let own = covers[at];
        // A split between equal means tells nothing of its shares; a split of a child may tell of the child's rows.
        let of_children = || rows_of_split(tree, left).or_else(|| Some(own - rows_of_split(tree, right)?));
        let rows = share_of_left(tree, node).map(|share| share * own).or_else(of_children);
        let rows = rows.unwrap_or(own / 2.0).round().min(own - 1.0).max(1.0).min(own);
        covers[left] = rows;
        covers[right] = own - rows;
    }
    Some(covers)
}

/// Share of a node's rows that go left; `None` for a leaf, and if both children have the same mean.
fn share_of_left(tree: &TreeFields, node: &NodeFields) -> Option<f64> {
    let (low, high) = (tree.nodes.get(node.true_child?)?.output, tree.nodes.get(node.false_child?)?.output);
    let scale = low.abs().max(high.abs());
    ((low - high).abs() > 1e-9 * scale).then(|| (node.output - high) / (low - high))
}

/// Rows of a node from the gain of its split, `rows * share * (1 - share) * (difference of the means)^2`.
fn rows_of_split(tree: &TreeFields, at: usize) -> Option<f64> {
    let node = tree.nodes.get(at)?;
    let share = share_of_left(tree, node)?;
    let difference = tree.nodes.get(node.true_child?)?.output - tree.nodes.get(node.false_child?)?.output;
    let rows = node.split_score? / (share * (1.0 - share) * difference * difference);
    rows.is_finite().then_some(rows)
}
