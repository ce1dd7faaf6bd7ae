//! Periodic check of all rules.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cupola_monitor::alert::{
    ActiveAlert, AlertEngine, AlertState, AlertTick, LabelMatcher, MetricSamples, Silence,
};
use cupola_spec::Serve;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::config::{alert_rules, timings};
use super::delivery::{AlertSource, Receiver};
use super::outbox::Outbox;
use super::payload::alert_json;
use super::store::{AlertFile, AlertStore};
use crate::error::Error;
use crate::telemetry::AlertMetrics;

/// Function that writes all metrics of the server as `OpenMetrics` text.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// Time after which unchanged states are stored again, so that a restart forgets little of their ages.
const STORE_INTERVAL: Duration = Duration::from_mins(5);

/// Silence as a client asks for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSilence {
    /// Conditions on labels, all of which an alert meets.
    pub matchers: Vec<LabelMatcher>,
    /// Beginning (RFC 3339); `None` for now.
    #[serde(default)]
    pub from: Option<String>,
    /// End (RFC 3339).
    #[serde(default)]
    pub until: Option<String>,
    /// Minutes from the beginning to the end, in place of `until`.
    #[serde(default)]
    pub minutes: Option<u32>,
    /// Reason.
    #[serde(default)]
    pub comment: String,
}

/// States in the file, so that equal states are not written again.
#[derive(Default)]
struct Stored {
    states: Vec<(String, AlertState)>,
    at: Option<Instant>,
}

/// Rules, states and receivers of a server.
pub struct AlertWatch {
    engine: Mutex<AlertEngine>,
    receivers: Vec<Arc<Receiver>>,
    every: Duration,
    /// `None` without rules, and if another server has the file.
    file: Option<AlertFile>,
    /// Queues of receivers that are not configured.
    unclaimed: BTreeMap<String, Outbox>,
    /// Random end of the identifiers of this process. Their numbers begin anew if the file is lost.
    origin: String,
    metrics: AlertMetrics,
    last: Mutex<Option<Instant>>,
    stored: Mutex<Stored>,
    /// States that the log has, by fingerprint.
    logged: Mutex<BTreeMap<String, AlertState>>,
    has_rules: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Random bytes in hexadecimal digits.
fn random_id<const N: usize>() -> Result<String, Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::System(std::io::Error::other(error.to_string())))?;
    Ok(const_hex::encode(bytes))
}

impl AlertWatch {
    /// Rules and receivers of a config. `file` keeps their states; it is written once there is something to keep.
    /// If another server has it, that is told and the states are kept in memory.
    ///
    /// # Errors
    /// [`Error::Alerts`] for an invalid rule or receiver; [`Error::System`] without random numbers.
    pub fn open(spec: &Serve, file: PathBuf, metrics: AlertMetrics) -> Result<Self, Error> {
        let rules = alert_rules(spec)?;
        let settings = spec.alerts.clone().unwrap_or_default();
        let has_rules = !rules.is_empty();
        let file = if has_rules { AlertFile::open(file) } else { None };
        let mut store = file.as_ref().map(AlertFile::read).unwrap_or_default();
        let mut receivers: Vec<Arc<Receiver>> = Vec::new();
        for notify in &spec.notify {
            let name = notify.name();
            if receivers.iter().any(|other| other.name == name) {
                return Err(Error::Alerts(format!("two receivers are called `{name}`; set `name`")));
            }
            let mut outbox = store.outboxes.remove(name).unwrap_or_default();
            outbox.unclaimed = None;
            metrics.set_waiting(name, outbox.len());
            receivers.push(Arc::new(Receiver::open(notify, outbox)?));
        }
        let engine = AlertEngine::new(rules, timings(&settings), std::mem::take(&mut store.engine));
        let engine = engine.map_err(|error| Error::Alerts(error.to_string()))?;
        let logged = engine.alerts().map(|alert| (alert.fingerprint.clone(), alert.state)).collect();
        Ok(Self {
            engine: Mutex::new(engine),
            receivers,
            every: Duration::from_secs_f64(settings.every.seconds().clamp(0.1, 86_400.0)),
            file,
            unclaimed: store.unclaimed(Timestamp::now().as_second()),
            origin: random_id::<4>()?,
            metrics,
            last: Mutex::new(None),
            stored: Mutex::default(),
            logged: Mutex::new(logged),
            has_rules,
        })
    }

    /// Checks all rules periodically and sends notifications, until the task is aborted.
    pub async fn run(self: Arc<Self>, text: MetricsText) {
        if !self.has_rules {
            return;
        }
        let mut senders = JoinSet::new();
        for receiver in &self.receivers {
            let source: Arc<dyn AlertSource> = Arc::clone(&self) as _;
            senders.spawn(Arc::clone(receiver).run(source));
        }
        let mut ticks = tokio::time::interval(self.every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (watch, text) = (Arc::clone(&self), Arc::clone(&text));
            let _ = tokio::task::spawn_blocking(move || watch.check(&text())).await;
        }
    }

    /// Checks all rules on metrics and queues the notifications that are due. Writes a file.
    pub fn check(&self, text: &str) {
        let samples = match MetricSamples::parse(text) {
            Ok(samples) => samples,
            Err(error) => {
                tracing::error!(%error, "alerts are not checked");
                return;
            }
        };
        let elapsed =
            lock(&self.last).replace(Instant::now()).map_or(0.0, |last| last.elapsed().as_secs_f64());
        let tick = AlertTick { now: Timestamp::now(), elapsed };
        let (due, states) = {
            let mut engine = lock(&self.engine);
            let mut due = engine.observe(tick, &samples);
            for notification in &mut due {
                notification.id = format!("{}-{}", notification.id, self.origin);
            }
            if let Some(jump) = engine.clock_jump() {
                tracing::warn!(seconds = jump, "the clock has jumped; alerts go on by the elapsed time");
            }
            let states: Vec<_> =
                engine.alerts().map(|alert| (alert.fingerprint.clone(), alert.state)).collect();
            self.metrics.set_alerts(engine.alerts());
            self.log(engine.alerts());
            (due, states)
        };
        for notification in &due {
            for receiver in &self.receivers {
                if !receiver.push(notification) {
                    self.metrics.count(&receiver.name, "dropped");
                }
            }
        }
        self.keep(!due.is_empty(), states);
    }

    /// Logs each alert that has begun to fire or is resolved since the last check.
    fn log<'a>(&self, alerts: impl Iterator<Item = &'a ActiveAlert>) {
        let mut logged = lock(&self.logged);
        let before = std::mem::take(&mut *logged);
        for alert in alerts.filter(|alert| alert.state != AlertState::Pending) {
            logged.insert(alert.fingerprint.clone(), alert.state);
            if before.get(&alert.fingerprint) == Some(&alert.state) {
                continue;
            }
            let label = |name: &str| alert.labels.get(name).map_or("", String::as_str);
            let (name, severity, summary) = (label("alertname"), label("severity"), alert.summary.as_str());
            if alert.state == AlertState::Resolved {
                tracing::info!(alert = name, severity, summary, "alert is resolved");
            } else {
                tracing::warn!(alert = name, severity, summary, "alert fires");
            }
        }
    }

    /// Stores the states if they have changed, or their ages after a while.
    fn keep(&self, due: bool, states: Vec<(String, AlertState)>) {
        let mut stored = lock(&self.stored);
        let old = stored.at.is_none_or(|at| at.elapsed() >= STORE_INTERVAL);
        let ages = old && (!states.is_empty() || stored.at.is_some());
        if due || ages || stored.states != states {
            (stored.states, stored.at) = (states, Some(Instant::now()));
            drop(stored);
            self.write();
        }
    }

    /// Writes all states. A full disk is told, and alerts go on from memory.
    pub fn write(&self) {
        let Some(file) = &self.file else { return };
        let engine = lock(&self.engine).memory().clone();
        let queues = self.receivers.iter().filter(|receiver| !receiver.channel.takes_snapshots());
        let queues = queues.map(|receiver| (receiver.name.clone(), receiver.outbox().clone()));
        let outboxes = self.unclaimed.clone().into_iter().chain(queues).collect();
        if let Err(error) = file.write(&AlertStore { engine, outboxes }) {
            tracing::error!(%error, "failed to store the alerts; a restart would begin with older states");
        }
    }

    /// Adds a silence and returns it. Writes a file.
    ///
    /// # Errors
    /// [`Error::Silence`] with the reason.
    pub fn silence(&self, new: NewSilence, author: &str) -> Result<Silence, Error> {
        let now = Timestamp::now();
        let time = |text: Option<&String>| {
            let parsed = text.map(|text| text.parse::<Timestamp>()).transpose();
            let why = "invalid silence: `from` and `until` must be times such as 2026-03-01T08:00:00Z";
            parsed.map_err(|_| Error::Silence(why.to_owned()))
        };
        let from = time(new.from.as_ref())?.unwrap_or(now);
        let later = |minutes: u32| from.checked_add(SignedDuration::from_mins(i64::from(minutes))).ok();
        let until = match (time(new.until.as_ref())?, new.minutes) {
            (Some(until), None) => Some(until),
            (None, Some(minutes)) => later(minutes),
            _ => None,
        };
        let until = until.ok_or_else(|| {
            Error::Silence("invalid silence: expected `until`, or `minutes` from the beginning".to_owned())
        })?;
        let silence = Silence {
            id: random_id::<8>()?,
            matchers: new.matchers,
            from,
            until,
            comment: new.comment,
            author: author.to_owned(),
        };
        let added = lock(&self.engine).silence(silence.clone(), now);
        added.map_err(|error| Error::Silence(error.to_string()))?;
        self.write();
        Ok(silence)
    }

    /// Ends a silence, and returns `true` if there was one. Writes a file.
    pub fn unsilence(&self, id: &str) -> bool {
        let ended = lock(&self.engine).unsilence(id);
        if ended {
            self.write();
        }
        ended
    }

    /// Alerts, silences, rules and receivers as the API has them.
    pub fn status(&self) -> Value {
        let (engine, now) = (lock(&self.engine), Timestamp::now());
        let alerts = engine.alerts().map(|alert| {
            let mut value = alert_json(alert);
            value["silenced_by"] = engine.silence_of(alert, now).map(|silence| silence.id.clone()).into();
            value
        });
        let receivers = self.receivers.iter().map(|receiver| {
            let (waiting, dropped) = {
                let outbox = receiver.outbox();
                (outbox.len(), outbox.dropped)
            };
            json!({
                "name": receiver.name, "waiting": waiting, "dropped": dropped, "trouble": receiver.trouble(),
            })
        });
        json!({
            "alerts": alerts.collect::<Vec<_>>(),
            "silences": engine.silences(),
            "rules": engine.health(),
            "receivers": receivers.collect::<Vec<_>>(),
        })
    }
}

impl AlertSource for AlertWatch {
    fn told_alerts(&self) -> Vec<ActiveAlert> {
        let (engine, now) = (lock(&self.engine), Timestamp::now());
        let told = engine.alerts().filter(|alert| engine.silence_of(alert, now).is_none());
        told.filter(|alert| alert.state != AlertState::Pending).cloned().collect()
    }

    fn store(&self) {
        self.write();
    }

    fn metrics(&self) -> &AlertMetrics {
        &self.metrics
    }
}
