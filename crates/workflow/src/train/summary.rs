//! Summary of a training: its score beside that of a trivial model, and what the model relies on.

use cupola_eval::Metrics;
use cupola_prep::{Prepared, SplitPart};
use cupola_spec::Goal;
use cupola_train::{Baseline, BestCheckpoint, ColumnImportance, TargetObjective};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::error::Error;

/// Summary of a finished training.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainingSummary {
    /// Metric that chose the weights.
    pub metric: String,
    /// `true` if a larger value of it is better.
    pub larger_is_better: bool,
    /// Its value on the valid split; `None` where it is undefined or the split has no rows.
    pub valid: Option<f64>,
    /// Its value on the test split.
    pub test: Option<f64>,
    /// 95 % intervals of the value on the valid and the test split.
    pub intervals: [Option<(f64, f64)>; 2],
    /// Positive class of two, which precision, recall and F1 are those of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// Score of a trivial model; `None` for targets that have none.
    pub baseline: Option<BaselineScore>,
    /// Best evaluation; `None` for trees, and without an evaluation.
    pub best: Option<BestCheckpoint>,
    /// Epochs of the config; `None` for trees.
    pub epochs: Option<usize>,
    /// Seconds of training.
    pub seconds: f64,
    /// Importance of columns, the most important first; empty where it is unknown.
    pub importance: Vec<ColumnImportance>,
}

/// Score of a trivial model by the metric of a [`TrainingSummary`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BaselineScore {
    /// The model in words, such as "always `no`".
    pub model: String,
    /// Value of the metric on the valid split.
    pub valid: Option<f64>,
    /// Value of the metric on the test split.
    pub test: Option<f64>,
}

/// Length of a training and its best evaluation.
pub(crate) struct TrainingLength {
    pub best: Option<BestCheckpoint>,
    pub epochs: Option<usize>,
    pub seconds: f64,
}

/// Metrics of the final weights on the splits that have rows.
#[derive(Default)]
pub(super) struct SplitMetrics {
    pub valid: Option<Metrics>,
    pub test: Option<Metrics>,
}

impl SplitMetrics {
    /// Metrics of the test split, else those of the valid split.
    pub fn last(&self) -> Metrics {
        self.test.clone().or_else(|| self.valid.clone()).unwrap_or_default()
    }

    /// Value of a metric on the valid and the test split. A metric that is not finite is none.
    pub fn values(&self, goal: Goal) -> [Option<f64>; 2] {
        [&self.valid, &self.test].map(|split| {
            let value = split.as_ref().and_then(|metrics| metrics.values.get(goal.name()).copied());
            value.filter(|value| value.is_finite())
        })
    }

    /// `splits` of `metrics.json`.
    pub fn to_json(&self) -> Result<Map<String, Value>, Error> {
        let splits = [("valid", &self.valid), ("test", &self.test)].into_iter();
        let present = splits.filter_map(|(name, metrics)| metrics.as_ref().map(|metrics| (name, metrics)));
        present.map(|(name, metrics)| Ok((name.to_owned(), serde_json::to_value(metrics)?))).collect()
    }
}

/// Trivial model of a run, with its metrics.
pub(super) struct MeasuredBaseline {
    rules: Baseline,
    model: String,
    splits: SplitMetrics,
}

impl MeasuredBaseline {
    /// Measures the trivial model of the data; `None` for targets that have none.
    pub fn of(prepared: &Prepared, objectives: &[TargetObjective]) -> Result<Option<Self>, Error> {
        let Some(baseline) = Baseline::of(prepared) else { return Ok(None) };
        let split = |part| -> Result<Option<Metrics>, Error> {
            let has_rows = prepared.rows(part) > 0;
            Ok(has_rows.then(|| baseline.metrics(prepared, objectives, part)).transpose()?)
        };
        let splits = SplitMetrics { valid: split(SplitPart::Valid)?, test: split(SplitPart::Test)? };
        Ok(Some(Self { model: baseline.description(), rules: baseline, splits }))
    }

    /// Metrics of a split; `None` without rows.
    pub fn metrics(&self, part: SplitPart) -> Option<&Metrics> {
        match part {
            SplitPart::Test => self.splits.test.as_ref(),
            _ => self.splits.valid.as_ref(),
        }
    }

    /// Score by a metric.
    pub fn score(&self, goal: Goal) -> BaselineScore {
        let [valid, test] = self.splits.values(goal);
        BaselineScore { model: self.model.clone(), valid, test }
    }

    /// `baseline` of `metrics.json`: the model in words, its values on each split, and its rules, by which other rows are
    /// predicted.
    pub fn to_json(&self) -> Value {
        let values =
            |metrics: &Option<Metrics>| metrics.as_ref().map(|metrics| json!({ "values": metrics.values }));
        let splits = [("valid", values(&self.splits.valid)), ("test", values(&self.splits.test))].into_iter();
        let splits: Map<String, Value> =
            splits.filter_map(|(name, values)| Some((name.to_owned(), values?))).collect();
        json!({ "model": self.model, "splits": splits, "rules": self.rules })
    }
}
