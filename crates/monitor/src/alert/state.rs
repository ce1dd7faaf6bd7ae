//! States of alerts: pending, firing, resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::condition::{RuleFinding, RuleVerdict};
use super::{AlertLabels, AlertTick};

/// Seconds for which a resolved alert is still listed.
const RESOLVED_KEPT: f64 = 900.0;
/// Most alerts at once. A rule on a metric with many series could otherwise fill the memory.
const MOST_ALERTS: usize = 10_000;

/// State of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// The condition holds, but not yet for long enough.
    Pending,
    /// The condition has held for long enough.
    Firing,
    /// The condition held and does so no more.
    Resolved,
}

/// Alert of one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActiveAlert {
    /// Identifier, which equal labels share.
    pub fingerprint: String,
    /// Labels.
    pub labels: AlertLabels,
    /// Sentence for people.
    pub summary: String,
    /// Value of the condition; `None` if it is unknown.
    pub value: Option<f64>,
    /// State.
    pub state: AlertState,
    /// Time at which the condition began to hold.
    #[serde(with = "super::stamp")]
    pub started: Timestamp,
    /// Time at which it ceased to hold; `None` before.
    #[serde(with = "super::stamp::optional", default)]
    pub ended: Option<Timestamp>,
    /// Seconds in this state.
    pub held: f64,
}

/// Identifier of labels: FNV-1a of 64 bits over names and values with separators, as Prometheus has it.
pub fn fingerprint(labels: &AlertLabels) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    for (name, value) in labels {
        name.bytes().for_each(&mut add);
        add(0xff);
        value.bytes().for_each(&mut add);
        add(0xff);
    }
    let mut text = String::with_capacity(16);
    // Writing to a String does not fail.
    let _ = write!(text, "{hash:016x}");
    text
}

/// All alerts by their identifier.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct AlertBook {
    alerts: BTreeMap<String, ActiveAlert>,
}

impl AlertBook {
    /// Applies the findings of one moment, with the time for which each must hold. Alerts without a finding end: their
    /// model, version or series is gone.
    pub fn update(&mut self, findings: Vec<(RuleFinding, f64)>, tick: AlertTick) {
        for alert in self.alerts.values_mut() {
            alert.held += tick.elapsed;
        }
        let mut unseen: BTreeSet<String> = self.alerts.keys().cloned().collect();
        for (finding, hold) in findings {
            let id = fingerprint(&finding.labels);
            unseen.remove(&id);
            self.apply(id, finding, hold, tick);
        }
        for id in unseen {
            self.clear(&id, None, tick.now);
        }
        self.alerts.retain(|_, alert| alert.state != AlertState::Resolved || alert.held < RESOLVED_KEPT);
    }

    fn apply(&mut self, id: String, finding: RuleFinding, hold: f64, tick: AlertTick) {
        match finding.verdict {
            RuleVerdict::Clear => self.clear(&id, Some(finding), tick.now),
            RuleVerdict::Unknown => {
                // Time without evidence does not count for a pending alert, and does not end a firing one.
                if let Some(alert) = self.alerts.get_mut(&id)
                    && alert.state == AlertState::Pending
                {
                    alert.held -= tick.elapsed;
                }
            }
            RuleVerdict::Holds => self.hold(id, finding, hold, tick.now),
        }
    }

    fn hold(&mut self, id: String, finding: RuleFinding, hold: f64, now: Timestamp) {
        let known = self.alerts.get(&id).filter(|alert| alert.state != AlertState::Resolved).cloned();
        if known.is_none() && !self.alerts.contains_key(&id) && self.alerts.len() >= MOST_ALERTS {
            return;
        }
        let mut alert = known.unwrap_or_else(|| ActiveAlert {
            fingerprint: id.clone(),
            labels: finding.labels,
            summary: String::new(),
            value: None,
            state: AlertState::Pending,
            started: now,
            ended: None,
            held: 0.0,
        });
        (alert.summary, alert.value) = (finding.summary, finding.value);
        if alert.state == AlertState::Pending && alert.held >= hold {
            (alert.state, alert.held) = (AlertState::Firing, 0.0);
        }
        self.alerts.insert(id, alert);
    }

    /// Ends an alert: a pending one is forgotten, a firing one resolved with the finding that ended it. `None` if nothing is
    /// measured any more.
    fn clear(&mut self, id: &str, finding: Option<RuleFinding>, now: Timestamp) {
        let Some(alert) = self.alerts.get_mut(id) else { return };
        match alert.state {
            AlertState::Pending => {
                self.alerts.remove(id);
            }
            AlertState::Firing => {
                (alert.state, alert.ended, alert.held) = (AlertState::Resolved, Some(now), 0.0);
                (alert.summary, alert.value) = match finding {
                    Some(finding) => (finding.summary, finding.value),
                    None => (format!("no longer measured; before: {}", alert.summary), None),
                };
            }
            AlertState::Resolved => {}
        }
    }

    /// All alerts, in the order of their identifiers.
    pub fn alerts(&self) -> impl Iterator<Item = &ActiveAlert> {
        self.alerts.values()
    }
}
