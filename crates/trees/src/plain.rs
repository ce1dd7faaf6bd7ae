//! Boosted trees and forests as plain trees, for explanations.

use cupola_eval::{AdditiveTrees, PlainTree, TreeNode};
use cupola_prep::Examples;
use perpetual::PerpetualBooster;
use perpetual::node::Node;

use crate::Trees;
use crate::boosted::Boosted;
use crate::columns::{by_column, check_width, is_multiclass, width_of};
use crate::error::Error;

/// Quantity that the plain trees of an output sum to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeScore {
    /// Standardised number, which is the logit.
    Number,
    /// Log odds: of the second of two classes, where it is the logit, or of one class against the rest, where the logit
    /// is the logarithm of its probability.
    LogOdds,
    /// Probability of a class, whose logit a forest takes afterwards.
    Probability,
}

/// Plain trees of one output. Features are the real values of an example, then its indices.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainOutput {
    /// Trees, whose sum is the score.
    pub trees: AdditiveTrees,
    /// Kind of the score.
    pub score: TreeScore,
}

impl Trees {
    /// Plain trees of every output.
    ///
    /// # Errors
    /// [`Error::File`] if a tree of the file is not a tree, or has splits that this crate does not fit.
    pub fn plain_outputs(&self) -> Result<Vec<PlainOutput>, Error> {
        match self {
            Self::Boosted(trees) => trees.plain_outputs(),
            Self::Forest(forest) => forest.plain_outputs(),
        }
    }

    /// Features of each example, in the order of the plain trees.
    ///
    /// # Errors
    /// [`Error::Columns`] if the examples have other columns than those of the fit.
    pub fn features(&self, examples: &Examples) -> Result<Vec<Vec<f64>>, Error> {
        check_width(self.columns(), examples)?;
        let (width, rows) = (width_of(examples), examples.rows);
        let values = by_column(examples);
        Ok((0..rows).map(|row| (0..width).map(|column| values[column * rows + row]).collect()).collect())
    }

    fn columns(&self) -> usize {
        match self {
            Self::Boosted(trees) => trees.columns,
            Self::Forest(forest) => forest.columns(),
        }
    }
}

impl Boosted {
    fn plain_outputs(&self) -> Result<Vec<PlainOutput>, Error> {
        let each = self.ensembles.iter().zip(self.is_class());
        each.map(|(booster, class)| {
            let score = if class { TreeScore::LogOdds } else { TreeScore::Number };
            Ok(PlainOutput { trees: additive(booster)?, score })
        })
        .collect()
    }

    /// For each ensemble, `true` if it scores a class.
    fn is_class(&self) -> Vec<bool> {
        let log_loss = |booster: &PerpetualBooster| {
            matches!(booster.cfg.objective, perpetual::objective::Objective::LogLoss)
        };
        let several = if self.widths.is_empty() {
            vec![self.ensembles.len() > 1; self.ensembles.len()]
        } else {
            is_multiclass(&self.widths)
        };
        self.ensembles.iter().zip(several).map(|(booster, several)| several || log_loss(booster)).collect()
    }
}

/// Trees, base score and linear part of one ensemble.
fn additive(booster: &PerpetualBooster) -> Result<AdditiveTrees, Error> {
    let trees = booster.get_prediction_trees().iter().map(|tree| {
        let mut nodes: Vec<&Node> = tree.nodes.values().collect();
        nodes.sort_unstable_by_key(|node| node.num);
        let plain: Option<Vec<TreeNode>> = nodes.iter().map(|node| plain_node(node, &nodes)).collect();
        plain.and_then(PlainTree::new).ok_or_else(not_a_tree)
    });
    let mut base = booster.base_score;
    let mut linear = Vec::new();
    if let Some(head) = &booster.regression_head {
        base += head.blend_weight * head.intercept;
        let scales = head.feature_means.iter().zip(&head.feature_scales).zip(&head.coefficients);
        linear.extend(scales.enumerate().map(|(feature, ((mean, scale), coefficient))| {
            (feature, *mean, head.blend_weight * coefficient / scale)
        }));
    }
    Ok(AdditiveTrees { base, trees: trees.collect::<Result<_, _>>()?, linear })
}

/// Node with places in the sorted list in place of numbers. `None` for a split by sets of categories, or a child that
/// is not there.
fn plain_node(node: &Node, sorted: &[&Node]) -> Option<TreeNode> {
    let cover = f64::from(node.hessian_sum.max(0.0));
    if node.is_leaf {
        return Some(TreeNode::Leaf { value: f64::from(node.weight_value), cover });
    }
    let place = |number: usize| sorted.binary_search_by_key(&number, |node| node.num).ok();
    node.left_cats.is_none().then_some(TreeNode::Split {
        feature: node.split_feature,
        threshold: node.split_value,
        left: place(node.left_child)?,
        right: place(node.right_child)?,
        missing: place(node.missing_node)?,
        cover,
    })
}

/// Error of trees that are none.
pub(crate) fn not_a_tree() -> Error {
    Error::File { reason: "its nodes are not trees of numeric splits".to_owned() }
}
