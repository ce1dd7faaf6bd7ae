//! Tasks that send notifications, one for each receiver.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cupola_monitor::alert::{ActiveAlert, AlertNotification};
use cupola_spec::Notify;

use super::channel::NotifyChannel;
use super::failure::DeliveryError;
use super::outbox::{Outbox, backoff};
use crate::error::Error;
use crate::telemetry::AlertMetrics;

/// Interval at which a receiver of snapshots gets all alerts.
const SNAPSHOT_INTERVAL: Duration = Duration::from_mins(1);

/// Owner of the alerts that are sent.
pub(super) trait AlertSource: Send + Sync {
    /// Firing and resolved alerts that no silence covers.
    fn told_alerts(&self) -> Vec<ActiveAlert>;
    /// Stores the queues. Blocks.
    fn store(&self);
    /// Metrics of notifications.
    fn metrics(&self) -> &AlertMetrics;
}

/// A receiver with its queue.
pub(super) struct Receiver {
    pub name: String,
    pub channel: NotifyChannel,
    outbox: Mutex<Outbox>,
    trouble: Mutex<Option<String>>,
    wake: tokio::sync::Notify,
}

impl Receiver {
    /// Receiver of a config, with the queue that an earlier process left.
    pub fn open(spec: &Notify, outbox: Outbox) -> Result<Self, Error> {
        Ok(Self {
            name: spec.name().to_owned(),
            channel: NotifyChannel::open(spec)?,
            outbox: Mutex::new(outbox),
            trouble: Mutex::new(None),
            wake: tokio::sync::Notify::new(),
        })
    }

    pub fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Error of the last attempt; `None` after a success.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Queues a notification. Returns `false` if an older one had to be dropped for it.
    pub fn push(&self, notification: &AlertNotification) -> bool {
        let fits = self.channel.takes_snapshots() || self.outbox().push(notification.clone());
        self.wake.notify_one();
        fits
    }

    /// Sends what waits, until the task is aborted.
    pub async fn run(self: Arc<Self>, watch: Arc<dyn AlertSource>) {
        if self.channel.takes_snapshots() {
            return self.send_snapshots(&*watch).await;
        }
        loop {
            let next = self.outbox().front().cloned();
            let Some(notification) = next else {
                self.wake.notified().await;
                continue;
            };
            let sent = self.channel.send(&notification).await;
            let delay = if let Err(DeliveryError::Retry(_)) = &sent {
                Some(self.outbox().fail())
            } else {
                self.outbox().remove(&notification.id);
                None
            };
            self.report(&sent, &*watch);
            let source = Arc::clone(&watch);
            let _ = tokio::task::spawn_blocking(move || source.store()).await;
            if let Some(delay) = delay {
                tokio::time::sleep(delay).await;
            }
        }
    }

    async fn send_snapshots(&self, watch: &dyn AlertSource) {
        let mut failures = 0;
        loop {
            let alerts = watch.told_alerts();
            if alerts.is_empty() {
                self.wake.notified().await;
                continue;
            }
            let sent = self.channel.send_all(&alerts).await;
            self.report(&sent, watch);
            if sent.is_ok() {
                failures = 0;
                // A change is sent at once, everything else in time.
                let _ = tokio::time::timeout(SNAPSHOT_INTERVAL, self.wake.notified()).await;
            } else {
                tokio::time::sleep(backoff(failures)).await;
                failures += 1;
            }
        }
    }

    /// Counts an attempt. The log has the first failure, each refusal and the first success after a failure.
    fn report(&self, sent: &Result<(), DeliveryError>, watch: &dyn AlertSource) {
        let (outcome, why) = match sent {
            Ok(()) => ("sent", None),
            Err(DeliveryError::Retry(why)) => ("failed", Some(why.clone())),
            Err(DeliveryError::Refused(why)) => ("refused", Some(why.clone())),
        };
        watch.metrics().count(&self.name, outcome);
        watch.metrics().set_waiting(&self.name, self.outbox().len());
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let name = self.name.as_str();
        match (&*trouble, &why, outcome) {
            (_, Some(why), "refused") => {
                tracing::error!(
                    receiver = name,
                    why,
                    "a notification was refused and is dropped; check the receiver"
                );
            }
            (None, Some(why), _) => {
                tracing::warn!(
                    receiver = name,
                    why,
                    "failed to send notifications; they are kept and sent again"
                );
            }
            (Some(_), None, _) => tracing::info!(receiver = name, "notifications are sent again"),
            _ => {}
        }
        *trouble = why;
    }
}
