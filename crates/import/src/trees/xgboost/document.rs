//! Document of a model, key by key as `XGBoost` writes it. Parameters are texts of numbers.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{invalid, ubjson, unsupported};
use crate::error::Error;

/// Largest index of a category.
const MOST_CATEGORIES: usize = 1 << 20;
/// Words of all sets of a tree.
const MOST_WORDS: usize = 1 << 24;

#[derive(Deserialize)]
pub(super) struct Document {
    pub learner: Learner,
}

#[derive(Deserialize)]
#[allow(clippy::struct_field_names, reason = "the names are those of the file")]
pub(super) struct Learner {
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    #[serde(default)]
    pub feature_names: Vec<String>,
    #[serde(default)]
    pub feature_types: Vec<String>,
    gradient_booster: GradientBooster,
    pub learner_model_param: Parameters,
    pub objective: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct GradientBooster {
    name: String,
    model: Option<TreeModel>,
    /// Trees of DART.
    gbtree: Option<DartTrees>,
    weight_drop: Option<Vec<f32>>,
}

#[derive(Deserialize)]
struct DartTrees {
    model: TreeModel,
}

#[derive(Deserialize)]
pub(super) struct TreeModel {
    pub trees: Vec<TreeArrays>,
    /// Output of each tree.
    #[serde(default)]
    pub tree_info: Vec<usize>,
    /// First tree of each iteration, and the number of trees.
    pub iteration_indptr: Option<Vec<usize>>,
    #[serde(default)]
    pub gbtree_model_param: Parameters,
    pub cats: Option<Categories>,
}

/// Values of the categories of each column, since version 3.1.
#[derive(Deserialize)]
pub(super) struct Categories {
    #[serde(default)]
    pub enc: Vec<CategoryValues>,
}

/// Values of a column: whole numbers, or the bytes of texts with their offsets.
#[derive(Deserialize)]
pub(super) struct CategoryValues {
    pub offsets: Option<Vec<usize>>,
    #[serde(default)]
    pub values: Vec<Value>,
}

#[derive(Deserialize)]
pub(super) struct TreeArrays {
    pub left_children: Vec<i32>,
    pub right_children: Vec<i32>,
    pub split_indices: Vec<usize>,
    /// Thresholds, and the values of leaves.
    pub split_conditions: Vec<f32>,
    pub default_left: Vec<Flag>,
    /// 1 for a split by categories.
    #[serde(default)]
    pub split_type: Vec<u8>,
    #[serde(default)]
    categories: Vec<usize>,
    #[serde(default)]
    categories_nodes: Vec<usize>,
    #[serde(default)]
    categories_segments: Vec<usize>,
    #[serde(default)]
    categories_sizes: Vec<usize>,
    #[serde(default)]
    pub sum_hessian: Vec<f32>,
    #[serde(default)]
    pub tree_param: Parameters,
}

/// Boolean, or 0 and 1.
pub(super) struct Flag(pub bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Boolean(bool),
            Number(u8),
        }
        Ok(Self(match Either::deserialize(deserializer)? {
            Either::Boolean(flag) => flag,
            Either::Number(number) => number != 0,
        }))
    }
}

/// Parameters by name, each a text or a number.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Parameters(BTreeMap<String, Value>);

impl Parameters {
    /// Text of a parameter.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    /// Whole number that a parameter holds.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.text(name)?.parse().ok()
    }
}

impl Document {
    /// Parses JSON or UBJSON: the second byte of UBJSON is a marker, that of JSON a blank or a quotation mark.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        match bytes {
            [b'{', b' ' | b'\n' | b'\r' | b'\t' | b'"', ..] => serde_json::from_slice(bytes)
                .map_err(|error| invalid(format!("it is not a JSON model: {error}"))),
            [b'{', ..] => {
                let value =
                    ubjson::parse(bytes).map_err(|why| invalid(format!("it is not UBJSON: {why}")))?;
                Self::deserialize(value)
                    .map_err(|error| invalid(format!("it is not a UBJSON model: {error}")))
            }
            _ => Err(Error::invalid_file(
                super::LIBRARY,
                "it is neither JSON nor UBJSON",
                "load it with the version that wrote it, and save it with `save_model(\"model.json\")`",
            )),
        }
    }
}

impl Learner {
    /// Trees, and the weights of DART.
    pub fn booster(&self) -> Result<(&TreeModel, Option<&[f32]>), Error> {
        let booster = &self.gradient_booster;
        match (booster.name.as_str(), &booster.model, &booster.gbtree, &booster.weight_drop) {
            ("gbtree", Some(model), _, _) => Ok((model, None)),
            ("dart", _, Some(dart), Some(weights)) => Ok((&dart.model, Some(weights))),
            ("gbtree" | "dart", ..) => Err(invalid("it has no trees")),
            (other, ..) => {
                Err(unsupported("booster", &format!("`{other}`"), "train with `gbtree` or `dart`"))
            }
        }
    }

    /// Number of outputs: one for each of several classes, else 1.
    pub fn groups(&self) -> Result<usize, Error> {
        let number = |name: &str| self.learner_model_param.number(name).unwrap_or(0);
        if number("num_target") > 1 {
            let found = number("num_target").to_string();
            return Err(unsupported("num_target", &found, "train a model for each target"));
        }
        Ok(number("num_class").max(1))
    }
}

impl TreeArrays {
    /// Bits of the categories of each split by categories.
    #[allow(clippy::needless_for_each, reason = "it ends a chain of iterators")]
    pub fn category_sets(&self) -> Result<HashMap<usize, Vec<u32>>, Error> {
        let (mut sets, mut words) = (HashMap::new(), 0);
        let ranges = self.categories_segments.iter().zip(&self.categories_sizes);
        for (node, (start, size)) in self.categories_nodes.iter().zip(ranges) {
            let own = self.categories.get(*start..start.saturating_add(*size));
            let own = own.ok_or_else(|| invalid("the categories of a split are not there"))?;
            let most = own.iter().copied().max().unwrap_or(0);
            words += most / 32 + 1;
            if most >= MOST_CATEGORIES || words > MOST_WORDS {
                return Err(invalid(format!("a split has more than {MOST_CATEGORIES} categories")));
            }
            let mut set = vec![0; most / 32 + 1];
            own.iter().for_each(|category| set[category / 32] |= 1 << (category % 32));
            sets.insert(*node, set);
        }
        Ok(sets)
    }
}
