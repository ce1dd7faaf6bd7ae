//! Rules, states, silences and groups together.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::absence::missing_series;
use super::condition::{Histories, RuleCheck, RuleFinding, RuleVerdict};
use super::group::{AlertNotification, GroupBook, GroupTimings};
use super::rule::AlertRule;
use super::samples::MetricSamples;
use super::silence::Silence;
use super::state::{ActiveAlert, AlertBook};
use crate::error::Error;

/// Most silences at once.
const MOST_SILENCES: usize = 1_000;
/// Most reasons that the health of a rule lists.
const MOST_REASONS: usize = 10;
/// Seconds by which the wall clock may differ from the elapsed time before that counts as a jump.
const CLOCK_TOLERANCE: f64 = 30.0;

/// Moment of an observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlertTick {
    /// Wall clock, for display and silences.
    pub now: Timestamp,
    /// Seconds since the last observation by a clock that does not jump.
    pub elapsed: f64,
}

/// State that outlives the process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EngineMemory {
    book: AlertBook,
    groups: GroupBook,
    silences: Vec<Silence>,
}

/// Findings of a rule at the last observation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RuleHealth {
    /// Name of the rule.
    pub rule: String,
    /// Subjects for which the condition holds.
    pub holds: usize,
    /// Subjects for which it does not.
    pub clear: usize,
    /// Subjects that the metrics do not decide.
    pub unknown: usize,
    /// Reasons why the metrics do not decide, a few of them.
    pub reasons: Vec<String>,
}

/// Alerts of a server.
#[derive(Debug)]
pub struct AlertEngine {
    rules: Vec<AlertRule>,
    timings: GroupTimings,
    memory: EngineMemory,
    histories: Histories,
    health: Vec<RuleHealth>,
    uptime: f64,
    last: Option<Timestamp>,
    clock_jump: Option<f64>,
}

impl AlertEngine {
    /// Engine that goes on from a stored state.
    ///
    /// # Errors
    /// [`Error::AlertRule`] for the first rule with an invalid number.
    pub fn new(rules: Vec<AlertRule>, timings: GroupTimings, memory: EngineMemory) -> Result<Self, Error> {
        rules.iter().try_for_each(AlertRule::check)?;
        Ok(Self {
            rules,
            timings,
            memory,
            histories: Histories::default(),
            health: Vec::new(),
            uptime: 0.0,
            last: None,
            clock_jump: None,
        })
    }

    /// Checks all rules on the metrics of this moment and returns the notifications that are due.
    pub fn observe(&mut self, tick: AlertTick, samples: &MetricSamples) -> Vec<AlertNotification> {
        self.watch_clock(tick);
        self.uptime += tick.elapsed;
        self.health.clear();
        let mut findings = Vec::new();
        for rule in &self.rules {
            let check = RuleCheck { rule, samples, tick, uptime: self.uptime };
            let mut found = check.findings(&mut self.histories);
            found.extend(missing_series(rule, &found, self.memory.book.alerts(), samples));
            self.health.push(health(&rule.name, &found));
            findings.extend(found.into_iter().map(|finding| (finding, rule.hold)));
        }
        let EngineMemory { book, groups, silences } = &mut self.memory;
        book.update(findings, tick);
        silences.retain(|silence| silence.until > tick.now);
        let silenced =
            |alert: &ActiveAlert| silences.iter().any(|silence| silence.covers(&alert.labels, tick.now));
        groups.due(book.alerts(), silenced, &self.timings, tick)
    }

    fn watch_clock(&mut self, tick: AlertTick) {
        let passed =
            self.last.map(|last| (tick.now.as_millisecond() - last.as_millisecond()) as f64 / 1_000.0);
        let jump = passed.map(|passed| passed - tick.elapsed);
        self.clock_jump = jump.filter(|jump| jump.abs() > CLOCK_TOLERANCE);
        self.last = Some(tick.now);
    }

    /// Seconds by which the wall clock jumped before the last observation; `None` if it did not.
    pub fn clock_jump(&self) -> Option<f64> {
        self.clock_jump
    }

    /// All alerts.
    pub fn alerts(&self) -> impl Iterator<Item = &ActiveAlert> {
        self.memory.book.alerts()
    }

    /// Silence that covers an alert; `None` if it is told.
    pub fn silence_of(&self, alert: &ActiveAlert, now: Timestamp) -> Option<&Silence> {
        self.memory.silences.iter().find(|silence| silence.covers(&alert.labels, now))
    }

    /// Findings of each rule at the last observation.
    pub fn health(&self) -> &[RuleHealth] {
        &self.health
    }

    /// Silences that have not ended.
    pub fn silences(&self) -> &[Silence] {
        &self.memory.silences
    }

    /// Adds a silence.
    ///
    /// # Errors
    /// [`Error::Silence`] and [`Error::TooManySilences`].
    pub fn silence(&mut self, silence: Silence, now: Timestamp) -> Result<(), Error> {
        silence.check(now)?;
        self.memory.silences.retain(|kept| kept.until > now && kept.id != silence.id);
        if self.memory.silences.len() >= MOST_SILENCES {
            return Err(Error::TooManySilences { limit: MOST_SILENCES });
        }
        self.memory.silences.push(silence);
        Ok(())
    }

    /// Ends a silence, and returns `true` if there was one.
    pub fn unsilence(&mut self, id: &str) -> bool {
        let before = self.memory.silences.len();
        self.memory.silences.retain(|silence| silence.id != id);
        self.memory.silences.len() < before
    }

    /// State to store.
    pub fn memory(&self) -> &EngineMemory {
        &self.memory
    }
}

fn health(rule: &str, findings: &[RuleFinding]) -> RuleHealth {
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let undecided = findings.iter().filter(|finding| finding.verdict == RuleVerdict::Unknown);
    RuleHealth {
        rule: rule.to_owned(),
        holds: count(RuleVerdict::Holds),
        clear: count(RuleVerdict::Clear),
        unknown: count(RuleVerdict::Unknown),
        reasons: undecided.take(MOST_REASONS).map(|finding| finding.summary.clone()).collect(),
    }
}

#[cfg(test)]
mod tests;
