//! Distributions of parameters, in the JSON form of Optuna's `distribution_to_json`.

use serde_json::json;

use super::json;
use crate::ParamDistribution;

/// Reads the JSON text of a distribution. The names of Optuna before 3.0 are read too.
pub(super) fn parse_distribution(text: &str) -> Option<ParamDistribution> {
    use ParamDistribution::{Categorical, Float, Int};
    let value = json::parse(text).ok()?;
    let attributes = &value["attributes"];
    let float = |key: &str| json::number(&attributes[key]);
    let int = |key: &str| attributes[key].as_i64().or_else(|| whole(float(key)?));
    let log = attributes["log"].as_bool().unwrap_or(false);
    Some(match value["name"].as_str()? {
        "FloatDistribution" | "UniformDistribution" => {
            Float { low: float("low")?, high: float("high")?, log, step: float("step") }
        }
        "LogUniformDistribution" => Float { low: float("low")?, high: float("high")?, log: true, step: None },
        "DiscreteUniformDistribution" => {
            Float { low: float("low")?, high: float("high")?, log: false, step: float("q") }
        }
        "IntDistribution" | "IntUniformDistribution" => {
            Int { low: int("low")?, high: int("high")?, log, step: int("step").unwrap_or(1) }
        }
        "IntLogUniformDistribution" => Int { low: int("low")?, high: int("high")?, log: true, step: 1 },
        "CategoricalDistribution" => Categorical { choices: attributes["choices"].as_array()?.clone() },
        _ => return None,
    })
}

/// JSON text of a distribution.
pub(super) fn distribution_json(distribution: &ParamDistribution) -> String {
    let (name, attributes) = match distribution {
        ParamDistribution::Float { low, high, log, step } => {
            ("FloatDistribution", json!({ "step": step, "low": low, "high": high, "log": log }))
        }
        ParamDistribution::Int { low, high, log, step } => {
            ("IntDistribution", json!({ "log": log, "step": step, "low": low, "high": high }))
        }
        ParamDistribution::Categorical { choices } => {
            ("CategoricalDistribution", json!({ "choices": choices }))
        }
    };
    json!({ "name": name, "attributes": attributes }).to_string()
}

/// `true` if Optuna accepts both for the same parameter of a study: the same kind and scale, and the same choices.
pub(super) fn is_compatible(a: &ParamDistribution, b: &ParamDistribution) -> bool {
    use ParamDistribution::{Categorical, Float, Int};
    match (a, b) {
        (Float { log: a, .. }, Float { log: b, .. }) | (Int { log: a, .. }, Int { log: b, .. }) => a == b,
        (Categorical { choices: a }, Categorical { choices: b }) => a == b,
        _ => false,
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a cast saturates, and bounds are far smaller")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0).then_some(number as i64)
}
