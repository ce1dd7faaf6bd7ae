//! Selection and order of runs.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::str::FromStr;

use cupola_spec::did_you_mean;
use serde_json::Value;

use super::{RunSummary, by_score};
use crate::error::Error;
use crate::index::RunRow;

/// Keys of a filter beside the settings of the config. `state` and `status` are one.
const FILTERS: [&str; 7] = ["id", "name", "status", "state", "family", "device", "package"];

/// Runs to list, and their order.
#[derive(Debug, Clone, Default)]
pub struct RunQuery {
    /// Column to sort by.
    pub sort: RunColumn,
    /// Conditions that a run has to meet, all of them.
    pub filters: Vec<RunFilter>,
    /// Largest number of runs; `None` for all.
    pub limit: Option<usize>,
}

impl RunQuery {
    /// Checks that each filter has a key that some run has.
    pub(super) fn check(&self, rows: &[RunRow]) -> Result<(), Error> {
        let is_known =
            |key: &str| FILTERS.contains(&key) || rows.iter().any(|row| row.settings.contains_key(key));
        let Some(unknown) = self.filters.iter().find(|filter| !is_known(&filter.key)) else { return Ok(()) };
        let settings = rows.iter().flat_map(|row| row.settings.keys().map(String::as_str));
        Err(Error::Query {
            what: "filter",
            found: unknown.key.clone(),
            hint: did_you_mean(&unknown.key, FILTERS.into_iter().chain(settings)),
            expected: format!("{}, or a key of the configs, such as train.epochs", FILTERS.join(", ")),
        })
    }
}

/// Column that runs are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunColumn {
    /// Time of creation, newest first.
    #[default]
    Created,
    /// Id.
    Id,
    /// Name in the config, then newest first.
    Name,
    /// Family, then the best score first.
    Family,
    /// Score on the valid split, best first.
    Valid,
    /// Seconds of training, shortest first.
    Time,
    /// Status, then newest first.
    Status,
}

/// Columns by name. `state` and `status` are one.
const COLUMNS: [(&str, RunColumn); 8] = [
    ("created", RunColumn::Created),
    ("id", RunColumn::Id),
    ("name", RunColumn::Name),
    ("family", RunColumn::Family),
    ("valid", RunColumn::Valid),
    ("time", RunColumn::Time),
    ("status", RunColumn::Status),
    ("state", RunColumn::Status),
];

impl RunColumn {
    pub(super) fn order(self, a: &RunSummary, b: &RunSummary) -> Ordering {
        let newest = || b.created.cmp(&a.created).then_with(|| b.id.cmp(&a.id));
        let score = || by_score(a.valid.as_ref(), b.valid.as_ref());
        let seconds = |run: &RunSummary| run.seconds.unwrap_or(f64::INFINITY);
        let first = match self {
            Self::Created => Ordering::Equal,
            Self::Id => a.id.cmp(&b.id),
            Self::Name => a.name.cmp(&b.name),
            Self::Family => a.family.cmp(&b.family).then_with(score),
            Self::Valid => score(),
            Self::Time => seconds(a).total_cmp(&seconds(b)),
            Self::Status => a.status.name().cmp(b.status.name()),
        };
        first.then_with(newest)
    }
}

impl FromStr for RunColumn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let names = || COLUMNS.iter().map(|(name, _)| *name);
        let found = COLUMNS.iter().find(|(name, _)| *name == text).map(|(_, column)| *column);
        found.ok_or_else(|| Error::Query {
            what: "column",
            found: text.to_owned(),
            hint: did_you_mean(text, names()),
            expected: names().collect::<Vec<_>>().join(", "),
        })
    }
}

/// Condition `KEY=VALUE` on a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFilter {
    key: String,
    value: String,
}

impl FromStr for RunFilter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once('=') {
            Some((key, value)) => Ok(Self { key: key.trim().to_owned(), value: value.trim().to_owned() }),
            None => Err(Error::Query {
                what: "filter",
                found: text.to_owned(),
                hint: String::new(),
                expected: "KEY=VALUE, such as status=finished".to_owned(),
            }),
        }
    }
}

impl RunFilter {
    /// `true` if a run meets the condition. A name or family is compared as a whole, a package also without its
    /// version.
    pub(super) fn accepts(&self, run: &RunSummary, settings: &BTreeMap<String, Value>) -> bool {
        let value = self.value.as_str();
        match self.key.as_str() {
            "id" => run.id.starts_with(value),
            "name" => run.name == value,
            "status" | "state" => run.status.name() == value,
            "family" => run.family == value,
            "device" => run.device.contains(value),
            "package" => run.package.as_deref().is_some_and(|package| {
                package == value || package.split_once(':').is_some_and(|(name, _)| name == value)
            }),
            key => settings.get(key).is_some_and(|found| is_value(found, value)),
        }
    }
}

/// `true` if a text stands for the value of a setting.
fn is_value(found: &Value, text: &str) -> bool {
    match found {
        Value::String(found) => found == text,
        Value::Number(found) => text.parse::<f64>().is_ok_and(|number| found.as_f64() == Some(number)),
        found => serde_json::from_str::<Value>(text).is_ok_and(|value| value == *found),
    }
}
