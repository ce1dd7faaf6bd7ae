//! Rates and daily quotas of callers, counted in memory.
//!
//! Replicas that share a store divide each limit among themselves: a replica may spend its part of what was left at its last
//! exchange with the store, and reports there what it has spent. So no request waits for the store, and without it each
//! replica goes on with its part.

mod connection;
mod resp;
mod shared;
mod store;
mod usage;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

pub use self::shared::SharedLimits;
use self::usage::{Clock, KeyUsage, UsageAnswer, UsageReport};
use super::key_file::ApiKey;

/// Callers whose use is counted at once. Beyond that, those are forgotten whose limits are untouched.
const MAX_COUNTED: usize = 65_536;
/// Most callers of one exchange with the store.
const MAX_REPORTS: usize = 1_000;

/// Use of all callers with limits.
#[derive(Debug)]
pub(super) struct UsageTable {
    keys: Mutex<BTreeMap<String, KeyUsage>>,
    /// Replicas that divide the limits among themselves.
    replicas: AtomicU32,
    /// `true` if a store counts for all replicas.
    shared: bool,
    /// Notified when a caller's use should be reported at once.
    wake: Notify,
}

impl UsageTable {
    /// Table of a server that counts alone.
    pub fn alone() -> Self {
        Self::new(1, false)
    }

    /// Table of one of `replicas` replicas that report to a store.
    pub fn shared(replicas: u32) -> Self {
        Self::new(replicas, true)
    }

    fn new(replicas: u32, shared: bool) -> Self {
        let replicas = AtomicU32::new(replicas.max(1));
        Self { keys: Mutex::default(), replicas, shared, wake: Notify::new() }
    }

    fn keys(&self) -> MutexGuard<'_, BTreeMap<String, KeyUsage>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replicas(&self) -> f64 {
        f64::from(self.replicas.load(Ordering::Relaxed))
    }

    /// Counts a request of a key.
    ///
    /// # Errors
    /// Time until the next request is admitted, for a key that exceeds its limits.
    pub fn admit(&self, key: &ApiKey) -> Result<(), Duration> {
        if key.rate.is_none() && key.quota.is_none() {
            return Ok(());
        }
        self.admit_at(key, Clock::now())
    }

    fn admit_at(&self, key: &ApiKey, clock: Clock) -> Result<(), Duration> {
        let replicas = self.replicas();
        let mut keys = self.keys();
        if keys.len() >= MAX_COUNTED {
            keys.retain(|_, usage| usage.is_counted(clock));
        }
        let usage = keys.entry(key.id.clone()).or_insert_with(|| KeyUsage::new(key, replicas, clock));
        let admitted = usage.admit(key, replicas, clock);
        if self.shared && usage.is_due(clock) {
            self.wake.notify_one();
        }
        admitted
    }

    /// Reports of the callers that sent requests since the last ones.
    fn take_reports(&self) -> Vec<UsageReport> {
        let mut keys = self.keys();
        let asked = keys.iter_mut().filter(|(_, usage)| usage.has_asked());
        asked.take(MAX_REPORTS).map(|(id, usage)| usage.report(id)).collect()
    }

    /// Takes over what the store answered to a report.
    fn settle(&self, report: &UsageReport, answer: UsageAnswer, clock: Clock) {
        let replicas = self.replicas();
        if let Some(usage) = self.keys().get_mut(&report.id) {
            usage.settle(answer, replicas, clock);
        }
    }

    /// Puts reports back that did not reach the store.
    fn give_back(&self, reports: &[UsageReport]) {
        let mut keys = self.keys();
        for report in reports {
            if let Some(usage) = keys.get_mut(&report.id) {
                usage.give_back();
            }
        }
    }

    fn set_replicas(&self, replicas: u32) {
        self.replicas.store(replicas.max(1), Ordering::Relaxed);
    }

    /// Waits until a report is due, at most `longest`.
    async fn due(&self, longest: Duration) {
        let _ = tokio::time::timeout(longest, self.wake.notified()).await;
    }
}

/// Part of `amount` that one of `replicas` may spend: at least a whole request while there is one. What all of them then
/// spend too much is missing from the next parts.
fn part(amount: f64, replicas: f64) -> f64 {
    if amount >= 1.0 { (amount / replicas).max(1.0) } else { amount / replicas }
}

#[cfg(test)]
mod tests;
