//! Ranges of keys.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::InvalidTuneKey;

/// Ranges by the dotted name of their keys.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct TuneSpace(pub BTreeMap<String, TuneRange>);

impl TuneSpace {
    /// `true` without ranges.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Values that a key may have: `{ low, high }`, with `log` or `step`, or `{ choices = [...] }`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TuneRange {
    /// Smallest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<Number>,
    /// Largest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<Number>,
    /// `true` if the logarithm of the value is uniform.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub log: bool,
    /// Distance of the values, counted from `low`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Number>,
    /// The values themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choices: Option<Vec<Value>>,
    /// Other keys of the space, and their choices with which this key is searched, such as
    /// `{ "model.family" = ["gbdt"] }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<BTreeMap<String, Vec<Value>>>,
}

/// Values of a range, once it is valid.
#[derive(Debug, Clone, PartialEq)]
pub enum TuneValues {
    /// Floating-point numbers.
    Float {
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
        /// `true` if the logarithm of the value is uniform.
        log: bool,
        /// Distance of the values.
        step: Option<f64>,
    },
    /// Integers.
    Int {
        /// Smallest value.
        low: i64,
        /// Largest value.
        high: i64,
        /// `true` if the logarithm of the value is uniform.
        log: bool,
        /// Distance of the values.
        step: i64,
    },
    /// A list of values.
    Choices(Vec<Value>),
}

impl TuneRange {
    /// Range of floating-point numbers.
    pub(crate) fn float(low: f64, high: f64, log: bool) -> Self {
        Self { low: Number::from_f64(low), high: Number::from_f64(high), log, ..Self::default() }
    }

    /// Range of integers.
    pub(crate) fn int(low: i64, high: i64, log: bool) -> Self {
        Self { low: Some(low.into()), high: Some(high.into()), log, ..Self::default() }
    }

    /// List of values.
    pub(crate) fn choices(choices: Vec<Value>) -> Self {
        Self { choices: Some(choices), ..Self::default() }
    }

    /// Values of a key that holds integers, or numbers of any kind.
    ///
    /// # Errors
    /// The problem and its remedy.
    pub fn values(&self, integer: bool) -> Result<TuneValues, InvalidTuneKey> {
        let (low, high) = match (&self.low, &self.high, &self.choices) {
            (None, None, Some(choices)) => return self.checked_choices(choices),
            (Some(low), Some(high), None) => (low, high),
            (_, _, Some(_)) => {
                return Err("`choices` excludes `low` and `high`; remove one of them".into());
            }
            _ => {
                return Err("`low` and `high`, or `choices`, are missing; write `{ low = 1, high = 10 }`"
                    .to_owned()
                    .into());
            }
        };
        let whole = |key: &str, number: &Number| {
            let message = || format!("`{key}` must be an integer, found {number}; write a whole number");
            number.as_i64().ok_or_else(message)
        };
        let float = |number: &Number| number.as_f64().unwrap_or(f64::NAN);
        if float(low) > float(high) {
            return Err(format!("`low` {low} is above `high` {high}; swap them").into());
        }
        if self.log && float(low) <= 0.0 {
            return Err(
                format!("`log` requires a positive `low`, found {low}; raise `low` or remove `log`").into()
            );
        }
        if self.log && self.step.is_some() {
            return Err("`log` and `step` exclude each other; remove one of them".into());
        }
        if let Some(step) = self.step.as_ref().filter(|step| float(step) <= 0.0) {
            return Err(format!("`step` must be positive, found {step}; set a positive step").into());
        }
        if integer {
            let step = self.step.as_ref().map_or(Ok(1), |step| whole("step", step))?;
            return Ok(TuneValues::Int {
                low: whole("low", low)?,
                high: whole("high", high)?,
                log: self.log,
                step,
            });
        }
        let step = self.step.as_ref().map(float);
        Ok(TuneValues::Float { low: float(low), high: float(high), log: self.log, step })
    }

    fn checked_choices(&self, choices: &[Value]) -> Result<TuneValues, InvalidTuneKey> {
        if choices.is_empty() {
            return Err("`choices` is empty; list at least one value".into());
        }
        if self.log || self.step.is_some() {
            return Err("`log` and `step` belong to `low` and `high`; remove them from `choices`"
                .to_owned()
                .into());
        }
        let twice = (1..choices.len()).find(|at| choices[..*at].contains(&choices[*at]));
        match twice {
            Some(at) => Err(format!("the choice {} occurs twice; remove one", choices[at]).into()),
            None => Ok(TuneValues::Choices(choices.to_vec())),
        }
    }
}

/// Turns nested tables of a space, as TOML reads a key with dots, into dotted names.
pub(crate) fn flatten(space: Value) -> Value {
    let Value::Object(space) = space else { return space };
    let mut flat = Map::new();
    for (key, value) in space {
        collect(&key, value, &mut flat);
    }
    Value::Object(flat)
}

fn collect(key: &str, value: Value, flat: &mut Map<String, Value>) {
    match value {
        Value::Object(table) if is_group(&table) => {
            for (part, value) in table {
                collect(&format!("{key}.{part}"), value, flat);
            }
        }
        value => {
            flat.insert(key.to_owned(), value);
        }
    }
}

/// `true` for a table of ranges, `false` for a range.
fn is_group(table: &Map<String, Value>) -> bool {
    !table.is_empty() && table.iter().all(|(key, value)| value.is_object() && key != "when")
}
