//! Predictions for one row.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Predicted value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PredictedValue {
    /// Class of a column of whole numbers.
    Integer(i64),
    /// Class of a column of numbers, or a number.
    Number(f64),
    /// Class of a text column, or a text.
    Text(String),
    /// Forecast with one number per row ahead, or a vector.
    Numbers(Vec<f64>),
}

/// Interval that holds a number with a stated probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictionInterval {
    /// The probability.
    pub coverage: f64,
    /// Lower bound, of a forecast one for each step.
    pub low: PredictedValue,
    /// Upper bound.
    pub high: PredictedValue,
}

/// Predictions for one row by the names of the targets.
pub type Predictions = IndexMap<String, Prediction>;

/// Prediction for one row and one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The likeliest class, or the number.
    pub value: PredictedValue,
    /// Probability of each class; `None` if the target is not a class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probabilities: Option<IndexMap<String, f32>>,
    /// Score above which a row counts as an anomaly; `None` for a model that finds no anomalies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// `true` if the row is an anomaly; `None` without a threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anomaly: Option<bool>,
    /// Bounds of the number with a stated probability; `None` unless they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<PredictionInterval>,
    /// Classes that hold the target with a stated probability, the likeliest first; `None` unless they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Vec<PredictedValue>>,
    /// Outputs that the interval is made of, in units of the target: a lower and an upper quantile, or the number by the
    /// model of each fold. Empty for a target without such outputs.
    #[serde(skip)]
    pub outputs: Vec<f64>,
    /// Times of the values of a forecast; empty if they are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timestamps: Vec<String>,
}

impl Prediction {
    /// Prediction without probabilities.
    pub fn new(value: PredictedValue) -> Self {
        Self {
            value,
            probabilities: None,
            threshold: None,
            anomaly: None,
            interval: None,
            set: None,
            outputs: Vec::new(),
            timestamps: Vec::new(),
        }
    }

    /// Keeps the first values of a forecast.
    pub fn shorten(&mut self, horizon: usize) {
        if let PredictedValue::Numbers(values) = &mut self.value {
            values.truncate(horizon);
            self.timestamps.truncate(horizon);
        }
        if let Some(PredictionInterval {
            low: PredictedValue::Numbers(low),
            high: PredictedValue::Numbers(high),
            ..
        }) = &mut self.interval
        {
            low.truncate(horizon);
            high.truncate(horizon);
        }
    }
}
