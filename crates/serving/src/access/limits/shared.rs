//! Exchange of spent tokens and requests with the store that all replicas share.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cupola_spec::RateLimits;
use tokio::sync::watch;

use super::UsageTable;
use super::connection::StoreAddress;
use super::store::CounterStore;
use super::usage::{Clock, RENEWED_AFTER};
use crate::error::Error;
use crate::telemetry::LimitMetrics;

/// Interval at which a replica without requests reports that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Shortest time between two exchanges.
const PAUSE: Duration = Duration::from_millis(5);
/// Time between two attempts to reach a store that failed.
const RETRY: Duration = Duration::from_secs(1);
/// Longest time for the last exchange of a server that stops.
const FAREWELL: Duration = Duration::from_secs(1);

/// Limits of all callers, shared with other replicas through a store.
pub struct SharedLimits {
    table: Arc<UsageTable>,
    store: CounterStore,
    metrics: LimitMetrics,
    /// `None` before the first exchange.
    reachable: Option<bool>,
    exchanged: Instant,
}

impl SharedLimits {
    /// Limits that a config shares; `address` is that of the store, with its password.
    pub(in crate::access) fn new(
        table: Arc<UsageTable>,
        address: &str,
        spec: &RateLimits,
        metrics: LimitMetrics,
    ) -> Result<Self, Error> {
        let failed = |why: String| Error::Limits { why };
        let mut id = [0; 8];
        getrandom::fill(&mut id).map_err(|error| failed(error.to_string()))?;
        let address = StoreAddress::parse(address).map_err(|error| failed(error.to_string()))?;
        let store = CounterStore::new(address, &spec.prefix, const_hex::encode(id));
        Ok(Self { table, store, metrics, reachable: None, exchanged: Instant::now() })
    }

    /// First exchange, after which the number of replicas is known if the store answers.
    pub async fn join(&mut self) {
        self.exchange().await;
    }

    /// Exchanges until `stop` becomes `true`, then reports the rest and leaves.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let pause = if self.reachable == Some(false) { RETRY } else { PAUSE };
            tokio::select! {
                _ = stop.wait_for(|stopped| *stopped) => break,
                () = tokio::time::sleep(pause) => {}
            }
            tokio::select! {
                _ = stop.wait_for(|stopped| *stopped) => break,
                () = self.table.due(RENEWED_AFTER) => {}
            }
            self.exchange().await;
        }
        let farewell = async {
            self.exchange().await;
            self.store.leave().await
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }

    /// Reports what was spent, and takes over what is left. A store that fails is logged once.
    async fn exchange(&mut self) {
        let reports = self.table.take_reports();
        let known = self.reachable.is_some();
        if known && reports.is_empty() && self.exchanged.elapsed() < HEARTBEAT {
            return;
        }
        self.exchanged = Instant::now();
        match self.store.exchange(&reports).await {
            Ok(answer) => {
                self.table.set_replicas(answer.replicas);
                let clock = Clock::now();
                for (report, answer) in reports.iter().zip(answer.usage) {
                    self.table.settle(report, answer, clock);
                }
                if self.reachable != Some(true) {
                    tracing::info!(replicas = answer.replicas, "rates and quotas are shared");
                }
                self.reachable = Some(true);
                self.metrics.set(true, answer.replicas);
            }
            Err(error) => {
                self.table.give_back(&reports);
                let replicas = self.table.replicas.load(Ordering::Relaxed);
                if self.reachable != Some(false) {
                    let why = error.to_string();
                    tracing::warn!(
                        replicas,
                        why,
                        "the store of the limits does not answer; this server allows its part of each limit"
                    );
                }
                self.reachable = Some(false);
                self.metrics.set(false, replicas);
            }
        }
    }
}
