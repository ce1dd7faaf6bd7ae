//! Search spaces: parameters, their distributions and the conditions under which they are active.

use indexmap::{IndexMap, IndexSet};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ParamValues, TuneError};

mod coordinates;
mod distribution;
#[cfg(test)]
mod tests;

pub(crate) use coordinates::Coordinates;
pub use distribution::ParamDistribution;
pub(crate) use distribution::index;

/// Condition of a parameter: it is active only where a categorical parameter has one of some choices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParamCondition {
    /// Name of the categorical parameter.
    pub param: String,
    /// Choices for which the conditional parameter is active.
    pub values: Vec<Value>,
}

/// One parameter of a space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpaceParam {
    /// Possible values.
    pub distribution: ParamDistribution,
    /// Condition; `None` for a parameter that is always active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<ParamCondition>,
}

impl From<ParamDistribution> for SpaceParam {
    fn from(distribution: ParamDistribution) -> Self {
        Self { distribution, condition: None }
    }
}

/// Valid parameters in the order of their names, but for a conditional parameter, which follows the one that its condition
/// names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "IndexMap<String, SpaceParam>", into = "IndexMap<String, SpaceParam>")]
pub struct SearchSpace {
    params: IndexMap<String, SpaceParam>,
}

impl SearchSpace {
    /// Validates the parameters and puts them in order. Two spaces of the same parameters are equal, however the
    /// parameters were listed, and so are the suggestions for them.
    ///
    /// # Errors
    /// An empty space, an invalid distribution, or a condition that names an unknown or numeric parameter, an unknown
    /// choice or, over others, itself.
    pub fn new(mut params: IndexMap<String, SpaceParam>) -> Result<Self, TuneError> {
        if params.is_empty() {
            return Err(TuneError::EmptySpace);
        }
        params.sort_unstable_keys();
        for (key, param) in &mut params {
            param.distribution.validate(key)?;
        }
        for (key, param) in &params {
            if let Some(condition) = &param.condition {
                validate_condition(key, condition, &params)?;
            }
        }
        let mut ordered = IndexMap::with_capacity(params.len());
        while ordered.len() < params.len() {
            let before = ordered.len();
            for (key, param) in &params {
                let ready = param.condition.as_ref().is_none_or(|c| ordered.contains_key(&c.param));
                if ready && !ordered.contains_key(key) {
                    ordered.insert(key.clone(), param.clone());
                }
            }
            if ordered.len() == before {
                let key = params.keys().find(|key| !ordered.contains_key(*key)).cloned().unwrap_or_default();
                return Err(TuneError::param(
                    &key,
                    "its condition depends on itself; remove one of the conditions",
                ));
            }
        }
        Ok(Self { params: ordered })
    }

    /// Parameters by name.
    pub fn params(&self) -> &IndexMap<String, SpaceParam> {
        &self.params
    }

    /// Distribution of a parameter; `None` for an unknown name.
    pub fn distribution(&self, name: &str) -> Option<&ParamDistribution> {
        self.params.get(name).map(|param| &param.distribution)
    }

    /// `true` if the parameter is active beside these values of the parameters before it.
    pub fn is_active(&self, name: &str, values: &ParamValues) -> bool {
        let Some(param) = self.params.get(name) else { return false };
        param.condition.as_ref().is_none_or(|condition| {
            let parent = self.distribution(&condition.param).zip(values.get(&condition.param));
            parent.is_some_and(|(distribution, value)| {
                condition.values.contains(&distribution.to_external(*value))
            })
        })
    }

    /// Names of the parameters in groups that are active together: first those that are always active, then those of
    /// each condition, behind the group that the condition names.
    pub fn groups(&self) -> Vec<Vec<&str>> {
        let conditions: IndexSet<String> = self.params.values().map(condition_key).collect();
        let members = |condition: &String| {
            let same = self.params.iter().filter(|(_, param)| condition_key(param) == *condition);
            same.map(|(name, _)| name.as_str()).collect()
        };
        conditions.iter().map(members).collect()
    }

    /// Values as they are written in a config or shown to a person.
    pub fn to_external(&self, values: &ParamValues) -> IndexMap<String, Value> {
        let known = values.iter().filter_map(|(name, value)| {
            self.distribution(name).map(|distribution| (name.clone(), distribution.to_external(*value)))
        });
        known.collect()
    }
}

impl TryFrom<IndexMap<String, SpaceParam>> for SearchSpace {
    type Error = TuneError;

    fn try_from(params: IndexMap<String, SpaceParam>) -> Result<Self, TuneError> {
        Self::new(params)
    }
}

impl From<SearchSpace> for IndexMap<String, SpaceParam> {
    fn from(space: SearchSpace) -> Self {
        space.params
    }
}

/// Text that parameters with the same condition share.
fn condition_key(param: &SpaceParam) -> String {
    param.condition.as_ref().map_or_else(String::new, |condition| {
        let mut values: Vec<String> = condition.values.iter().map(Value::to_string).collect();
        values.sort();
        format!("{}\n{}", condition.param, values.join("\n"))
    })
}

fn validate_condition(
    key: &str,
    condition: &ParamCondition,
    params: &IndexMap<String, SpaceParam>,
) -> Result<(), TuneError> {
    let parent = &condition.param;
    match params.get(parent).map(|param| &param.distribution) {
        None => Err(TuneError::param(
            key,
            format!(
                "its condition names `{parent}`, which is not in the space; name a parameter of the space"
            ),
        )),
        Some(ParamDistribution::Categorical { choices }) => {
            if condition.values.is_empty() {
                return Err(TuneError::param(key, "its condition has no values; list at least one choice"));
            }
            match condition.values.iter().find(|value| !choices.contains(value)) {
                None => Ok(()),
                Some(value) => Err(TuneError::param(
                    key,
                    format!(
                        "its condition names {value}, which is not a choice of `{parent}`; use one of its choices"
                    ),
                )),
            }
        }
        Some(_) => Err(TuneError::param(
            key,
            format!(
                "its condition names `{parent}`, which has no `choices`; conditions require a categorical parameter"
            ),
        )),
    }
}
