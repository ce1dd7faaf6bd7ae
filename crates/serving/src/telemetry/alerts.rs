//! Metrics of alerts and their notifications.

use cupola_monitor::alert::{ActiveAlert, AlertState};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AlertGaugeLabels {
    alertname: String,
    model: String,
    severity: String,
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct NotificationLabels {
    receiver: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReceiverLabels {
    receiver: String,
}

/// Metrics of alerts and their notifications.
#[derive(Clone, Default)]
pub struct AlertMetrics {
    alerts: Family<AlertGaugeLabels, Gauge>,
    notifications: Family<NotificationLabels, Counter>,
    waiting: Family<ReceiverLabels, Gauge>,
}

impl AlertMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("cupola_alerts", "Pending and firing alerts", self.alerts.clone());
        let help = "Notifications: sent, failed attempts, refused, dropped";
        registry.register("cupola_notifications", help, self.notifications.clone());
        registry.register("cupola_notifications_waiting", "Notifications that wait", self.waiting.clone());
    }

    /// Sets the numbers of pending and firing alerts.
    pub fn set_alerts<'a>(&self, alerts: impl Iterator<Item = &'a ActiveAlert>) {
        self.alerts.clear();
        for alert in alerts {
            let state = match alert.state {
                AlertState::Pending => "pending",
                AlertState::Firing => "firing",
                AlertState::Resolved => continue,
            };
            let label = |name: &str| alert.labels.get(name).cloned().unwrap_or_default();
            let labels = AlertGaugeLabels {
                alertname: label("alertname"),
                model: label("model"),
                severity: label("severity"),
                state,
            };
            self.alerts.get_or_create(&labels).inc();
        }
    }

    /// Counts an attempt to notify a receiver, or a notification that was dropped.
    pub fn count(&self, receiver: &str, outcome: &'static str) {
        self.notifications
            .get_or_create(&NotificationLabels { receiver: receiver.to_owned(), outcome })
            .inc();
    }

    /// Sets the number of notifications that wait for a receiver.
    pub fn set_waiting(&self, receiver: &str, waiting: usize) {
        let gauge = self.waiting.get_or_create(&ReceiverLabels { receiver: receiver.to_owned() }).clone();
        gauge.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }
}
