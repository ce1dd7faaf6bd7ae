//! Recent predictions, compared with feedback as it comes.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use cupola_monitor::service::TargetOutcome;
use cupola_prep::{PredictedValue, Prediction, Predictions};
use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_64;

use crate::telemetry::OutcomeMetrics;

/// Most rows whose predictions are remembered, of all models. With a short prediction they take about 20 MB.
const MOST_ROWS: usize = 100_000;
/// Most rows of one request that are remembered.
const MOST_ROWS_OF_REQUEST: usize = 1_000;
/// Longest text of a prediction that is remembered; a longer one is no class.
const MOST_BYTES: usize = 256;

/// Prediction of one row.
struct RecentRow {
    version: u64,
    values: Vec<(String, RecentValue)>,
    /// Digest of the feedback that it was compared with; `None` before.
    answered: Option<u64>,
}

enum RecentValue {
    /// A class, with its probability.
    Class(String, Option<f64>),
    Number(f64),
    Numbers(Vec<f64>),
}

#[derive(Default)]
struct RecentRows {
    by_key: HashMap<u64, RecentRow>,
    order: VecDeque<u64>,
}

/// Outcomes by model, version and target.
type OutcomesByTarget = BTreeMap<(String, u64), BTreeMap<String, TargetOutcome>>;

/// Joins feedback with recent predictions and counts how good they were.
pub struct OutcomeJoin {
    rows: Mutex<RecentRows>,
    metrics: OutcomeMetrics,
    /// Outcomes since the last line of the performance log.
    logged: Mutex<OutcomesByTarget>,
}

impl OutcomeJoin {
    /// Join without predictions.
    pub fn new(metrics: OutcomeMetrics) -> Self {
        Self { rows: Mutex::default(), metrics, logged: Mutex::default() }
    }

    /// Remembers the predictions of a request in place of the oldest ones.
    pub fn remember(&self, request: &str, model: &str, version: u64, predictions: &[Predictions]) {
        let rows =
            predictions.iter().take(MOST_ROWS_OF_REQUEST).enumerate().filter_map(|(index, prediction)| {
                let values: Vec<(String, RecentValue)> = prediction
                    .iter()
                    .filter_map(|(target, prediction)| Some((target.clone(), recent(prediction)?)))
                    .collect();
                (!values.is_empty()).then(|| (key(model, request, index as u64 + 1), values))
            });
        let rows: Vec<_> = rows.collect();
        let mut recent = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, values) in rows {
            if recent.by_key.insert(key, RecentRow { version, values, answered: None }).is_none() {
                recent.order.push_back(key);
            }
        }
        while recent.order.len() > MOST_ROWS {
            if let Some(oldest) = recent.order.pop_front() {
                recent.by_key.remove(&oldest);
            }
        }
    }

    /// Compares stored rows of feedback with the predictions of their requests. The first feedback of a row counts; a
    /// second one is counted as repeated or contradicting.
    pub fn compare(&self, model: &str, feedback: &[Map<String, Value>]) {
        let mut recent = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        for row in feedback {
            let request = row.get("request_id").and_then(Value::as_str).unwrap_or_default();
            let number = row.get("row").and_then(Value::as_u64).unwrap_or(1);
            let outcome = match recent.by_key.get_mut(&key(model, request, number)) {
                None => "unknown",
                Some(known) => self.compare_row(model, known, row),
            };
            self.metrics.count_match(model, outcome);
        }
    }

    /// Outcomes of a version since the last call, by target, for the performance log.
    pub fn take_logged(&self, model: &str, version: u64) -> BTreeMap<String, TargetOutcome> {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        logged.remove(&(model.to_owned(), version)).unwrap_or_default()
    }

    fn compare_row(&self, model: &str, known: &mut RecentRow, row: &Map<String, Value>) -> &'static str {
        let targets: Vec<(&str, &RecentValue, &Value)> = known
            .values
            .iter()
            .filter_map(|(target, value)| Some((target.as_str(), value, row.get(target)?)))
            .collect();
        let digest: Vec<String> =
            targets.iter().map(|(target, _, value)| format!("{target}={value}")).collect();
        let digest = xxh3_64(digest.join("\n").as_bytes());
        match known.answered {
            Some(before) if before == digest => return "repeated",
            Some(_) => return "contradicting",
            None => {}
        }
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let own = logged.entry((model.to_owned(), known.version)).or_default();
        for (target, predicted, truth) in &targets {
            let outcome = own.entry((*target).to_owned()).or_default();
            let error = match predicted {
                RecentValue::Class(class, probability) => {
                    let right = same_class(class, truth);
                    self.metrics.count_class(model, known.version, target, right);
                    outcome.add_class(right, *probability);
                    None
                }
                RecentValue::Number(number) => number_of(truth).map(|truth| (number - truth).abs()),
                RecentValue::Numbers(numbers) => mean_error(numbers, truth),
            };
            if let Some(error) = error {
                self.metrics.count_number(model, known.version, target, error);
                outcome.add_number(error);
            }
        }
        drop(logged);
        known.answered = Some(digest);
        "joined"
    }
}

fn key(model: &str, request: &str, row: u64) -> u64 {
    xxh3_64(format!("{model}\n{request}\n{row}").as_bytes())
}

/// Value to remember, a class with its probability; `None` for a long text.
fn recent(prediction: &Prediction) -> Option<RecentValue> {
    let probabilities = prediction.probabilities.as_ref();
    let class = |text: String| {
        let probability = probabilities.and_then(|all| all.get(&text)).copied().map(f64::from);
        RecentValue::Class(text, probability)
    };
    Some(match &prediction.value {
        PredictedValue::Numbers(numbers) => RecentValue::Numbers(numbers.clone()),
        PredictedValue::Number(number) if probabilities.is_none() => RecentValue::Number(*number),
        PredictedValue::Integer(number) => class(number.to_string()),
        PredictedValue::Number(number) => class(number.to_string()),
        PredictedValue::Text(text) if text.len() <= MOST_BYTES => class(text.clone()),
        PredictedValue::Text(_) => return None,
    })
}

fn number_of(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// `true` for the same class: `1`, `1.0` and `"1"` are one, as are `true` and `"true"`.
#[allow(clippy::float_cmp, reason = "classes are whole numbers, or the same text")]
pub(super) fn same_class(class: &str, truth: &Value) -> bool {
    let text = match truth {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let numbers = class.parse::<f64>().ok().zip(text.trim().parse::<f64>().ok());
    match (numbers, truth) {
        (Some((class, truth)), _) => class == truth,
        (None, Value::Bool(_)) => class.eq_ignore_ascii_case(&text),
        (None, _) => class == text,
    }
}

fn mean_error(numbers: &[f64], truth: &Value) -> Option<f64> {
    let truth = truth.as_array().filter(|truth| truth.len() == numbers.len() && !truth.is_empty())?;
    let errors = numbers.iter().zip(truth).map(|(number, truth)| Some((number - truth.as_f64()?).abs()));
    Some(errors.sum::<Option<f64>>()? / numbers.len() as f64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn classes_are_the_same_however_they_are_spelled() {
        for (class, truth, same) in [
            ("1", json!(1), true),
            ("1", json!("1.0"), true),
            ("1", json!(2), false),
            ("yes", json!("yes"), true),
            ("yes", json!("Yes"), false),
            ("True", json!(true), true),
            ("yes", json!(1), false),
        ] {
            assert_eq!(same_class(class, &truth), same, "{class} {truth}");
        }
        assert_eq!(mean_error(&[1.0, 2.0], &json!([2, 4])), Some(1.5));
        assert_eq!(mean_error(&[1.0], &json!([2, 4])), None);
        assert_eq!(mean_error(&[1.0], &json!(["x"])), None);
    }

    #[test]
    fn feedback_counts_once_and_everything_else_is_told() {
        let telemetry = crate::telemetry::Telemetry::new();
        let join = OutcomeJoin::new(telemetry.outcome_metrics());
        let prediction =
            |value: Value| -> Predictions { serde_json::from_value(json!({ "y": value })).unwrap() };
        let class = json!({ "value": "up", "probabilities": { "up": 0.9, "down": 0.1 } });
        join.remember("a", "m", 2, &[prediction(class), prediction(json!({ "value": 3.0 }))]);
        let row = |request: &str, row: u64, y: Value| -> Map<String, Value> {
            serde_json::from_value(json!({ "request_id": request, "row": row, "y": y })).unwrap()
        };
        join.compare("m", &[row("a", 1, json!("up")), row("a", 1, json!("up")), row("a", 1, json!("down"))]);
        join.compare("m", &[row("a", 2, json!(5)), row("a", 3, json!(5)), row("b", 1, json!("up"))]);
        let logged = join.take_logged("m", 2);
        let y = &logged["y"];
        assert_eq!((y.right, y.wrong, y.measured), (1, 0, 1));
        assert!((y.calibration_error().unwrap() - 0.1).abs() < 1e-6 && y.mean_error() == Some(2.0));
        assert!(join.take_logged("m", 2).is_empty());
        let text = telemetry.text();
        for line in [
            "cupola_outcomes_total{model=\"m\",version=\"2\",target=\"y\",outcome=\"correct\"} 1",
            "cupola_outcomes_total{model=\"m\",version=\"2\",target=\"y\",outcome=\"measured\"} 1",
            "cupola_outcome_absolute_error_total{model=\"m\",version=\"2\",target=\"y\"} 2.0",
            "cupola_feedback_matches_total{model=\"m\",outcome=\"joined\"} 2",
            "cupola_feedback_matches_total{model=\"m\",outcome=\"repeated\"} 1",
            "cupola_feedback_matches_total{model=\"m\",outcome=\"contradicting\"} 1",
            "cupola_feedback_matches_total{model=\"m\",outcome=\"unknown\"} 2",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let join = OutcomeJoin::new(OutcomeMetrics::default());
        let one: Predictions = serde_json::from_value(json!({ "y": { "value": 1.0 } })).unwrap();
        let rows = vec![one; MOST_ROWS_OF_REQUEST + 1];
        for request in 0..MOST_ROWS / MOST_ROWS_OF_REQUEST + 3 {
            join.remember(&request.to_string(), "m", 1, &rows);
        }
        let rows = join.rows.lock().unwrap();
        assert_eq!((rows.order.len(), rows.by_key.len()), (MOST_ROWS, MOST_ROWS));
    }
}
