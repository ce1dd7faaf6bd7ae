//! Models of `XGBoost` 1.0 and later as JSON or UBJSON
//! (<https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html>).

mod document;
mod objective;
mod ubjson;

use serde_json::Value;

use self::document::{CategoryValues, Document, Learner, TreeArrays, TreeModel};
use self::objective::{base_margins, score};
use super::foreign::{
    FeatureKind, ForeignFeature, ForeignModel, ForeignNode, ForeignTest, ForeignTree, MOST_CLASSES,
    MOST_FEATURES,
};
use crate::error::Error;

/// Name in errors and packages.
const LIBRARY: &str = "XGBoost";
/// Remedy for a damaged file.
const RESTORE: &str = "save it again with `save_model`";

/// Parses a model.
pub(super) fn parse(bytes: &[u8]) -> Result<ForeignModel, Error> {
    let learner = Document::parse(bytes)?.learner;
    let (model, weights) = learner.booster()?;
    let (stated, found) = (model.gbtree_model_param.number("num_trees"), model.trees.len());
    if stated.is_some_and(|stated| stated != found) {
        return Err(invalid(format!(
            "it has {found} trees and says that it has {}",
            stated.unwrap_or_default()
        )));
    }
    let groups = learner.groups()?;
    if groups > MOST_CLASSES {
        return Err(invalid(format!("it has {groups} classes; at most {MOST_CLASSES} are supported")));
    }
    let features = features(&learner, model)?;
    let mut notes = Vec::new();
    if features.iter().any(ForeignFeature::has_foreign_letters) {
        let why = "XGBoost 3.2 cuts the names of pandas' categories if one of them is not ASCII";
        notes.push(format!("{why}: compare those of the signature with yours"));
    }
    let count = used_trees(&learner, model, groups, &mut notes)?;
    let mut trees = Vec::with_capacity(count);
    for (index, tree) in model.trees.iter().take(count).enumerate() {
        let weight = match weights {
            Some(weights) => *weights.get(index).ok_or_else(|| invalid("a tree of DART has no weight"))?,
            None => 1.0,
        };
        let output = model.tree_info.get(index).copied().unwrap_or(0);
        trees.push(foreign_tree(tree, &features, output, weight)?);
    }
    let bases = base_margins(&learner, groups)?;
    Ok(ForeignModel { library: LIBRARY, features, bases, score: score(&learner, groups)?, trees, notes })
}

fn invalid(why: impl Into<String>) -> Error {
    Error::invalid_file(LIBRARY, why, RESTORE)
}

fn unsupported(key: &str, found: &str, remedy: &str) -> Error {
    Error::unsupported_key(LIBRARY, key, found, remedy)
}

/// Columns with their names, or `f0`, `f1` and so on.
fn features(learner: &Learner, model: &TreeModel) -> Result<Vec<ForeignFeature>, Error> {
    let count = learner.learner_model_param.number("num_feature").unwrap_or(learner.feature_names.len());
    if count > MOST_FEATURES {
        return Err(invalid(format!("it has {count} columns; at most {MOST_FEATURES} are supported")));
    }
    if !learner.feature_names.is_empty() && learner.feature_names.len() != count {
        return Err(invalid(format!("it has {count} columns and {} names", learner.feature_names.len())));
    }
    let values = model.cats.as_ref().map(|cats| cats.enc.as_slice()).unwrap_or_default();
    let feature = |index: usize| {
        let name = learner.feature_names.get(index).cloned().unwrap_or_else(|| format!("f{index}"));
        let is_category = learner.feature_types.get(index).is_some_and(|kind| kind == "c");
        let values = values.get(index).filter(|_| is_category);
        // Without values, the numbers of the categories are the values.
        let kind = match values {
            Some(values) => FeatureKind::Category(category_values(values)?),
            None => FeatureKind::Single,
        };
        Ok(ForeignFeature { name, kind })
    };
    (0..count).map(feature).collect()
}

fn category_values(values: &CategoryValues) -> Result<Vec<Value>, Error> {
    let Some(offsets) = &values.offsets else { return Ok(values.values.clone()) };
    let byte = |value: &Value| {
        let byte = value.as_i64().and_then(|byte| u8::try_from(byte & 0xff).ok());
        byte.ok_or_else(|| invalid("a name of a category has values that are not bytes"))
    };
    let bytes: Vec<u8> = values.values.iter().map(byte).collect::<Result<_, _>>()?;
    let text = |pair: &[usize]| {
        let text = bytes.get(pair[0]..pair[1]).and_then(|bytes| std::str::from_utf8(bytes).ok());
        text.map(Value::from).ok_or_else(|| invalid("a name of a category is not a text"))
    };
    offsets.windows(2).map(text).collect()
}

/// Number of trees until the best iteration, which scikit-learn's interface uses too.
fn used_trees(
    learner: &Learner,
    model: &TreeModel,
    groups: usize,
    notes: &mut Vec<String>,
) -> Result<usize, Error> {
    let all = model.trees.len();
    let Some(best) = learner.attributes.get("best_iteration") else { return Ok(all) };
    let best: usize = best.parse().map_err(|_| invalid("`best_iteration` is not a number"))?;
    let rounds = best.saturating_add(1);
    let parallel = model.gbtree_model_param.number("num_parallel_tree").unwrap_or(1).max(1);
    let end = match &model.iteration_indptr {
        Some(ends) => ends.get(rounds).copied().unwrap_or(all),
        None => rounds.saturating_mul(groups.max(1)).saturating_mul(parallel),
    };
    let end = end.min(all);
    if end < all {
        notes.push(format!(
            "the trees after the best iteration, {} of {all}, are left out, as by scikit-learn's interface of XGBoost",
            all - end
        ));
    }
    Ok(end)
}

/// Tree whose leaves are multiplied by the weight that DART gave it.
fn foreign_tree(
    tree: &TreeArrays,
    features: &[ForeignFeature],
    output: usize,
    weight: f32,
) -> Result<ForeignTree, Error> {
    if tree.tree_param.number("size_leaf_vector").is_some_and(|size| size > 1) {
        let remedy = "train with `multi_strategy = \"one_output_per_tree\"`";
        return Err(unsupported("size_leaf_vector", "a vector in each leaf", remedy));
    }
    let sets = tree.category_sets()?;
    let node = |at: usize| {
        let cover = tree.sum_hessian.get(at).copied().unwrap_or(0.0).max(0.0);
        let (Some(&left), Some(&right), Some(&condition)) =
            (tree.left_children.get(at), tree.right_children.get(at), tree.split_conditions.get(at))
        else {
            return Err(not_a_tree());
        };
        if left == -1 && right == -1 {
            return Ok(ForeignNode::Leaf { value: f64::from(condition * weight), cover });
        }
        let child = |index: i32| usize::try_from(index).map_err(|_| not_a_tree());
        let (left, right) = (child(left)?, child(right)?);
        let feature = tree.split_indices.get(at).copied().ok_or_else(not_a_tree)?;
        if feature >= features.len() {
            return Err(invalid(format!("a split is on column {feature} of {}", features.len())));
        }
        let default_left = tree.default_left.get(at).is_some_and(|flag| flag.0);
        if tree.split_type.get(at) != Some(&1) {
            let test = ForeignTest::Below(f64::from(condition));
            return Ok(ForeignNode::Split { feature, test, left, right, missing_left: default_left, cover });
        }
        // Categories of the set go right, all others left.
        let words = sets.get(&at).cloned().unwrap_or_default();
        let test = ForeignTest::Among(words);
        Ok(ForeignNode::Split { feature, test, left: right, right: left, missing_left: !default_left, cover })
    };
    ForeignTree::ordered(output, 0, tree.left_children.len(), node, not_a_tree)
}

fn not_a_tree() -> Error {
    invalid("its nodes are not trees")
}
