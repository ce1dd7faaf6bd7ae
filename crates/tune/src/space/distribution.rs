//! Distributions of single parameters.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::TuneError;

/// Largest magnitude of an integer that a 64-bit float holds exactly.
const EXACT: i64 = 1 << 53;

/// Possible values of a parameter, with the meaning of Optuna's `FloatDistribution`, `IntDistribution` and
/// `CategoricalDistribution`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ParamDistribution {
    /// Real numbers from `low` to `high`.
    Float {
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
        /// `true` if the logarithm is uniform.
        #[serde(default)]
        log: bool,
        /// Distance of the values from `low` on; `None` for all real numbers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<f64>,
    },
    /// Integers from `low` to `high`.
    Int {
        /// Smallest value.
        low: i64,
        /// Largest value.
        high: i64,
        /// `true` if the logarithm is uniform.
        #[serde(default)]
        log: bool,
        /// Distance of the values from `low` on.
        #[serde(default = "one")]
        step: i64,
    },
    /// One of some JSON scalars.
    Categorical {
        /// Scalars to choose from.
        choices: Vec<Value>,
    },
}

const fn one() -> i64 {
    1
}

impl ParamDistribution {
    /// Real numbers from `low` to `high`.
    pub const fn float(low: f64, high: f64) -> Self {
        Self::Float { low, high, log: false, step: None }
    }

    /// Integers from `low` to `high`.
    pub const fn int(low: i64, high: i64) -> Self {
        Self::Int { low, high, log: false, step: 1 }
    }

    /// One of some texts.
    pub fn categorical(choices: &[&str]) -> Self {
        Self::Categorical { choices: choices.iter().map(|choice| Value::from(*choice)).collect() }
    }

    /// Checks the bounds, and lowers `high` to the last value that steps from `low` reach, as Optuna does.
    ///
    /// # Errors
    /// Swapped or infinite bounds, `log` with `low` that is not positive, a step that is not positive or stands
    /// beside `log`, no choices, or a choice that is no scalar or occurs twice.
    pub fn validate(&mut self, key: &str) -> Result<(), TuneError> {
        let error = |reason: String| Err(TuneError::param(key, reason));
        match self {
            Self::Float { low, high, log, step } => {
                if !low.is_finite() || !high.is_finite() {
                    return error(
                        "`low` and `high` must be finite numbers; write them as numbers".to_owned(),
                    );
                }
                if *low > *high {
                    return error(format!("`low` {low} is above `high` {high}; swap them"));
                }
                if *log && *low <= 0.0 {
                    return error(format!(
                        "`log` requires a positive `low`, found {low}; raise `low` or remove `log`"
                    ));
                }
                if let Some(step) = *step {
                    if *log {
                        return error("`log` and `step` exclude each other; remove one of them".to_owned());
                    }
                    if !(step > 0.0 && step.is_finite()) {
                        return error(format!("`step` must be positive, found {step}; set a positive step"));
                    }
                    // The small excess keeps `high` where rounding makes the quotient slightly too small.
                    *high = *low + ((*high - *low) / step + 1e-8).floor() * step;
                }
            }
            Self::Int { low, high, log, step } => {
                if *low > *high {
                    return error(format!("`low` {low} is above `high` {high}; swap them"));
                }
                if *low < -EXACT || *high > EXACT {
                    return error("bounds must lie within 2^53; use smaller numbers".to_owned());
                }
                if *log && *low <= 0 {
                    return error(format!(
                        "`log` requires a positive `low`, found {low}; raise `low` or remove `log`"
                    ));
                }
                if *step <= 0 {
                    return error(format!("`step` must be positive, found {step}; set a positive step"));
                }
                if *log && *step != 1 {
                    return error("`log` and `step` exclude each other; remove one of them".to_owned());
                }
                *high -= (*high - *low) % *step;
            }
            Self::Categorical { choices } => {
                if choices.is_empty() {
                    return error("`choices` is empty; list at least one value".to_owned());
                }
                for (position, choice) in choices.iter().enumerate() {
                    if choice.is_array() || choice.is_object() {
                        return error(format!(
                            "the choice {choice} is no scalar; use numbers, texts or booleans"
                        ));
                    }
                    if choices[..position].contains(choice) {
                        return error(format!("the choice {choice} occurs twice; remove one"));
                    }
                }
            }
        }
        Ok(())
    }

    /// `true` if there is only one value.
    pub fn is_single(&self) -> bool {
        match self {
            Self::Float { low, high, .. } => low >= high,
            Self::Int { low, high, .. } => low >= high,
            Self::Categorical { choices } => choices.len() <= 1,
        }
    }

    /// Number of values; `None` for real numbers without steps.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Float { low, high, step, .. } => {
                if low >= high {
                    return Some(1);
                }
                step.map(|step| ((high - low) / step).round() as u64 + 1)
            }
            Self::Int { low, high, step, .. } => Some(high.abs_diff(*low) / step.unsigned_abs().max(1) + 1),
            Self::Categorical { choices } => Some(choices.len() as u64),
        }
    }

    /// `true` if the parameter is categorical.
    pub fn is_categorical(&self) -> bool {
        matches!(self, Self::Categorical { .. })
    }

    /// Value of an internal number, as it is written in a config: a float, an integer or a choice. Numbers outside the
    /// bounds are moved into them.
    #[allow(clippy::cast_possible_truncation)]
    pub fn to_external(&self, internal: f64) -> Value {
        let inside = self.clip(internal);
        match self {
            Self::Float { .. } => Value::from(inside),
            Self::Int { .. } => Value::from(inside as i64),
            Self::Categorical { choices } => choices.get(index(inside)).cloned().unwrap_or(Value::Null),
        }
    }

    /// Internal number of a value; `None` for a value of the wrong type or outside the bounds.
    #[allow(clippy::cast_precision_loss)]
    pub fn to_internal(&self, external: &Value) -> Option<f64> {
        match self {
            Self::Float { low, high, .. } => external.as_f64().filter(|v| (*low..=*high).contains(v)),
            Self::Int { low, high, .. } => {
                external.as_i64().filter(|v| (*low..=*high).contains(v)).map(|v| v as f64)
            }
            Self::Categorical { choices } => {
                choices.iter().position(|choice| choice == external).map(|position| position as f64)
            }
        }
    }

    /// Nearest value within the bounds and on the steps.
    pub fn clip(&self, internal: f64) -> f64 {
        let scale = self.scale();
        if internal.is_nan() {
            return scale.low;
        }
        let rounded = scale
            .step
            .map_or(internal, |step| scale.low + ((internal - scale.low) / step).round_ties_even() * step);
        rounded.clamp(scale.low, scale.high)
    }

    /// Bounds and step as floats; categories count as integers.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn scale(&self) -> ParamScale {
        match self {
            Self::Float { low, high, log, step } => {
                ParamScale { low: *low, high: *high, log: *log, step: *step }
            }
            Self::Int { low, high, log, step } => {
                ParamScale { low: *low as f64, high: *high as f64, log: *log, step: Some(*step as f64) }
            }
            Self::Categorical { choices } => {
                let high = choices.len().saturating_sub(1) as f64;
                ParamScale { low: 0.0, high, log: false, step: Some(1.0) }
            }
        }
    }

    /// Value at a position between 0 and 1 of the distribution, such that a uniform position gives its distribution.
    pub fn from_unit(&self, unit: f64) -> f64 {
        let scale = self.scale();
        let (low, high) = scale.warped_bounds();
        let warped = low + unit * (high - low);
        self.clip(if scale.log { warped.exp() } else { warped })
    }

    /// Position of a value between 0 and 1; the inverse of [`Self::from_unit`] up to the width of a step.
    pub fn to_unit(&self, internal: f64) -> f64 {
        let scale = self.scale();
        let (low, high) = scale.warped_bounds();
        if high <= low {
            return 0.5;
        }
        ((scale.warp(internal) - low) / (high - low)).clamp(0.0, 1.0)
    }
}

/// Index of a category.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn index(internal: f64) -> usize {
    internal.max(0.0) as usize
}

/// Bounds of a distribution as floats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ParamScale {
    pub low: f64,
    pub high: f64,
    pub log: bool,
    pub step: Option<f64>,
}

impl ParamScale {
    /// Bounds after the logarithm, half a step wider on each side where values have steps.
    pub fn warped_bounds(&self) -> (f64, f64) {
        let half = self.step.map_or(0.0, |step| step / 2.0);
        (self.warp(self.low - half), self.warp(self.high + half))
    }

    /// Logarithm of a value, or the value itself.
    pub fn warp(&self, value: f64) -> f64 {
        if self.log { value.ln() } else { value }
    }
}
