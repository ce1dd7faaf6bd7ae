//! Distributions of parameters, in the JSON form of Optuna's `distribution_to_json`.

use serde_json::{Value, json};

use super::json;

/// Range of one parameter of a trial.
#[derive(Debug, Clone, PartialEq)]
pub enum JournalDistribution {
    /// A floating-point number.
    Float {
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
        /// `true` if its logarithm is uniform.
        log: bool,
        /// Distance of the values, counted from `low`; `None` for any value.
        step: Option<f64>,
    },
    /// An integer.
    Int {
        /// Smallest value.
        low: i64,
        /// Largest value.
        high: i64,
        /// `true` if its logarithm is uniform.
        log: bool,
        /// Distance of the values, counted from `low`.
        step: i64,
    },
    /// One of a list of values.
    Categorical {
        /// The values: null, booleans, numbers and texts.
        choices: Vec<Value>,
    },
}

impl JournalDistribution {
    /// Reads the JSON text of a distribution. The names of Optuna before 3.0 are read too.
    pub fn parse(text: &str) -> Option<Self> {
        let value = json::parse(text).ok()?;
        let attributes = &value["attributes"];
        let float = |key: &str| json::number(&attributes[key]);
        let int = |key: &str| {
            attributes[key].as_i64().or_else(|| Some(float(key)?).filter(|x| x.fract() == 0.0).map(whole))
        };
        let log = attributes["log"].as_bool().unwrap_or(false);
        Some(match value["name"].as_str()? {
            "FloatDistribution" | "UniformDistribution" => {
                Self::Float { low: float("low")?, high: float("high")?, log, step: float("step") }
            }
            "LogUniformDistribution" => {
                Self::Float { low: float("low")?, high: float("high")?, log: true, step: None }
            }
            "DiscreteUniformDistribution" => {
                Self::Float { low: float("low")?, high: float("high")?, log: false, step: float("q") }
            }
            "IntDistribution" | "IntUniformDistribution" => {
                Self::Int { low: int("low")?, high: int("high")?, log, step: int("step").unwrap_or(1) }
            }
            "IntLogUniformDistribution" => {
                Self::Int { low: int("low")?, high: int("high")?, log: true, step: 1 }
            }
            "CategoricalDistribution" => Self::Categorical { choices: attributes["choices"].as_array()?.clone() },
            _ => return None,
        })
    }

    /// JSON text of the distribution.
    pub fn to_json(&self) -> String {
        let (name, attributes) = match self {
            Self::Float { low, high, log, step } => {
                ("FloatDistribution", json!({ "step": step, "low": low, "high": high, "log": log }))
            }
            Self::Int { low, high, log, step } => {
                ("IntDistribution", json!({ "log": log, "step": step, "low": low, "high": high }))
            }
            Self::Categorical { choices } => ("CategoricalDistribution", json!({ "choices": choices })),
        };
        json!({ "name": name, "attributes": attributes }).to_string()
    }

    /// Value of an internal representation: an index of a categorical distribution, else the number itself. `None` for
    /// an index without a choice.
    pub fn external(&self, internal: f64) -> Option<Value> {
        match self {
            Self::Float { .. } => Some(Value::from(internal)),
            Self::Int { .. } => Some(Value::from(whole(internal))),
            Self::Categorical { choices } => usize::try_from(whole(internal)).ok().and_then(|at| choices.get(at).cloned()),
        }
    }

    /// Internal representation of a value; `None` for one of another type, or of none of the choices.
    pub fn internal(&self, value: &Value) -> Option<f64> {
        match self {
            Self::Float { .. } => value.as_f64(),
            Self::Int { .. } => value.as_f64().filter(|value| value.fract() == 0.0),
            #[allow(clippy::cast_precision_loss, reason = "a list of choices is short")]
            Self::Categorical { choices } => choices.iter().position(|choice| choice == value).map(|at| at as f64),
        }
    }

    /// `true` if Optuna accepts both for the same parameter of a study: the same kind and scale, and the same choices.
    pub fn is_compatible(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float { log: a, .. }, Self::Float { log: b, .. })
            | (Self::Int { log: a, .. }, Self::Int { log: b, .. }) => a == b,
            (Self::Categorical { choices: a }, Self::Categorical { choices: b }) => a == b,
            _ => false,
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a cast saturates, and integers of a config are far smaller")]
fn whole(number: f64) -> i64 {
    number as i64
}
