//! Scores of a cross-validation.

use std::fmt::Write;
use std::path::PathBuf;

use cupola_eval::{fold_interval, metric_range};
use cupola_registry::RunRecord;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::evaluate::gate::GateReport;

/// Coverage of the intervals.
const COVERAGE: f64 = 0.95;

/// Finished cross-validation, `cv.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossValidation {
    /// Name of the config.
    pub name: String,
    /// `name:version` of the package that averages the models of the folds.
    pub package: String,
    /// Run that the package belongs to.
    pub run: String,
    /// Folder with the runs of the folds.
    pub folder: PathBuf,
    /// Rule of the folds, as `split.by`.
    pub by: String,
    /// Number of folds.
    pub folds: usize,
    /// Number of divisions into folds.
    pub repeats: usize,
    /// `true` if settings were searched within each fold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nested: bool,
    /// Metric that chose the weights of the folds.
    pub metric: String,
    /// `true` if a larger value of it is better.
    pub larger_is_better: bool,
    /// Metrics on the test rows of each fold.
    pub scores: Vec<FoldScore>,
    /// Mean of each metric over the folds.
    pub metrics: IndexMap<String, FoldMetric>,
    /// Predictions of each row by the model that has not seen it; `None` for windows of series.
    pub predictions: Option<PathBuf>,
    /// Page with the evaluation of these predictions.
    pub report: Option<PathBuf>,
    /// Judged conditions of `[gate]`; where they are broken, `latest` does not point to the package.
    pub gate: Option<GateReport>,
}

/// Scores of one fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoldScore {
    /// Division into folds, from 0.
    pub repeat: usize,
    /// Fold, from 0.
    pub fold: usize,
    /// Run in the folder of the cross-validation.
    pub run: String,
    /// Seconds of training.
    pub seconds: Option<f64>,
    /// Metrics of its test rows.
    pub metrics: Map<String, Value>,
    /// Values of the keys that the search within the fold has chosen; `None` without a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<IndexMap<String, Value>>,
}

/// Metric over all folds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FoldMetric {
    /// Mean.
    pub mean: f64,
    /// Standard deviation between folds.
    pub deviation: f64,
    /// 95 % interval of the mean by Student's t, within the values that the metric can have; of repeats by the corrected
    /// resampled t (Nadeau and Bengio 2003).
    pub interval: Option<(f64, f64)>,
}

impl FoldScore {
    /// Scores of the run of a fold.
    pub(super) fn of(record: &RunRecord, [repeat, fold]: [usize; 2]) -> Self {
        Self {
            repeat,
            fold,
            run: record.id.clone(),
            seconds: record.seconds,
            metrics: record.metrics.clone(),
            params: None,
        }
    }

    /// `learning_rate=0.01, hidden=[64]`: the values that the search within the fold has chosen, by the last part of their
    /// keys.
    pub fn params_text(&self) -> String {
        let short = |key: &str| key.rsplit('.').next().unwrap_or(key).to_owned();
        let each = self.params.iter().flatten().map(|(key, value)| format!("{}={value}", short(key)));
        each.collect::<Vec<_>>().join(", ")
    }
}

/// Means of the metrics that all folds have. With repeats, folds of different divisions share training rows.
#[allow(clippy::cast_precision_loss)]
pub(super) fn means(scores: &[FoldScore], folds: usize, repeats: usize) -> IndexMap<String, FoldMetric> {
    let overlap = if repeats > 1 { 1.0 / (folds.max(2) - 1) as f64 } else { 0.0 };
    let names = scores.first().into_iter().flat_map(|score| score.metrics.keys());
    let found = names.filter_map(|name| {
        let value = |score: &FoldScore| score.metrics.get(name).and_then(Value::as_f64);
        let values: Vec<f64> = scores.iter().map(value).collect::<Option<_>>()?;
        let found = fold_interval(&values, overlap, COVERAGE)?;
        // Student's interval knows nothing of the values that the metric can have.
        let (least, most) = metric_range(name);
        let interval = found.bounds.map(|(low, high)| (low.max(least), high.min(most)));
        let metric = FoldMetric { mean: found.mean, deviation: found.deviation, interval };
        Some((name.clone(), metric))
    });
    found.collect()
}

impl CrossValidation {
    /// Tables of folds and metrics as Markdown.
    pub(super) fn markdown(&self) -> String {
        let mut out = format!(
            "# Cross-validation of {}\n\n{} folds by `{}`, {}. Package {}.\n\n",
            self.name,
            self.folds,
            self.by,
            if self.repeats == 1 { "once".to_owned() } else { format!("{} times", self.repeats) },
            self.package
        );
        out.push_str("| metric | mean | 95 % interval | deviation |\n|---|---|---|---|\n");
        for (name, FoldMetric { mean, deviation, interval }) in &self.metrics {
            let interval = interval.map(|(low, high)| format!("{low:.4} to {high:.4}")).unwrap_or_default();
            let _ = writeln!(out, "| {name} | {mean:.4} | {interval} | {deviation:.4} |");
        }
        let _ = writeln!(out, "\n| repeat | fold | {} | seconds | run |\n|---|---|---|---|---|", self.metric);
        for score in &self.scores {
            let value = score.metrics.get(&self.metric).and_then(Value::as_f64);
            let value = value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
            let seconds = score.seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1}"));
            let _ =
                writeln!(out, "| {} | {} | {value} | {seconds} | {} |", score.repeat, score.fold, score.run);
        }
        if self.nested {
            out.push_str("\n| repeat | fold | chosen in the fold |\n|---|---|---|\n");
            for score in &self.scores {
                let _ = writeln!(
                    out,
                    "| {} | {} | {} |",
                    score.repeat,
                    score.fold,
                    score.params_text().replace('|', "\\|")
                );
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn means_are_those_of_metrics_that_all_folds_have() {
        let score = |fold: usize, metrics: Value| FoldScore {
            repeat: 0,
            fold,
            run: format!("r{fold}"),
            seconds: None,
            metrics: metrics.as_object().cloned().unwrap_or_default(),
            params: None,
        };
        let scores = [
            score(0, json!({ "loss": 0.8, "auc": 0.9, "max_error": 1.0 })),
            score(1, json!({ "loss": 0.9, "auc": null, "max_error": 9.0 })),
        ];
        let found = means(&scores, 2, 1);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["loss", "max_error"]);
        assert_eq!(
            found["max_error"].interval.map(|(low, _)| low.total_cmp(&0.0)),
            Some(std::cmp::Ordering::Equal)
        );
        let loss = found["loss"];
        assert!((loss.mean - 0.85).abs() < 1e-12);
        // t(0.975, 1) = 12.706; the standard error is 0.05.
        let (low, high) = loss.interval.unwrap();
        assert!((high - low - 2.0 * 12.706_204_736 * 0.05).abs() < 1e-6);
        let (low, high) = means(&scores, 2, 2)["loss"].interval.unwrap();
        assert!((high - low - 2.0 * 12.706_204_736 * 0.05 * 3.0_f64.sqrt()).abs() < 1e-6);
    }
}
