//! Values of a trial: from the ranges of a config to a space, and from parameters back to keys of the config.

use std::collections::BTreeMap;

use cupola_spec::{Run, Tune, TuneRange, TuneSpace, TuneValues};
use cupola_tune::{
    ParamCondition, ParamDistribution, ParamValues, SearchSpace, SpaceParam, StudyError, TrialRecord,
    TuneError,
};
use serde_json::Value;

use crate::error::Error;

/// Key of the model's family, whose change replaces the whole table.
const FAMILY: &str = "model.family";

/// Keys of a study and how their values are written into a config.
pub(super) struct TrialValues {
    /// Choices of a key as the config has them, if they are not scalars.
    choices: BTreeMap<String, Vec<Value>>,
    config: Value,
    family: String,
}

/// Space of the ranges.
pub(super) fn search_space(space: &TuneSpace, run: &Run) -> Result<SearchSpace, Error> {
    let families = families(space, run);
    let mut params = indexmap::IndexMap::new();
    for (key, range) in &space.0 {
        let distribution = match values(key, range, &families)? {
            TuneValues::Float { low, high, log, step } => ParamDistribution::Float { low, high, log, step },
            TuneValues::Int { low, high, log, step } => ParamDistribution::Int { low, high, log, step },
            TuneValues::Choices(choices) => {
                ParamDistribution::Categorical { choices: choices.iter().map(scalar).collect() }
            }
        };
        let condition = range.when.as_ref().and_then(|when| when.iter().next()).map(|(param, values)| {
            ParamCondition { param: param.clone(), values: values.iter().map(scalar).collect() }
        });
        params.insert(key.clone(), SpaceParam { distribution, condition });
    }
    SearchSpace::new(params).map_err(|error| StudyError::from(error).into())
}

/// Families that a trial may have.
fn families<'a>(space: &'a TuneSpace, run: &'a Run) -> Vec<&'a str> {
    let searched = space.0.get(FAMILY).and_then(|range| range.choices.as_ref());
    let searched = searched.into_iter().flatten().filter_map(Value::as_str);
    searched.chain([run.family.as_str()]).collect()
}

fn values(key: &str, range: &TuneRange, families: &[&str]) -> Result<TuneValues, Error> {
    let integer = if key == FAMILY { Ok(false) } else { Tune::is_integer_key(key, families) };
    integer.and_then(|integer| range.values(integer)).map_err(|invalid| {
        let key = key.to_owned();
        StudyError::from(TuneError::Param { key, reason: invalid.message }).into()
    })
}

/// Choice as a study has it: a list or a table becomes its text.
fn scalar(choice: &Value) -> Value {
    if choice.is_array() || choice.is_object() { Value::String(toml_text(choice)) } else { choice.clone() }
}

impl TrialValues {
    pub fn new(space: &TuneSpace, run: &Run) -> Result<Self, Error> {
        let choices = space.0.iter().filter_map(|(key, range)| Some((key.clone(), range.choices.clone()?)));
        let config = serde_json::to_value(&run.sealed)?;
        Ok(Self { choices: choices.collect(), config, family: run.family.clone() })
    }

    /// Parameters of the config itself; `None` if one of them lies outside of the space.
    pub fn of_config(&self, space: &SearchSpace) -> Option<ParamValues> {
        Self::params_of(&self.config, space)
    }

    /// Parameters of a config; `None` if one of them is missing or lies outside of the space.
    pub fn params_of(config: &Value, space: &SearchSpace) -> Option<ParamValues> {
        let mut found = ParamValues::new();
        for (key, param) in space.params() {
            if space.is_active(key, &found) {
                let pointer = format!("/{}", key.replace('.', "/"));
                let value = config.pointer(&pointer).map(scalar)?;
                found.insert(key.clone(), param.distribution.to_internal(&value)?);
            }
        }
        Some(found)
    }

    /// Overrides of the config for a trial, the family first.
    pub fn overrides(&self, trial: &TrialRecord) -> Vec<String> {
        let mut overrides = Vec::new();
        let family = trial.value(FAMILY).and_then(|family| family.as_str().map(str::to_owned));
        if let Some(family) = family.filter(|family| *family != self.family) {
            overrides.push(format!("model={{ family = {} }}", Value::String(family)));
        }
        for name in trial.params.keys().filter(|name| name.as_str() != FAMILY) {
            if let Some(value) = self.value(trial, name) {
                overrides.push(format!("{name}={}", toml_text(&value)));
            }
        }
        overrides
    }

    /// Value of a parameter as the config has it.
    pub fn value(&self, trial: &TrialRecord, name: &str) -> Option<Value> {
        let value = trial.value(name)?;
        let original =
            self.choices.get(name).and_then(|choices| choices.iter().find(|own| scalar(own) == value));
        Some(original.cloned().unwrap_or(value))
    }
}

/// Value as TOML writes it inline.
fn toml_text(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(toml_text).collect::<Vec<_>>().join(", ")),
        Value::Object(table) => {
            let entries = table.iter().map(|(key, value)| format!("{key} = {}", toml_text(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CONFIG: &str = "name = 'a'\n[data]\nsource = 'a.csv'\n[[targets]]\nname = 'y'\nkind = 'category'\n\
                          [model]\nfamily = 'mlp'\nhidden = [8]\n[tune.space]\n\
                          model.family = { choices = ['mlp', 'random_forest'] }\n\
                          model.hidden = { choices = [[8], [16, 16]], when = { 'model.family' = ['mlp'] } }\n\
                          train.epochs = { low = 1, high = 30 }\n";

    #[test]
    #[allow(clippy::float_cmp, reason = "the values are exact")]
    fn parameters_become_keys_of_the_config() {
        let load = |path: &str| Err::<String, String>(path.to_owned());
        let run = cupola_spec::parse("a.toml", CONFIG, &[], &load).unwrap();
        let ranges = run.tune.clone().unwrap().space;
        let space = search_space(&ranges, &run).unwrap();
        let values = TrialValues::new(&ranges, &run).unwrap();
        let first = values.of_config(&space).unwrap();
        assert_eq!(first["model.family"], 0.0);
        assert_eq!(first["train.epochs"], 20.0);
        let mut trial = TrialRecord::default();
        for (name, internal) in [("model.family", 0.0), ("model.hidden", 1.0), ("train.epochs", 3.0)] {
            let distribution = space.distribution(name).unwrap().clone();
            trial.params.insert(name.to_owned(), (internal, distribution));
        }
        assert_eq!(values.overrides(&trial), ["model.hidden=[16, 16]", "train.epochs=3"]);
        trial.params["model.family"].0 = 1.0;
        trial.params.shift_remove("model.hidden");
        assert_eq!(values.overrides(&trial), ["model={ family = \"random_forest\" }", "train.epochs=3"]);
        for overrides in [values.overrides(&trial), vec!["model.hidden=[16, 16]".to_owned()]] {
            cupola_spec::parse("a.toml", CONFIG, &overrides, &load).unwrap();
        }
        assert_eq!(
            toml_text(&json!({ "kind": "periodic", "width": 4 })),
            "{ kind = \"periodic\", width = 4 }"
        );
    }
}
