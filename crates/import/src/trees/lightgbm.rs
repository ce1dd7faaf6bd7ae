//! Models of `LightGBM` 2.0 and later as text (`GBDT::SaveModelToString` and `Tree::ToString` of its source).

mod columns;
mod objective;
mod section;

use self::objective::Objective;
use self::section::{Section, sections};
use super::foreign::{
    FeatureKind, ForeignFeature, ForeignModel, ForeignNode, ForeignTest, ForeignTree, MOST_CLASSES,
};
use crate::error::Error;

/// Name in errors and packages.
const LIBRARY: &str = "LightGBM";
/// Bit of a split by categories.
const BY_CATEGORY: u8 = 1;
/// Bit of a split whose missing values go left.
const DEFAULT_LEFT: u8 = 2;

/// Parses a model.
pub(super) fn parse(bytes: &[u8]) -> Result<ForeignModel, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| invalid("it is not a text"))?;
    if !text.starts_with("tree") {
        return Err(invalid("it does not begin with `tree`"));
    }
    if !text.lines().any(|line| line == "end of trees") {
        return Err(invalid("it is cut off: it has no line `end of trees`"));
    }
    let (header, trees, after) = sections(text);
    let groups = header.number("num_tree_per_iteration").unwrap_or(1);
    if groups == 0 || groups > MOST_CLASSES || trees.len() % groups != 0 {
        return Err(invalid(format!("it has {} trees for {groups} outputs", trees.len())));
    }
    let objective = Objective::parse(header.get("objective").unwrap_or_default(), groups)?;
    let features = columns::features(&header, &trees, after)?;
    let mut scale = objective.factor;
    if header.get("average_output").is_some() {
        #[allow(clippy::cast_precision_loss, reason = "a count of trees")]
        let rounds = (trees.len() / groups).max(1) as f64;
        scale /= rounds;
    }
    let trees = trees.iter().enumerate();
    let trees = trees.map(|(index, tree)| foreign_tree(tree, &features, index % groups, scale));
    Ok(ForeignModel {
        library: LIBRARY,
        trees: trees.collect::<Result<_, _>>()?,
        features,
        bases: vec![0.0; groups],
        score: objective.score,
        notes: Vec::new(),
    })
}

fn invalid(why: impl Into<String>) -> Error {
    Error::invalid_file(LIBRARY, why, "save it again with `Booster.save_model`")
}

fn unsupported(key: &str, found: &str, remedy: &str) -> Error {
    Error::unsupported_key(LIBRARY, key, found, remedy)
}

fn not_a_tree() -> Error {
    invalid("its nodes are not trees")
}

/// Lists of a tree, each of the length that the number of leaves gives it.
struct TreeLists {
    split_feature: Vec<usize>,
    threshold: Vec<f64>,
    decision_type: Vec<u8>,
    children: [Vec<i64>; 2],
    leaf_value: Vec<f64>,
    /// Weights of inner nodes and of leaves; empty in files of old versions.
    covers: [Vec<f32>; 2],
    set_ends: Vec<usize>,
    sets: Vec<u32>,
}

impl TreeLists {
    fn read(tree: &Section<'_>) -> Result<Self, Error> {
        if tree.get("is_linear").is_some_and(|flag| flag != "0") {
            return Err(unsupported("linear_tree", "1", "train with `linear_tree=false`"));
        }
        let leaves = tree.number("num_leaves").filter(|leaves| *leaves > 0);
        let leaves = leaves.ok_or_else(|| invalid("a tree has no `num_leaves`"))?;
        let splits = leaves - 1;
        let has_sets = tree.number("num_cat").is_some_and(|count| count > 0);
        Ok(Self {
            split_feature: tree.list("split_feature", splits)?,
            threshold: tree.list("threshold", splits)?,
            decision_type: tree.list("decision_type", splits)?,
            children: [tree.list("left_child", splits)?, tree.list("right_child", splits)?],
            leaf_value: tree.list("leaf_value", leaves)?,
            covers: [
                tree.optional_list("internal_count", splits)?,
                tree.optional_list("leaf_count", leaves)?,
            ],
            set_ends: if has_sets { tree.any_list("cat_boundaries")? } else { Vec::new() },
            sets: if has_sets { tree.any_list("cat_threshold")? } else { Vec::new() },
        })
    }

    /// Words of a split by categories, whose index stands in place of its threshold.
    fn set(&self, threshold: f64) -> Option<Vec<u32>> {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index; the cast saturates"
        )]
        let index = threshold as usize;
        let (start, end) = (self.set_ends.get(index)?, self.set_ends.get(index.checked_add(1)?)?);
        self.sets.get(*start..*end).map(<[u32]>::to_vec)
    }
}

/// Tree whose leaves are multiplied by `scale`.
fn foreign_tree(
    tree: &Section<'_>,
    features: &[ForeignFeature],
    output: usize,
    scale: f64,
) -> Result<ForeignTree, Error> {
    let lists = TreeLists::read(tree)?;
    let (splits, count) = (lists.split_feature.len(), lists.split_feature.len() + lists.leaf_value.len());
    let [inner, leaves] = &lists.covers;
    // Inner nodes come first; a leaf `-1 - i` is node `splits + i`.
    let place = |child: i64| {
        let leaf =
            usize::try_from(child.checked_neg()? - 1).ok().filter(|leaf| *leaf < lists.leaf_value.len());
        usize::try_from(child).ok().filter(|inner| *inner < splits).or(leaf.map(|leaf| splits + leaf))
    };
    let node = |at: usize| {
        if let Some(leaf) = at.checked_sub(splits) {
            let value = lists.leaf_value.get(leaf).ok_or_else(not_a_tree)?;
            let cover = leaves.get(leaf).copied().unwrap_or(0.0);
            return Ok(ForeignNode::Leaf { value: value * scale, cover });
        }
        let [left, right] = [0, 1].map(|side| place(lists.children[side][at]).ok_or_else(not_a_tree));
        let (feature, kind) = (lists.split_feature[at], lists.decision_type[at]);
        let column = features.get(feature);
        let column =
            column.ok_or_else(|| invalid(format!("a split is on column {feature} of {}", features.len())))?;
        let (test, missing_left) = if kind & BY_CATEGORY == 0 {
            number_test(lists.threshold[at], kind, &column.kind)?
        } else {
            let set = lists.set(lists.threshold[at]);
            // A missing category is in no set.
            (
                ForeignTest::Among(set.ok_or_else(|| invalid("the categories of a split are not there"))?),
                false,
            )
        };
        let cover = inner.get(at).copied().unwrap_or(0.0);
        Ok(ForeignNode::Split { feature, test, left: left?, right: right?, missing_left, cover })
    };
    ForeignTree::ordered(output, 0, count, node, not_a_tree)
}

/// Test of a number, and `true` if missing values go left.
fn number_test(threshold: f64, kind: u8, column: &FeatureKind) -> Result<(ForeignTest, bool), Error> {
    if threshold.is_nan() {
        return Err(invalid("a threshold is not a number"));
    }
    if matches!(column, FeatureKind::Category(_)) {
        return Err(invalid("a category is compared with a threshold"));
    }
    // Values up to the threshold go left.
    let below = threshold.next_up();
    let default_left = kind & DEFAULT_LEFT != 0;
    Ok(match kind >> 2 {
        // Missing values count as zeros.
        0 => (ForeignTest::Below(below), threshold >= 0.0),
        1 => (ForeignTest::BelowWithoutZero(below), default_left),
        _ => (ForeignTest::Below(below), default_left),
    })
}
