//! A few runs side by side: leaderboard, differing settings, importance of columns.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use cupola_spec::config_settings;
use cupola_store::read_json;
use serde::Serialize;
use serde_json::{Map, Value};

use super::changes::same;
use super::family;
use crate::error::Error;
use crate::home::Home;
use crate::run::{RunFolder, RunRecord, Status, ValidationScore};

/// File with all metrics of a run.
const METRICS: &str = "metrics.json";

/// Runs side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunComparison {
    /// Metric of the valid split that ranks the runs; `None` if they have none in common.
    pub metric: Option<String>,
    /// `true` if all runs were validated on the same rows: the same data, divided alike.
    pub same_split: bool,
    /// The runs, best first. The order of `values` below is the same.
    pub runs: Vec<ComparedRun>,
    /// Settings whose values differ, by key.
    pub settings: Vec<SettingRow>,
    /// Importance of columns, the most important first; empty if no run has it.
    pub importance: Vec<ImportanceRow>,
}

/// One run of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedRun {
    /// Id of the run.
    pub id: String,
    /// Name in the config.
    pub name: String,
    /// Status now.
    pub status: Status,
    /// Family of the model, or the package that training started from.
    pub family: String,
    /// `true` for the best score on the valid split, of several equal ones for each of them.
    pub best: bool,
    /// Value of the metric of the comparison on the valid split.
    pub score: Option<f64>,
    /// All metrics of the valid split.
    pub valid: Map<String, Value>,
    /// All metrics of the test split.
    pub test: Map<String, Value>,
    /// Seconds of training.
    pub seconds: Option<f64>,
    /// `NAME:VERSION` of the published package.
    pub package: Option<String>,
}

/// A setting with its value in each run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SettingRow {
    /// Dotted key of the config, or `dataset`.
    pub key: String,
    /// Value in each run; `None` where it is not set.
    pub values: Vec<Option<Value>>,
}

/// A column with its importance in each run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportanceRow {
    /// Name of the column.
    pub column: String,
    /// Share of the run's importance; `None` for a run without the column.
    pub values: Vec<Option<f64>>,
}

/// A run as it is on disk.
struct Found {
    record: RunRecord,
    status: Status,
    settings: BTreeMap<String, Value>,
    metrics: Value,
}

impl RunComparison {
    /// Compares runs by id, the beginning of one, or `latest`. A run that is named twice counts once.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Ambiguous`], [`Error::Store`].
    pub fn of(home: &Home, ids: &[String]) -> Result<Self, Error> {
        let mut found: Vec<Found> = Vec::new();
        for id in ids {
            let run = Found::read(&RunFolder::open(home, id)?)?;
            if !found.iter().any(|other| other.record.id == run.record.id) {
                found.push(run);
            }
        }
        let metric = common_metric(&found);
        let order = |a: &Found, b: &Found| match &metric {
            Some(metric) => by_metric(a, b, metric),
            None => Ordering::Equal,
        };
        // Stable, so that equal runs stay in the order in which they were named.
        found.sort_by(order);
        let best = found.first().and_then(|first| first.score(metric.as_ref()?));
        let runs = found.iter().map(|run| run.compared(metric.as_ref(), best)).collect();
        let (settings, importance) = (setting_rows(&found), importance_rows(&found));
        let split_keys = |key: &str| key == "dataset" || key.starts_with("split.") || key == "seed";
        let same_split = !settings.iter().any(|row| split_keys(&row.key));
        Ok(Self { metric: metric.map(|metric| metric.metric), same_split, runs, settings, importance })
    }
}

impl Found {
    fn read(folder: &RunFolder) -> Result<Self, Error> {
        let record = folder.record()?;
        let mut settings = config_settings(&folder.config_text()?);
        settings.insert("dataset".to_owned(), record.dataset.source.sha256.clone().into());
        let path = folder.path().join(METRICS);
        let metrics = if path.is_file() { read_json(&path)? } else { Value::Null };
        Ok(Self { status: folder.status(&record), settings, metrics, record })
    }

    /// Metrics of a split; empty before the end of the run.
    fn split(&self, name: &str) -> Map<String, Value> {
        self.metrics["splits"][name]["values"].as_object().cloned().unwrap_or_default()
    }

    /// Value of a metric on the valid split: that of the published weights, else of the best evaluation so far.
    fn score(&self, metric: &ValidationScore) -> Option<f64> {
        let own = self.record.valid.as_ref().filter(|own| own.metric == metric.metric).map(|own| own.value);
        self.metrics["splits"]["valid"]["values"][&metric.metric].as_f64().or(own)
    }

    fn compared(&self, metric: Option<&ValidationScore>, best: Option<f64>) -> ComparedRun {
        let score = metric.and_then(|metric| self.score(metric));
        ComparedRun {
            id: self.record.id.clone(),
            name: self.record.name.clone(),
            status: self.status,
            family: family(&self.settings),
            best: score.is_some() && score == best,
            score,
            valid: self.split("valid"),
            test: self.split("test"),
            seconds: self.record.seconds,
            package: self.record.package.clone(),
        }
    }
}

/// Metric that chose the weights of one run and that all runs with a score have.
fn common_metric(found: &[Found]) -> Option<ValidationScore> {
    let chosen = || found.iter().filter_map(|run| run.record.valid.as_ref());
    let scored = || found.iter().filter(|run| run.record.valid.is_some());
    chosen().find(|metric| scored().all(|run| run.score(metric).is_some())).cloned()
}

/// The better score first, runs without one last.
fn by_metric(a: &Found, b: &Found, metric: &ValidationScore) -> Ordering {
    match (a.score(metric), b.score(metric)) {
        (Some(a), Some(b)) if metric.larger_is_better => b.total_cmp(&a),
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

fn setting_rows(found: &[Found]) -> Vec<SettingRow> {
    let keys: BTreeSet<&String> = found.iter().flat_map(|run| run.settings.keys()).collect();
    let rows = keys.into_iter().map(|key| {
        let values = found.iter().map(|run| run.settings.get(key).cloned()).collect();
        SettingRow { key: key.clone(), values }
    });
    let differs =
        |row: &SettingRow| row.values.iter().any(|value| !same(value.as_ref(), row.values[0].as_ref()));
    rows.filter(differs).collect()
}

fn importance_rows(found: &[Found]) -> Vec<ImportanceRow> {
    let shares = |run: &Found| -> BTreeMap<String, f64> {
        let list = run.metrics["importance"].as_array().into_iter().flatten();
        list.filter_map(|entry| Some((entry["column"].as_str()?.to_owned(), entry["share"].as_f64()?)))
            .collect()
    };
    let all: Vec<BTreeMap<String, f64>> = found.iter().map(shares).collect();
    let columns: BTreeSet<&String> = all.iter().flat_map(BTreeMap::keys).collect();
    let rows = columns.into_iter().map(|column| {
        let values = all.iter().map(|shares| shares.get(column).copied()).collect();
        ImportanceRow { column: column.clone(), values }
    });
    let mut rows: Vec<ImportanceRow> = rows.collect();
    let sum = |row: &ImportanceRow| row.values.iter().flatten().sum::<f64>();
    rows.sort_by(|a, b| sum(b).total_cmp(&sum(a)));
    rows
}
