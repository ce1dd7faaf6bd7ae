//! History of runs: what was tried, with which settings, and how well it did.
//!
//! [`Index::history`] lists runs by their score on the valid split, [`RunComparison`] sets a few of them side by side.
//! Test metrics are in both, for those who ask: a run that is chosen by them has no honest test score left.

mod changes;
mod compare;
mod query;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

pub use self::changes::SettingChange;
pub use self::compare::{ComparedRun, ImportanceRow, RunComparison, SettingRow};
pub use self::query::{RunColumn, RunFilter, RunQuery};
use crate::error::Error;
use crate::home::Home;
use crate::index::{Index, RunRow};
use crate::run::{RunFolder, Status, ValidationScore};

/// A run, as listed by `cupola runs list`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunSummary {
    /// Id of the run.
    pub id: String,
    /// Name in the config.
    pub name: String,
    /// Status now: [`Status::Interrupted`] for a run whose process was killed.
    pub status: Status,
    /// Time of creation, RFC 3339.
    pub created: String,
    /// Family of the model, or the package that training started from.
    pub family: String,
    /// Settings that differ from the previous run of this name, or from the defaults of the config.
    pub changed: Vec<SettingChange>,
    /// Score on the valid split; `None` before the first evaluation, and without one.
    pub valid: Option<ValidationScore>,
    /// Seconds of training; `None` before its end.
    pub seconds: Option<f64>,
    /// Device of the last start.
    pub device: String,
    /// `NAME:VERSION` of the published package.
    pub package: Option<String>,
    /// Metrics of the test split.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub metrics: Value,
}

impl Index {
    /// Runs that a query selects, in its order.
    ///
    /// # Errors
    /// [`Error::Index`]; [`Error::Query`] for a filter by a key that no run has.
    pub fn history(&mut self, query: &RunQuery) -> Result<Vec<RunSummary>, Error> {
        let home = self.home().clone();
        let rows = self.runs()?;
        query.check(&rows)?;
        let mut found = summaries(&home, &rows);
        found.retain(|(summary, row)| {
            query.filters.iter().all(|filter| filter.accepts(summary, &row.settings))
        });
        found.sort_by(|(a, _), (b, _)| query.sort.order(a, b));
        found.truncate(query.limit.unwrap_or(usize::MAX));
        Ok(found.into_iter().map(|(summary, _)| summary).collect())
    }
}

/// Summaries of all runs, newest first as the rows are.
fn summaries<'a>(home: &Home, rows: &'a [RunRow]) -> Vec<(RunSummary, &'a RunRow)> {
    let mut previous: BTreeMap<&str, &RunRow> = BTreeMap::new();
    let mut found: Vec<(RunSummary, &RunRow)> = Vec::with_capacity(rows.len());
    for row in rows.iter().rev() {
        let before = previous.insert(&row.name, row);
        found.push((summary(home, row, before), row));
    }
    found.reverse();
    found
}

fn summary(home: &Home, row: &RunRow, before: Option<&RunRow>) -> RunSummary {
    RunSummary {
        id: row.id.clone(),
        name: row.name.clone(),
        status: RunFolder::at(home, &row.id).status_now(row.status),
        created: row.created.clone(),
        family: family(&row.settings),
        changed: changes::since(before, row),
        valid: row.valid.clone(),
        seconds: row.seconds,
        device: row.device.clone(),
        package: row.package.clone(),
        metrics: row.metrics.clone(),
    }
}

/// Family of the model that the settings of a config name, or the package that training starts from.
fn family(settings: &BTreeMap<String, Value>) -> String {
    let text = |key| settings.get(key).and_then(Value::as_str);
    text("model.family").or_else(|| text("model.package")).unwrap_or_default().to_owned()
}

/// Order of scores, the best first and runs without one last. Values of different metrics are not compared: those
/// runs are grouped by metric.
fn by_score(a: Option<&ValidationScore>, b: Option<&ValidationScore>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.metric.cmp(&b.metric).then_with(|| {
            let order = a.value.total_cmp(&b.value);
            if a.larger_is_better { order.reverse() } else { order }
        }),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}
