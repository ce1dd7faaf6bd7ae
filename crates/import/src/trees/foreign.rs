//! Trees of another library, before their columns take their places in an example.

use cupola_trees::TreeScore;

use crate::error::Error;

/// Most columns of a model.
pub(super) const MOST_FEATURES: usize = 1 << 16;
/// Most classes of a model.
pub(super) const MOST_CLASSES: usize = 10_000;

/// Model of another library.
#[derive(Debug)]
pub(super) struct ForeignModel {
    /// Name of the library.
    pub library: &'static str,
    /// Columns in the order of their indices.
    pub features: Vec<ForeignFeature>,
    /// Score without trees, one per output.
    pub bases: Vec<f64>,
    /// Kind of the scores.
    pub score: TreeScore,
    pub trees: Vec<ForeignTree>,
    /// Remarks for whoever imports it, a sentence each.
    pub notes: Vec<String>,
}

/// Column of a model.
#[derive(Debug)]
pub(super) struct ForeignFeature {
    pub name: String,
    pub kind: FeatureKind,
}

impl ForeignFeature {
    /// `true` if the text of a category is not ASCII.
    pub fn has_foreign_letters(&self) -> bool {
        let FeatureKind::Category(values) = &self.kind else { return false };
        values.iter().filter_map(serde_json::Value::as_str).any(|text| !text.is_ascii())
    }
}

/// Number that the trees compare for a value of a column.
#[derive(Debug)]
pub(super) enum FeatureKind {
    /// The value as a 32-bit float.
    Single,
    /// The value as a 64-bit float.
    Double,
    /// The index of the value among these.
    Category(Vec<serde_json::Value>),
}

/// Tree of one output, parents before their children.
#[derive(Debug)]
pub(super) struct ForeignTree {
    pub output: usize,
    pub nodes: Vec<ForeignNode>,
}

/// Node of a tree.
#[derive(Debug, Clone)]
pub(super) enum ForeignNode {
    Split { feature: usize, test: ForeignTest, left: usize, right: usize, missing_left: bool, cover: f32 },
    Leaf { value: f64, cover: f32 },
}

/// Values that go left.
#[derive(Debug, Clone)]
pub(super) enum ForeignTest {
    /// Numbers below a threshold.
    Below(f64),
    /// Numbers below a threshold, but zeros go where missing values do.
    BelowWithoutZero(f64),
    /// Categories whose bit is set.
    Among(Vec<u32>),
}

impl ForeignTree {
    /// Tree with the root `root`, made of the nodes that can be reached from it. `node` gives a node with the indices
    /// of the file, `count` of them.
    ///
    /// # Errors
    /// The errors of `node`, and those of nodes that are not a tree.
    pub fn ordered(
        output: usize,
        root: usize,
        count: usize,
        node: impl Fn(usize) -> Result<ForeignNode, Error>,
        not_a_tree: impl Fn() -> Error,
    ) -> Result<Self, Error> {
        let mut seen = vec![false; count];
        let (mut order, mut nodes) = (vec![root], Vec::new());
        while let Some(&at) = order.get(nodes.len()) {
            if std::mem::replace(seen.get_mut(at).ok_or_else(&not_a_tree)?, true) {
                return Err(not_a_tree());
            }
            let mut found = node(at)?;
            if let ForeignNode::Split { left, right, .. } = &mut found {
                let next = order.len();
                order.extend([*left, *right]);
                (*left, *right) = (next, next + 1);
            }
            nodes.push(found);
        }
        Ok(Self { output, nodes })
    }
}
