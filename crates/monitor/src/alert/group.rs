//! Groups of alerts that are told together.
//!
//! The rules are those of Prometheus' Alertmanager: a new group waits for further alerts, a changed one is told again
//! after an interval, an unchanged one repeats while it fires. A resolved alert is told if it was told as firing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::state::{ActiveAlert, AlertState, fingerprint};
use super::{AlertLabels, AlertTick};

/// Labels that make a group, and times in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupTimings {
    /// Names of labels: alerts with equal values are told together.
    pub by: Vec<String>,
    /// Time that a new group waits for further alerts.
    pub wait: f64,
    /// Shortest time between two notifications of a group.
    pub interval: f64,
    /// Time after which a group that still fires is told again.
    pub repeat: f64,
}

impl Default for GroupTimings {
    fn default() -> Self {
        let by = vec!["alertname".to_owned(), "model".to_owned()];
        Self { by, wait: 30.0, interval: 300.0, repeat: 14_400.0 }
    }
}

/// Notification of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertNotification {
    /// Identifier, by which a receiver knows a repeated delivery.
    pub id: String,
    /// Labels that the alerts share.
    pub group: AlertLabels,
    /// Firing alerts, and those that were resolved since the last notification.
    pub alerts: Vec<ActiveAlert>,
    /// Time of the notification.
    #[serde(with = "super::stamp")]
    pub at: Timestamp,
    /// `true` if the group has not changed since the last one.
    pub repeated: bool,
}

impl AlertNotification {
    /// [`AlertState::Firing`] if any alert fires.
    pub fn state(&self) -> AlertState {
        let firing = self.alerts.iter().any(|alert| alert.state == AlertState::Firing);
        if firing { AlertState::Firing } else { AlertState::Resolved }
    }
}

/// A group, with what was told of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct GroupRecord {
    /// Seconds since its first alert.
    age: f64,
    /// Seconds since its last notification; `None` before the first.
    since_sent: Option<f64>,
    /// Identifiers of the alerts that were told as firing.
    sent: BTreeSet<String>,
}

/// All groups.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct GroupBook {
    groups: BTreeMap<String, GroupRecord>,
    /// Number of notifications so far.
    sequence: u64,
}

impl GroupBook {
    /// Notifications that are due. `silenced` alerts are not told.
    pub fn due<'a>(
        &mut self,
        alerts: impl Iterator<Item = &'a ActiveAlert>,
        silenced: impl Fn(&ActiveAlert) -> bool,
        timings: &GroupTimings,
        tick: AlertTick,
    ) -> Vec<AlertNotification> {
        for group in self.groups.values_mut() {
            group.age += tick.elapsed;
            group.since_sent = group.since_sent.map(|since| since + tick.elapsed);
        }
        let mut members: BTreeMap<String, (AlertLabels, Vec<&ActiveAlert>)> = BTreeMap::new();
        let mut present = BTreeSet::new();
        for alert in alerts.filter(|alert| alert.state != AlertState::Pending) {
            let is_silenced = silenced(alert);
            if alert.state == AlertState::Firing || !is_silenced {
                present.insert(alert.fingerprint.as_str());
            }
            if !is_silenced {
                let labels = group_labels(alert, timings);
                members.entry(fingerprint(&labels)).or_insert_with(|| (labels, Vec::new())).1.push(alert);
            }
        }
        for group in self.groups.values_mut() {
            group.sent.retain(|id| present.contains(id.as_str()));
        }
        let mut due = Vec::new();
        for (key, (labels, alerts)) in &members {
            due.extend(self.of_group(key, labels, alerts, timings, tick.now));
        }
        self.groups.retain(|key, group| {
            members.contains_key(key)
                || !group.sent.is_empty()
                || group.since_sent.is_some_and(|since| since < timings.interval)
        });
        due
    }

    fn of_group(
        &mut self,
        key: &str,
        labels: &AlertLabels,
        alerts: &[&ActiveAlert],
        timings: &GroupTimings,
        now: Timestamp,
    ) -> Option<AlertNotification> {
        let (firing, resolved): (Vec<&ActiveAlert>, Vec<&ActiveAlert>) =
            alerts.iter().partition(|alert| alert.state == AlertState::Firing);
        if firing.is_empty() && !self.groups.contains_key(key) {
            return None;
        }
        let group = self.groups.entry(key.to_owned()).or_default();
        let resolved: Vec<&ActiveAlert> =
            resolved.into_iter().filter(|alert| group.sent.contains(&alert.fingerprint)).collect();
        let changed =
            !resolved.is_empty() || firing.iter().any(|alert| !group.sent.contains(&alert.fingerprint));
        let due = match group.since_sent {
            None => !firing.is_empty() && group.age >= timings.wait,
            Some(since) => {
                changed && since >= timings.interval || !firing.is_empty() && since >= timings.repeat
            }
        };
        if !due {
            return None;
        }
        group.sent = firing.iter().map(|alert| alert.fingerprint.clone()).collect();
        group.since_sent = Some(0.0);
        self.sequence += 1;
        Some(AlertNotification {
            id: format!("{key}-{}", self.sequence),
            group: labels.clone(),
            alerts: firing.into_iter().chain(resolved).cloned().collect(),
            at: now,
            repeated: !changed,
        })
    }
}

fn group_labels(alert: &ActiveAlert, timings: &GroupTimings) -> AlertLabels {
    let named = alert.labels.iter().filter(|(name, _)| timings.by.contains(name));
    named.map(|(name, value)| (name.clone(), value.clone())).collect()
}
