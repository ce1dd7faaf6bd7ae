//! Draft of a whole project: config, data contract, gate, a short training and rows with known targets.

use std::collections::BTreeMap;

use cupola_datasets::{LoadRequest, Profile};
use cupola_prep::Column;
use cupola_sources::TextColumns;
use cupola_spec::{Family, Series, TargetKind};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::contract::{contract, to_toml};
use super::ranking;
use super::sample::DataSample;
use super::toml_text::{comment, line};
use super::{Draft, DraftRequest, DraftRole};
use crate::config::ConfigSource;
use crate::error::Error;
use crate::event::CollectionEvents;
use crate::session::Session;

/// Rows with known targets.
const KNOWN_ROWS: usize = 50;
/// Alias of the version in production.
pub const PRODUCTION: &str = "production";

/// Drafted parts of a project.
#[derive(Debug, Clone)]
pub struct ProjectDraft {
    /// Draft of the config.
    pub draft: Draft,
    /// The config with contract and gate.
    pub config: String,
    /// Further words of `train` that make a training short.
    pub short: Vec<String>,
    /// Rows of the data as JSON lines with the target; `None` for pictures, texts of files, series and models without a target.
    pub known: Option<String>,
    /// TOML with the gate of those rows.
    pub known_gate: String,
}

/// Values of a target with classes.
struct Classes {
    /// Names, sorted.
    names: Vec<String>,
    /// Share of the most frequent class.
    majority: f64,
}

impl Session<'_> {
    /// Drafts a project from a source, which the project calls `source`.
    ///
    /// Reads all rows once, so that they meet the contract.
    ///
    /// # Errors
    /// As [`Self::draft`]; a config that `train` would refuse.
    pub fn draft_project(&self, request: &DraftRequest, source: &str) -> Result<ProjectDraft, Error> {
        let (mut draft, data) = self.drafted(request)?;
        let profile = self.profile(&draft)?;
        let classes = classes(&draft, &data);
        let complete = classes.as_ref().filter(|_| draft.complete).map(|classes| classes.names.as_slice());
        let expectations = contract(&draft, &profile, complete);
        let gate = gate(&draft, &data, classes.as_ref());
        source.clone_into(&mut draft.source);
        let config = draft.to_toml() + &to_toml(&expectations) + &gate_toml(&gate);
        // A project whose config is refused is never written.
        self.run_config(&ConfigSource::text("the drafted config", config.clone()))?;
        let known = known_rows(&draft, &data);
        let known_gate = known_gate(&draft, &data, classes.as_ref());
        Ok(ProjectDraft { config, short: short(&draft), known, known_gate, draft })
    }

    fn profile(&self, draft: &Draft) -> Result<Profile, Error> {
        let config = draft.config();
        let run = self.run_config(&config)?;
        let (roots, progress) = (config.roots(), CollectionEvents(self.observer));
        let request = LoadRequest {
            source: &run.data.source,
            data: &run.data,
            expect: &[],
            texts: TextColumns::None,
            roots: &roots,
            home: self.home.root(),
            progress: &progress,
        };
        Ok(cupola_datasets::stream(&request)?.profile()?)
    }
}

fn classes(draft: &Draft, data: &DataSample) -> Option<Classes> {
    let column = draft.columns.iter().find(|column| column.role == DraftRole::Target)?;
    let values = data.frame.get(&column.name).filter(|_| draft.target.kind == TargetKind::Category)?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for value in (0..values.len()).filter_map(|row| values.text(row)) {
        *counts.entry(value.into_owned()).or_default() += 1;
    }
    let (all, most) = (counts.values().sum::<usize>(), counts.values().max().copied()?);
    #[allow(clippy::cast_precision_loss, reason = "a share")]
    let majority = most as f64 / all as f64;
    Some(Classes { names: counts.into_keys().collect(), majority })
}

/// Conditions that any model meets that has learned something, each with its reason.
fn gate(draft: &Draft, data: &DataSample, classes: Option<&Classes>) -> Vec<(&'static str, String, String)> {
    let mut conditions = Vec::new();
    let mut add = |why, key: &str, required: String| conditions.push((why, key.to_owned(), required));
    match (draft.target.kind, classes) {
        (TargetKind::Category, Some(classes)) if classes.names.len() > 2 => add(
            "better than the most frequent class for every row",
            "test/accuracy",
            format!(">= {:.2}", below(classes.majority)),
        ),
        (TargetKind::Category, _) => {
            add("better than chance, which has 0.5", "test/roc_auc", ">= 0.6".to_owned());
        }
        (TargetKind::Number | TargetKind::Forecast, _) => {
            add("better than the mean for every row", "test/r2", ">= 0".to_owned());
        }
        (TargetKind::NextToken, _) => add("better than chance", "test/bits_per_byte", "<= 8".to_owned()),
        (TargetKind::Reconstruct, _) if draft.target.column.is_some() => {
            add("better than chance, which has 0.5", "test/roc_auc", ">= 0.6".to_owned());
        }
        (TargetKind::Rank, _) => {
            if let Some(chance) = ranking::chance(draft, &data.frame) {
                add(
                    "better than a random order of each group, by a tenth of the way to the best order",
                    "test/ndcg_at_10",
                    format!(">= {:.2}", ranking::better_than(chance)),
                );
            }
        }
        (TargetKind::Reconstruct, _) => {}
    }
    if !matches!(draft.target.kind, TargetKind::Forecast | TargetKind::NextToken) {
        add("time of one row", "latency_p99_ms", "<= 1000".to_owned());
    }
    // Windows, pictures and texts of files are not kept as rows, so that there is nothing to compare on.
    if has_rows(draft, data) {
        let versus = format!("versus {PRODUCTION}");
        add(
            "compared on the same rows, as soon as there is a version in production",
            &versus,
            "no worse, 95 %".to_owned(),
        );
    }
    conditions
}

fn gate_toml(conditions: &[(&'static str, String, String)]) -> String {
    let mut out = "\n".to_owned();
    comment(
        &mut out,
        "The conditions of a release. They are what any model meets that has learned something: write what you need.",
    );
    out.push_str("[gate]\n");
    for (why, key, required) in conditions {
        comment(&mut out, why);
        line(&mut out, &format!("\"{key}\""), required);
    }
    out
}

/// Gate of the rows with known targets.
fn known_gate(draft: &Draft, data: &DataSample, classes: Option<&Classes>) -> String {
    let mut out = String::new();
    comment(&mut out, "Conditions on the predictions of known.jsonl, in place of the test split.");
    out.push_str("[gate]\n");
    let (metric, least) = match (draft.target.kind, classes) {
        (TargetKind::Category, Some(classes)) => {
            ("test/accuracy", format!("{:.2}", below(classes.majority - 0.1).max(0.0)))
        }
        (TargetKind::Rank, _) => {
            let chance = ranking::chance(draft, &data.frame).unwrap_or_default();
            ("test/ndcg_at_10", format!("{:.2}", below(chance)))
        }
        _ => ("test/r2", "0".to_owned()),
    };
    line(&mut out, &format!("\"{metric}\""), &format!(">= {least}"));
    out
}

/// Two decimals that are not above a share.
fn below(share: f64) -> f64 {
    (share * 100.0).floor() / 100.0
}

/// `true` if a row of the data is a row of the model.
fn has_rows(draft: &Draft, data: &DataSample) -> bool {
    let learned = matches!(draft.target.kind, TargetKind::Category | TargetKind::Number | TargetKind::Rank);
    let of_files = data.media.is_some() || draft.files.is_some() || draft.paragraphs;
    learned && !of_files && Series::is_empty(&draft.series)
}

/// Rows that are spread over the sample, of a ranking whole groups, with the columns that the model uses.
fn known_rows(draft: &Draft, data: &DataSample) -> Option<String> {
    if !has_rows(draft, data) {
        return None;
    }
    let used = draft.columns.iter().filter(|column| column.role != DraftRole::LeftOut);
    let columns: Vec<(&str, bool, &Column)> = used
        .filter_map(|column| {
            let values = data.frame.get(&column.name)?;
            Some((column.name.as_str(), column.role == DraftRole::Target, values))
        })
        .collect();
    let present = |row: &usize| columns.iter().all(|(_, target, values)| !target || !values.is_missing(*row));
    let rows = match ranking::groups(draft, &data.frame) {
        Some(groups) => ranking::known_rows(groups, KNOWN_ROWS),
        None => spread_rows(data.frame.rows()),
    };
    let rows = rows.into_iter().filter(present);
    let line = |row: usize| {
        let values = columns.iter().map(|(name, _, values)| ((*name).to_owned(), value(values, row)));
        Value::Object(values.collect::<Map<_, _>>()).to_string() + "\n"
    };
    let text: String = rows.map(line).collect();
    (!text.is_empty()).then_some(text)
}

/// Rows that are spread over all, in steps of an odd number, so that classes that take turns are all met.
fn spread_rows(rows: usize) -> Vec<usize> {
    (0..rows).step_by(rows.div_ceil(KNOWN_ROWS) | 1).collect()
}

/// Value as JSON, as a client would send it.
fn value(values: &Column, row: usize) -> Value {
    if values.is_missing(row) {
        return Value::Null;
    }
    match values {
        Column::Number { values, time } => number(values[row], *time),
        Column::Text(values) => json!(values.value(row)),
        Column::Bytes(_) => Value::Null,
    }
}

#[allow(clippy::cast_possible_truncation, reason = "whole numbers below 2^53, and seconds")]
fn number(number: f64, time: bool) -> Value {
    if time {
        let seconds = Timestamp::from_second(number.floor() as i64);
        return seconds.map_or(Value::Null, |time| json!(time.strftime("%Y-%m-%dT%H:%M:%S").to_string()));
    }
    let whole = number.fract() == 0.0 && number.abs() < 9e15;
    if whole { json!(number as i64) } else { json!(number) }
}

/// Options of a training that shows whether the model learns.
fn short(draft: &Draft) -> Vec<String> {
    let words: &[&str] = match draft.model.family {
        Family::Gbdt(_) => &["--set", "model.rounds=50"],
        _ => &["--set", "train.epochs=3", "--max-steps", "300"],
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_that_a_client_sends() {
        assert_eq!(number(3.0, false).to_string(), "3");
        assert_eq!(number(0.25, false).to_string(), "0.25");
        assert_eq!(number(86_400.0, true), json!("1970-01-02T00:00:00"));
        assert_eq!(value(&Column::texts([Some("a"), None]), 1), Value::Null);
        assert_eq!(value(&Column::texts([Some("a\"b")]), 0), json!("a\"b"));
    }

    #[test]
    fn conditions_are_a_gate() {
        let text = gate_toml(&[("why", "test/accuracy".to_owned(), ">= 0.50".to_owned())]);
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["gate"]["test/accuracy"].as_str(), Some(">= 0.50"));
        assert!((below(0.567) - 0.56).abs() < 1e-12);
    }
}
