//! Conditions of rules on the metrics of a server.

use std::collections::{BTreeMap, BTreeSet};

use super::burn::{BURN_WINDOWS, burn_rate};
use super::history::CounterHistory;
use super::rule::{AlertCondition, AlertRule, DriftScope};
use super::samples::{MetricSample, MetricSamples};
use super::{AlertLabels, AlertTick};

/// Severity of conditions that have none of their own.
const SEVERITY: &str = "ticket";
/// Name of the column under which metrics and rules have the verdict on embeddings.
pub const EMBEDDING_COLUMN: &str = "embedding";
/// Differences between bounds of a histogram that are rounding.
const BOUND_TOLERANCE: f64 = 1e-9;

/// Verdict on one subject of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RuleVerdict {
    /// The condition holds.
    Holds,
    /// The condition does not hold.
    Clear,
    /// The metrics do not decide it, such as a window without rows.
    Unknown,
}

/// Verdict on one subject of a rule, with the labels of its alert.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RuleFinding {
    pub labels: AlertLabels,
    pub verdict: RuleVerdict,
    pub value: Option<f64>,
    pub summary: String,
}

/// Counters of all rules over time, by rule and model.
#[derive(Debug, Default)]
pub(super) struct Histories {
    by_subject: BTreeMap<(String, String), CounterHistory>,
}

impl Histories {
    /// History of a model for a rule, with its present counters added.
    fn updated(&mut self, rule: &AlertRule, model: &str, at: f64, values: [f64; 2]) -> &CounterHistory {
        let key = (rule.name.clone(), model.to_owned());
        let history =
            self.by_subject.entry(key).or_insert_with(|| CounterHistory::new(rule.longest_window()));
        history.push(at, values);
        history
    }
}

/// A rule with the metrics that it is checked on.
pub(super) struct RuleCheck<'a> {
    pub rule: &'a AlertRule,
    pub samples: &'a MetricSamples,
    pub tick: AlertTick,
    /// Uptime in seconds.
    pub uptime: f64,
}

impl RuleCheck<'_> {
    /// Findings of the rule.
    pub fn findings(&self, histories: &mut Histories) -> Vec<RuleFinding> {
        if let AlertCondition::Metric { .. } = &self.rule.condition {
            return self.metric();
        }
        let models = self.models();
        models.iter().flat_map(|model| self.of_model(model, histories)).collect()
    }

    /// Models that the rule is about: the named one, or all that are loaded.
    fn models(&self) -> BTreeSet<String> {
        if let Some(model) = &self.rule.model {
            return BTreeSet::from([model.clone()]);
        }
        let loaded = self.samples.of("cupola_model_loaded").iter().filter(|sample| sample.value > 0.0);
        loaded.map(|sample| sample.label("model").to_owned()).collect()
    }

    fn of_model(&self, model: &str, histories: &mut Histories) -> Vec<RuleFinding> {
        use AlertCondition as C;
        match &self.rule.condition {
            C::Drift { scope } => vec![self.drift(model, scope)],
            C::Latency { objective, within, requests } => {
                let counters = self.slow_requests(model, *within);
                let history = histories.updated(self.rule, model, self.uptime, counters);
                self.burn(model, history, *objective, *requests)
            }
            C::Errors { objective, requests } => {
                let counters = [
                    self.count(model, "cupola_requests_total", |sample| is_failure(sample.label("code"))),
                    self.count(model, "cupola_requests_total", |_| true),
                ];
                let history = histories.updated(self.rule, model, self.uptime, counters);
                self.burn(model, history, *objective, *requests)
            }
            C::Age { limit } => self.age(model, *limit),
            C::Idle { limit } => {
                let requests = self.count(model, "cupola_requests_total", |_| true);
                let history = histories.updated(self.rule, model, self.uptime, [requests, 0.0]);
                vec![self.idle(model, history, *limit)]
            }
            C::Accuracy { window, .. } | C::MeanError { window, .. } | C::Feedback { window, .. } => {
                let counters = self.outcomes(model);
                let history = histories.updated(self.rule, model, self.uptime, counters);
                vec![self.of_outcomes(model, history.increase(*window))]
            }
            C::Metric { .. } => Vec::new(),
        }
    }

    fn count(&self, model: &str, metric: &str, pick: impl Fn(&MetricSample) -> bool) -> f64 {
        self.samples.sum(metric, |sample| sample.label("model") == model && pick(sample))
    }

    /// Slow requests and all requests.
    fn slow_requests(&self, model: &str, within: f64) -> [f64; 2] {
        let is_bound = |sample: &MetricSample| {
            sample.label("le").parse().is_ok_and(|bound: f64| (bound - within).abs() < BOUND_TOLERANCE)
        };
        let quick = self.count(model, "cupola_request_duration_seconds_bucket", is_bound);
        let all = self.count(model, "cupola_request_duration_seconds_count", |_| true);
        [all - quick, all]
    }

    /// Counters of a rule about feedback: the part and the whole.
    fn outcomes(&self, model: &str) -> [f64; 2] {
        let outcome = |name: &'static str| {
            self.count(model, "cupola_outcomes_total", move |sample| sample.label("outcome") == name)
        };
        match &self.rule.condition {
            AlertCondition::Accuracy { .. } => {
                let correct = outcome("correct");
                [correct, correct + outcome("wrong")]
            }
            AlertCondition::MeanError { .. } => {
                [self.count(model, "cupola_outcome_absolute_error_total", |_| true), outcome("measured")]
            }
            _ => {
                let succeeded = |sample: &MetricSample| sample.label("code").starts_with('2');
                let rows = self.count(model, "cupola_feedback_rows_total", |_| true);
                [rows, self.count(model, "cupola_requests_total", succeeded)]
            }
        }
    }

    fn finding(&self, model: &str, more: &[(&str, &str)], severity: &str) -> RuleFinding {
        let severity = self.rule.severity.as_deref().unwrap_or(severity);
        let common = [("alertname", self.rule.name.as_str()), ("model", model), ("severity", severity)];
        let labels = common.iter().chain(more).filter(|(_, value)| !value.is_empty());
        let labels = labels.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        RuleFinding { labels, verdict: RuleVerdict::Unknown, value: None, summary: String::new() }
    }

    /// A finding with its verdict. The rule's own summary goes before that of the condition, except for the reason why the
    /// metrics do not decide.
    fn told(
        &self,
        mut finding: RuleFinding,
        verdict: RuleVerdict,
        value: Option<f64>,
        summary: String,
    ) -> RuleFinding {
        (finding.verdict, finding.value) = (verdict, value);
        let own = self.rule.summary.clone().filter(|_| verdict != RuleVerdict::Unknown);
        finding.summary = own.unwrap_or(summary);
        finding
    }

    fn burn(&self, model: &str, history: &CounterHistory, objective: f64, requests: f64) -> Vec<RuleFinding> {
        let what = match self.rule.condition {
            AlertCondition::Latency { .. } => "too slow",
            _ => "failing",
        };
        let each = BURN_WINDOWS.iter().map(|window| {
            let finding = self.finding(model, &[("window", window.name)], window.severity);
            let ([bad, total], [recent_bad, recent]) =
                (history.increase(window.long), history.increase(window.short));
            let long = burn_rate(bad, total, objective).filter(|_| total >= requests);
            let Some(long) = long else {
                let summary = format!("{model}: {total} requests in {} are too few", window.name);
                return self.told(finding, if total > 0.0 { RuleVerdict::Clear } else { RuleVerdict::Unknown }, None, summary);
            };
            let short = burn_rate(recent_bad, recent, objective).unwrap_or(0.0);
            let holds = long > window.rate && short > window.rate;
            let summary = format!(
                "{model}: {} of the requests within {} were {what}, which uses up the error budget {long:.1} times as fast as the objective {objective} allows",
                percent(bad / total),
                window.name
            );
            self.told(finding, if holds { RuleVerdict::Holds } else { RuleVerdict::Clear }, Some(long), summary)
        });
        each.collect()
    }

    fn drift(&self, model: &str, scope: &DriftScope) -> RuleFinding {
        let of_model = |metric: &str, column: Option<&str>| {
            let fits = |sample: &&MetricSample| {
                sample.label("model") == model && column.is_none_or(|name| sample.label("column") == name)
            };
            let values = self.samples.of(metric).iter().filter(fits).map(|sample| sample.value);
            // The version that has drifted most counts.
            values.reduce(f64::max)
        };
        match scope {
            DriftScope::Column(column) => {
                let finding = self.finding(model, &[("column", column)], SEVERITY);
                let value = of_model("cupola_monitor_column_drifted", Some(column));
                let verdict = value.map(|value| value > 0.0);
                let summary = match verdict {
                    Some(true) => format!("{model}: `{column}` has drifted"),
                    Some(false) => format!("{model}: `{column}` has not drifted"),
                    None => self.without_verdict(model, column),
                };
                self.told(finding, decided(verdict), value, summary)
            }
            DriftScope::Share(least) => {
                let share = of_model("cupola_monitor_drifted_share", None);
                let summary = match share {
                    Some(share) => format!("{model}: {} of the columns have drifted", percent(share)),
                    None if self.monitored_rows(model) == Some(0.0) => format!("{model}: no rows yet"),
                    None => format!("{model}: no column has a verdict; see GET /v1/models/{model}/monitor"),
                };
                let verdict = share.map(|share| share >= *least);
                self.told(self.finding(model, &[], SEVERITY), decided(verdict), share, summary)
            }
        }
    }

    /// Rows of all versions that are monitored; `None` if there are none.
    fn monitored_rows(&self, model: &str) -> Option<f64> {
        let versions =
            self.samples.of("cupola_monitor_rows").iter().filter(|sample| sample.label("model") == model);
        versions.map(|sample| sample.value).reduce(|a, b| a + b)
    }

    /// Reason why there is no verdict on a column. Each column with a row has a share of missing values, and watched embeddings have a
    /// number of rows, with the first row and before.
    fn without_verdict(&self, model: &str, column: &str) -> String {
        let of_model = |sample: &&MetricSample| sample.label("model") == model;
        let columns = self.samples.of("cupola_monitor_missing_share").iter().filter(of_model);
        let embedded = self.samples.of("cupola_monitor_embedding_rows").iter().filter(of_model);
        let embedded = embedded.map(|sample| sample.value).reduce(|a, b| a + b);
        let embedding = embedded.map(|_| EMBEDDING_COLUMN);
        let names: BTreeSet<&str> = columns.map(|sample| sample.label("column")).chain(embedding).collect();
        match (self.monitored_rows(model), embedded) {
            (None, _) => format!("{model}: the model is not loaded, or not monitored"),
            (Some(_), None) if column == EMBEDDING_COLUMN && !names.contains(column) => format!(
                "{model}: no embeddings to compare with: training seals them with a network of texts or pictures, unless \
                 `data.example = false`; see `embeddings.why` of GET /v1/models/{model}/monitor"
            ),
            (Some(0.0), _) => format!("{model}: no rows yet"),
            (Some(_), Some(rows)) if column == EMBEDDING_COLUMN => format!(
                "{model}: {rows} embedded rows are too few; see `embeddings` of GET /v1/models/{model}/monitor"
            ),
            (Some(_), _) if names.contains(column) => {
                format!(
                    "{model}: too few rows of `{column}`, or no reference; see GET /v1/models/{model}/monitor"
                )
            }
            (Some(_), _) => {
                let near = nearest(column, &names).map(|near| format!("; did you mean `{near}`?"));
                format!(
                    "{model}: no such column among the {} with metrics: `{column}`{}",
                    names.len(),
                    near.unwrap_or_default()
                )
            }
        }
    }

    /// One finding for each loaded version.
    fn age(&self, model: &str, limit: f64) -> Vec<RuleFinding> {
        let loaded = |sample: &&MetricSample| sample.label("model") == model && sample.value > 0.0;
        let versions = self.samples.of("cupola_model_loaded").iter().filter(loaded);
        let each = versions.map(|version| {
            let version = version.label("version");
            let created = self
                .samples
                .of("cupola_model_created_timestamp_seconds")
                .iter()
                .find(|sample| sample.label("model") == model && sample.label("version") == version);
            let now = self.tick.now.as_millisecond() as f64 / 1_000.0;
            let age = created.map(|created| now - created.value);
            let days = age.map_or(0.0, |age| age / 86_400.0);
            let summary = format!("{model}: version {version} was trained {days:.1} days ago");
            let finding = self.finding(model, &[("version", version)], SEVERITY);
            self.told(finding, decided(age.map(|age| age > limit)), age, summary)
        });
        each.collect()
    }

    fn idle(&self, model: &str, history: &CounterHistory, limit: f64) -> RuleFinding {
        let [requests, _] = history.increase(limit);
        // A server that has just started has not waited long enough.
        let holds = if requests > 0.0 { Some(false) } else { (history.span() >= limit).then_some(true) };
        let summary = match holds {
            Some(false) => format!("{model}: {requests} requests within {}", duration(limit)),
            _ => format!("{model}: no requests for {}", duration(limit)),
        };
        self.told(self.finding(model, &[], SEVERITY), decided(holds), Some(requests), summary)
    }

    fn of_outcomes(&self, model: &str, [part, whole]: [f64; 2]) -> RuleFinding {
        use AlertCondition as C;
        let finding = self.finding(model, &[], SEVERITY);
        let (fewest, window) = match &self.rule.condition {
            C::Accuracy { rows, window, .. } | C::MeanError { rows, window, .. } => (*rows, *window),
            C::Feedback { requests, window, .. } => (*requests, *window),
            _ => (0.0, 0.0),
        };
        let window = duration(window);
        if whole < fewest.max(1.0) {
            let summary = format!("{model}: {whole} rows within {window} are too few");
            return self.told(finding, RuleVerdict::Unknown, None, summary);
        }
        let value = part / whole;
        let (holds, summary) = match &self.rule.condition {
            C::Accuracy { least, .. } => (
                value < *least,
                format!("{model}: {} of {whole} predictions within {window} were right", percent(value)),
            ),
            C::MeanError { most, .. } => (
                value > *most,
                format!("{model}: {whole} predictions within {window} were off by {value:.4} on average"),
            ),
            C::Feedback { least, .. } => (
                value < *least,
                format!("{model}: {part} rows of feedback for {whole} requests within {window}"),
            ),
            _ => (false, String::new()),
        };
        self.told(finding, decided(Some(holds)), Some(value), summary)
    }

    /// One finding for each series of the metric.
    fn metric(&self) -> Vec<RuleFinding> {
        let AlertCondition::Metric { metric, labels, comparison, bound } = &self.rule.condition else {
            return Vec::new();
        };
        let of_rule = |sample: &&MetricSample| {
            let of_model = self.rule.model.as_deref().is_none_or(|model| sample.label("model") == model);
            of_model && labels.iter().all(|(name, value)| sample.label(name) == value)
        };
        let each = self.samples.of(metric).iter().filter(of_rule).map(|sample| {
            let kept =
                sample.labels.iter().filter(|(name, _)| !["model", "severity"].contains(&name.as_str()));
            let more: Vec<(&str, &str)> = kept.map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let finding = self.finding(sample.label("model"), &more, SEVERITY);
            let side = if comparison.operator() == ">" { "above" } else { "below" };
            let holds = (!sample.value.is_nan()).then(|| comparison.holds(sample.value, *bound));
            let not = if holds == Some(true) { "" } else { "not " };
            let summary = format!("{metric} is {}, {not}{side} {bound}", sample.value);
            self.told(finding, decided(holds), Some(sample.value), summary)
        });
        each.collect()
    }
}

fn decided(holds: Option<bool>) -> RuleVerdict {
    match holds {
        Some(true) => RuleVerdict::Holds,
        Some(false) => RuleVerdict::Clear,
        None => RuleVerdict::Unknown,
    }
}

/// Name that shares most of its letters with another one, by the distance of Jaro and Winkler; `None` if all are far.
fn nearest<'a>(name: &str, names: &BTreeSet<&'a str>) -> Option<&'a str> {
    let each = names.iter().map(|&known| (strsim::jaro_winkler(name, known), known));
    let best = each.filter(|(likeness, _)| *likeness > 0.7).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, known)| known)
}

fn is_failure(code: &str) -> bool {
    code.starts_with('5')
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// Duration for people, in the largest unit that divides it.
fn duration(seconds: f64) -> String {
    let unit =
        [(86_400.0, "d"), (3_600.0, "h"), (60.0, "m")].into_iter().find(|(unit, _)| seconds % unit == 0.0);
    let (unit, name) = unit.unwrap_or((1.0, "s"));
    format!("{}{name}", seconds / unit)
}
