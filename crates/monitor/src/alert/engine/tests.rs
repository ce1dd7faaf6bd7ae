//! Alerts from metrics to notifications, by a clock that the tests turn.

use super::*;
use crate::alert::{AlertCondition, AlertState, DriftScope, LabelMatcher, MetricComparison};

const START: i64 = 1_700_000_000;

/// Engine with a clock.
struct Bench {
    engine: AlertEngine,
    now: i64,
    sent: Vec<AlertNotification>,
}

impl Bench {
    fn new(rules: Vec<AlertRule>) -> Self {
        let timings = GroupTimings { wait: 0.0, ..GroupTimings::default() };
        let engine = AlertEngine::new(rules, timings, EngineMemory::default()).unwrap();
        Self { engine, now: START, sent: Vec::new() }
    }

    /// Observes after some seconds and returns the number of notifications.
    fn step(&mut self, seconds: u32, samples: &MetricSamples) -> usize {
        self.now += i64::from(seconds);
        let now = Timestamp::from_second(self.now).unwrap();
        let due = self.engine.observe(AlertTick { now, elapsed: f64::from(seconds) }, samples);
        let count = due.len();
        self.sent.extend(due);
        count
    }

    fn states(&self) -> Vec<AlertState> {
        self.engine.alerts().map(|alert| alert.state).collect()
    }
}

fn queue(value: f64) -> MetricSamples {
    let mut samples = MetricSamples::default();
    samples.add("cupola_queue_requests", &[("model", "m"), ("version", "1")], value);
    samples
}

fn queue_rule(hold: f64) -> AlertRule {
    let condition = AlertCondition::Metric {
        metric: "cupola_queue_requests".to_owned(),
        labels: crate::alert::AlertLabels::new(),
        comparison: MetricComparison::Above,
        bound: 10.0,
    };
    AlertRule::new("Queue", condition, hold)
}

#[test]
fn an_alert_is_pending_fires_repeats_and_resolves() {
    let mut bench = Bench::new(vec![queue_rule(60.0)]);
    assert_eq!(bench.step(0, &queue(11.0)), 0);
    assert_eq!(bench.states(), [AlertState::Pending]);
    assert_eq!(bench.step(45, &queue(12.0)), 0);
    assert_eq!(bench.step(15, &queue(13.0)), 1);
    assert_eq!(bench.states(), [AlertState::Firing]);
    let first = &bench.sent[0];
    assert_eq!(
        (first.state(), first.repeated, first.alerts[0].value),
        (AlertState::Firing, false, Some(13.0))
    );
    assert_eq!(first.alerts[0].labels["model"], "m");
    assert_eq!(first.alerts[0].started, Timestamp::from_second(START).unwrap());
    for _ in 0..239 {
        assert_eq!(bench.step(60, &queue(13.0)), 0);
    }
    assert_eq!(bench.step(60, &queue(13.0)), 1);
    assert!(bench.sent[1].repeated);
    // The group was told a moment ago, so the end is told after its interval.
    assert_eq!(bench.step(60, &queue(1.0)), 0);
    assert_eq!(bench.states(), [AlertState::Resolved]);
    assert_eq!(bench.step(240, &queue(1.0)), 1);
    assert_eq!(bench.sent[2].state(), AlertState::Resolved);
    assert!(bench.sent[2].alerts[0].ended.is_some());
    let told = &bench.sent[2].alerts[0];
    assert_eq!((told.summary.as_str(), told.value), ("cupola_queue_requests is 1, not above 10", Some(1.0)));
    for _ in 0..20 {
        assert_eq!(bench.step(60, &queue(1.0)), 0);
    }
    assert_eq!(bench.states(), []);
}

#[test]
fn a_condition_that_ends_early_is_never_told() {
    let mut bench = Bench::new(vec![queue_rule(60.0)]);
    for _ in 0..10 {
        bench.step(30, &queue(11.0));
        bench.step(15, &queue(11.0));
        bench.step(15, &queue(1.0));
        assert_eq!(bench.states(), []);
    }
    assert!(bench.sent.is_empty());
}

#[test]
fn a_clock_that_jumps_neither_fires_nor_resolves() {
    let mut steady = Bench::new(vec![queue_rule(300.0)]);
    let mut jumping = Bench::new(vec![queue_rule(300.0)]);
    for (index, value) in [11.0, 11.0, 11.0, 11.0, 11.0, 11.0, 1.0, 1.0].into_iter().enumerate() {
        let jump = [0, 86_400, -200_000, 7_200, 0, -50, 1_000_000, 0][index];
        jumping.now += jump;
        assert_eq!(steady.step(75, &queue(value)), jumping.step(75, &queue(value)), "{index}");
        assert_eq!(steady.states(), jumping.states(), "{index}");
        assert_eq!(jumping.engine.clock_jump().is_some(), jump.abs() > 30, "{index}");
        assert_eq!(steady.engine.clock_jump(), None);
    }
}

#[test]
fn equal_labels_are_one_alert_and_groups_are_told_together() {
    let mut samples = queue(11.0);
    samples.add("cupola_queue_requests", &[("model", "m"), ("version", "2")], 12.0);
    samples.add("cupola_queue_requests", &[("model", "n"), ("version", "1")], 13.0);
    let mut bench = Bench::new(vec![queue_rule(0.0)]);
    assert_eq!(bench.step(0, &samples), 2);
    let sizes: Vec<usize> = bench.sent.iter().map(|one| one.alerts.len()).collect();
    assert_eq!((bench.engine.alerts().count(), sizes.iter().sum::<usize>()), (3, 3));
    assert_eq!(bench.step(15, &samples), 0);
    // A further alert of a group is told after the interval, with the others of the group.
    samples.add("cupola_queue_requests", &[("model", "m"), ("version", "3")], 14.0);
    assert_eq!(bench.step(15, &samples), 0);
    assert_eq!(bench.step(300, &samples), 1);
    assert_eq!(bench.sent[2].alerts.len(), 3);
    let ids: std::collections::BTreeSet<&String> = bench.sent.iter().map(|one| &one.id).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn a_silenced_alert_fires_without_being_told() {
    let mut bench = Bench::new(vec![queue_rule(0.0)]);
    let at = |second| Timestamp::from_second(START + second).unwrap();
    let matcher = LabelMatcher { name: "model".to_owned(), value: "m".to_owned(), negated: false };
    let silence = Silence {
        id: "s".to_owned(),
        matchers: vec![matcher],
        from: at(0),
        until: at(100),
        comment: String::new(),
        author: String::new(),
    };
    bench.engine.silence(silence, at(0)).unwrap();
    assert_eq!(bench.step(0, &queue(11.0)), 0);
    assert_eq!(bench.states(), [AlertState::Firing]);
    let alert = bench.engine.alerts().next().unwrap().clone();
    assert!(bench.engine.silence_of(&alert, at(50)).is_some());
    assert_eq!(bench.step(99, &queue(11.0)), 0);
    assert_eq!(bench.step(1, &queue(11.0)), 1);
    assert!(bench.engine.silences().is_empty() && !bench.engine.unsilence("s"));
}

#[test]
fn a_stored_state_tells_nothing_twice() {
    let mut bench = Bench::new(vec![queue_rule(0.0)]);
    assert_eq!(bench.step(0, &queue(11.0)), 1);
    let stored = serde_json::to_string(bench.engine.memory()).unwrap();
    let memory = serde_json::from_str(&stored).unwrap();
    let timings = GroupTimings { wait: 0.0, ..GroupTimings::default() };
    bench.engine = AlertEngine::new(vec![queue_rule(0.0)], timings, memory).unwrap();
    assert_eq!(bench.step(0, &queue(11.0)), 0);
    assert_eq!(bench.step(400, &queue(1.0)), 1);
    assert_eq!(bench.sent[1].state(), AlertState::Resolved);
}

#[test]
fn a_missing_series_keeps_its_alert_until_its_version_is_unloaded() {
    let loaded = |version: &str| {
        let mut samples = MetricSamples::default();
        samples.add("cupola_model_loaded", &[("model", "m"), ("version", version)], 1.0);
        samples
    };
    let mut bench = Bench::new(vec![queue_rule(60.0)]);
    bench.step(0, &queue(11.0));
    // Time without the series does not count for a pending alert.
    bench.step(3_600, &MetricSamples::default());
    assert_eq!(bench.states(), [AlertState::Pending]);
    bench.step(30, &queue(11.0));
    assert_eq!(bench.states(), [AlertState::Pending]);
    assert_eq!(bench.step(30, &queue(11.0)), 1);
    let memory = bench.engine.memory().clone();
    let timings = GroupTimings { wait: 0.0, ..GroupTimings::default() };
    bench.engine = AlertEngine::new(vec![queue_rule(60.0)], timings, memory).unwrap();
    assert_eq!(bench.step(0, &loaded("1")), 0);
    assert_eq!(bench.step(3_600, &loaded("1")), 0);
    assert_eq!((bench.states(), bench.engine.health()[0].unknown), (vec![AlertState::Firing], 1));
    assert_eq!(bench.step(15, &queue(12.0)), 0);
    assert_eq!(bench.step(15, &loaded("2")), 1);
    assert_eq!(bench.sent[1].state(), AlertState::Resolved);
}

fn requests(good: f64, bad: f64) -> MetricSamples {
    let mut samples = MetricSamples::default();
    samples.add("cupola_model_loaded", &[("model", "m"), ("version", "1")], 1.0);
    samples.add("cupola_requests_total", &[("model", "m"), ("code", "200")], good);
    samples.add("cupola_requests_total", &[("model", "m"), ("code", "503")], bad);
    samples
}

/// Windows whose alerts fire after hours of errors at a share, at one request a second.
fn burning(share: f64, hours: u32) -> Vec<String> {
    let condition = AlertCondition::Errors { objective: 0.999, requests: 100.0 };
    let mut bench = Bench::new(vec![AlertRule::new("Errors", condition, 0.0)]);
    for minute in 0..=hours * 60 {
        let requests_so_far = f64::from(minute) * 60.0;
        bench.step(60, &requests(requests_so_far * (1.0 - share), requests_so_far * share));
    }
    let firing = bench.engine.alerts().filter(|alert| alert.state == AlertState::Firing);
    firing.map(|alert| alert.labels["window"].clone()).collect()
}

#[test]
fn budgets_burn_at_the_rates_of_the_workbook() {
    // Burn rates of 20, 10, 2 and 0.5 for an objective of 99.9 %.
    let sorted = |mut all: Vec<String>| {
        all.sort();
        all
    };
    assert_eq!(sorted(burning(0.02, 8)), ["1h", "3d", "6h"]);
    assert_eq!(sorted(burning(0.01, 8)), ["3d", "6h"]);
    assert_eq!(sorted(burning(0.002, 8)), ["3d"]);
    assert!(burning(0.0005, 8).is_empty());
}

#[test]
fn an_alert_ends_soon_after_the_errors_and_few_requests_decide_nothing() {
    let condition = AlertCondition::Errors { objective: 0.999, requests: 100.0 };
    let mut bench = Bench::new(vec![AlertRule::new("Errors", condition, 0.0)]);
    bench.step(0, &requests(0.0, 0.0));
    assert_eq!(bench.engine.health()[0].unknown, 3);
    bench.step(60, &requests(0.0, 99.0));
    assert_eq!(bench.states(), []);
    bench.step(60, &requests(0.0, 1_000.0));
    assert_eq!(bench.states(), [AlertState::Firing; 3]);
    for minute in 1..=6 {
        bench.step(60, &requests(f64::from(minute) * 100.0, 1_000.0));
    }
    let page = bench.engine.alerts().find(|alert| alert.labels["window"] == "1h").unwrap();
    assert_eq!(page.state, AlertState::Resolved);
}

#[test]
fn slow_requests_are_those_above_the_bound() {
    let condition = AlertCondition::Latency { objective: 0.9, within: 0.25, requests: 1.0 };
    let mut bench = Bench::new(vec![AlertRule::new("Slow", condition, 0.0)]);
    let at = |quick: f64, all: f64| {
        let mut samples = requests(0.0, 0.0);
        let labels = [("model", "m"), ("version", "1")];
        let bucket = "cupola_request_duration_seconds_bucket";
        samples.add(bucket, &[labels[0], labels[1], ("le", "0.1")], quick / 2.0);
        samples.add(bucket, &[labels[0], labels[1], ("le", "0.25")], quick);
        samples.add(bucket, &[labels[0], labels[1], ("le", "+Inf")], all);
        samples.add("cupola_request_duration_seconds_count", &labels, all);
        samples
    };
    bench.step(0, &at(0.0, 0.0));
    bench.step(60, &at(79.0, 100.0));
    let firing: Vec<&str> = bench.engine.alerts().map(|alert| alert.labels["window"].as_str()).collect();
    assert_eq!(firing, ["3d"]);
    let value = bench.engine.alerts().next().unwrap().value.unwrap();
    assert!((value - 2.1).abs() < 1e-9, "{value}");
}

#[test]
fn drift_age_idleness_and_outcomes_are_told() {
    let rules = vec![
        AlertRule::new("Share", AlertCondition::Drift { scope: DriftScope::Share(0.5) }, 0.0),
        AlertRule::new("Column", AlertCondition::Drift { scope: DriftScope::Column("b".to_owned()) }, 0.0),
        AlertRule::new("Age", AlertCondition::Age { limit: 86_400.0 }, 0.0),
        AlertRule::new("Idle", AlertCondition::Idle { limit: 600.0 }, 0.0),
        AlertRule::new("Accuracy", AlertCondition::Accuracy { least: 0.9, window: 3_600.0, rows: 10.0 }, 0.0),
        AlertRule::new(
            "Feedback",
            AlertCondition::Feedback { least: 0.1, window: 600.0, requests: 10.0 },
            0.0,
        ),
    ];
    let mut bench = Bench::new(rules);
    let with = |drifted: [f64; 2], correct: f64, wrong: f64| {
        let mut samples = requests(100.0, 0.0);
        let labels = [("model", "m"), ("version", "1")];
        samples.add("cupola_model_created_timestamp_seconds", &labels, (START - 90_000) as f64);
        for (column, value) in ["a", "b"].iter().zip(drifted) {
            samples.add("cupola_monitor_column_drifted", &[labels[0], labels[1], ("column", column)], value);
        }
        samples.add("cupola_monitor_drifted_share", &labels, drifted.iter().sum::<f64>() / 2.0);
        for (outcome, value) in [("correct", correct), ("wrong", wrong)] {
            samples.add("cupola_outcomes_total", &[labels[0], labels[1], ("outcome", outcome)], value);
        }
        samples
    };
    let names = |bench: &Bench| {
        let firing = bench.engine.alerts().filter(|alert| alert.state == AlertState::Firing);
        let mut names: Vec<String> = firing.map(|alert| alert.labels["alertname"].clone()).collect();
        names.sort();
        names
    };
    bench.step(0, &requests(0.0, 0.0));
    assert!(names(&bench).is_empty());
    bench.step(60, &with([0.0, 0.0], 0.0, 0.0));
    assert_eq!(names(&bench), ["Age", "Feedback"]);
    bench.step(60, &with([1.0, 0.0], 8.0, 2.0));
    assert_eq!(names(&bench), ["Accuracy", "Age", "Feedback", "Share"]);
    bench.step(60, &with([0.0, 1.0], 100.0, 2.0));
    assert_eq!(names(&bench), ["Age", "Column", "Feedback", "Share"]);
    bench.step(700, &with([0.0, 0.0], 100.0, 2.0));
    assert_eq!(names(&bench), ["Age", "Feedback", "Idle"]);
    // A window without requests says nothing of feedback, so a firing alert goes on.
    bench.step(60, &requests(100.0, 0.0));
    assert_eq!(names(&bench), ["Age", "Feedback", "Idle"]);
    let unknown: usize = bench.engine.health().iter().map(|rule| rule.unknown).sum();
    assert!(unknown >= 3, "{unknown}");
}

#[test]
fn rules_with_invalid_numbers_are_refused() {
    for (condition, key) in [
        (AlertCondition::Errors { objective: 1.0, requests: 0.0 }, "objective"),
        (AlertCondition::Age { limit: f64::NAN }, "longer_than"),
        (AlertCondition::Drift { scope: DriftScope::Share(0.0) }, "share"),
        (AlertCondition::Accuracy { least: 2.0, window: 1.0, rows: 0.0 }, "below"),
    ] {
        let error = AlertRule::new("a", condition, 0.0).check().unwrap_err().to_string();
        assert!(error.contains(key) && error.contains("`a`"), "{error}");
    }
    assert!(AlertRule::defaults().iter().all(|rule| rule.check().is_ok()));
}

#[test]
fn a_column_without_a_verdict_has_its_reason() {
    let condition = AlertCondition::Drift { scope: DriftScope::Column("capital_gain".to_owned()) };
    let rule = AlertRule { model: Some("m".to_owned()), ..AlertRule::new("Gains", condition, 0.0) };
    let rule = AlertRule { summary: Some("look at it".to_owned()), ..rule };
    let mut bench = Bench::new(vec![rule]);
    let mut reason = |samples: &MetricSamples| {
        bench.step(15, samples);
        bench.engine.health()[0].reasons.join("|")
    };
    let mut samples = MetricSamples::default();
    assert_eq!(reason(&samples), "m: the model is not loaded, or not monitored");
    samples.add("cupola_monitor_rows", &[("model", "m")], 0.0);
    assert_eq!(reason(&samples), "m: no rows yet");
    let mut samples = MetricSamples::default();
    samples.add("cupola_monitor_rows", &[("model", "m")], 5.0);
    samples.add("cupola_monitor_missing_share", &[("model", "m"), ("column", "capital_gains")], 0.0);
    assert_eq!(
        reason(&samples),
        "m: no such column among the 1 with metrics: `capital_gain`; did you mean `capital_gains`?"
    );
    samples.add("cupola_monitor_missing_share", &[("model", "m"), ("column", "capital_gain")], 0.0);
    assert!(reason(&samples).starts_with("m: too few rows of `capital_gain`"));
    samples.add("cupola_monitor_column_drifted", &[("model", "m"), ("column", "capital_gain")], 0.0);
    assert_eq!(reason(&samples), "");
}

#[test]
fn a_rule_on_embeddings_tells_what_makes_a_model_have_them() {
    let condition = AlertCondition::Drift { scope: DriftScope::Column("embedding".to_owned()) };
    let mut bench = Bench::new(vec![AlertRule::new("Topic", condition, 0.0)]);
    let mut samples = MetricSamples::default();
    for (model, rows) in [("columns", 0.0), ("texts", 0.0)] {
        samples.add("cupola_model_loaded", &[("model", model), ("version", "1")], 1.0);
        samples.add("cupola_monitor_rows", &[("model", model), ("version", "1")], rows);
    }
    samples.add("cupola_monitor_embedding_rows", &[("model", "texts"), ("version", "1")], 0.0);
    bench.step(15, &samples);
    let reasons = bench.engine.health()[0].reasons.clone();
    // Rows do not help a model without embeddings.
    assert!(reasons[0].starts_with("columns: no embeddings to compare with: training"), "{reasons:?}");
    assert!(reasons[0].contains("texts or pictures") && reasons[0].contains("data.example"), "{reasons:?}");
    assert!(reasons[0].contains("`embeddings.why` of GET /v1/models/columns/monitor"), "{reasons:?}");
    assert_eq!(reasons[1], "texts: no rows yet");
    let mut samples = MetricSamples::default();
    for model in ["columns", "texts"] {
        samples.add("cupola_model_loaded", &[("model", model), ("version", "1")], 1.0);
        samples.add("cupola_monitor_rows", &[("model", model), ("version", "1")], 40.0);
        samples.add("cupola_monitor_missing_share", &[("model", model), ("column", "words")], 0.0);
    }
    samples.add("cupola_monitor_embedding_rows", &[("model", "texts"), ("version", "1")], 40.0);
    bench.step(15, &samples);
    let reasons = bench.engine.health()[0].reasons.clone();
    assert!(reasons[0].starts_with("columns: no embeddings to compare with: training"), "{reasons:?}");
    assert!(reasons[1].starts_with("texts: 40 embedded rows are too few"), "{reasons:?}");
}

#[test]
fn a_resolved_alert_tells_the_value_that_ended_it_and_a_missing_one_ends_none() {
    let condition = AlertCondition::Drift { scope: DriftScope::Column("x".to_owned()) };
    let rule = AlertRule { model: Some("m".to_owned()), ..AlertRule::new("Drift", condition, 0.0) };
    let with = |drifted: f64| {
        let mut samples = MetricSamples::default();
        samples.add("cupola_monitor_column_drifted", &[("model", "m"), ("column", "x")], drifted);
        samples
    };
    let mut bench = Bench::new(vec![rule, queue_rule(0.0)]);
    let mut both = with(1.0);
    both.add("cupola_queue_requests", &[("model", "m"), ("version", "1")], 12.0);
    bench.step(0, &both);
    bench.step(15, &with(0.0));
    let mut told: Vec<&str> = bench.engine.alerts().map(|alert| alert.summary.as_str()).collect();
    told.sort_unstable();
    assert_eq!(told, ["cupola_queue_requests is 12, above 10", "m: `x` has not drifted"]);
}
