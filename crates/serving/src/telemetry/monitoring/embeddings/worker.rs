//! Thread of low priority that embeds sampled rows.

use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use super::super::LiveMonitor;
use super::locked;
use crate::processors::lower_own_priority;

/// Time between two looks at the windows.
const TICK: Duration = Duration::from_millis(500);
/// Longest time that a report waits for the rows of the open window.
const PATIENCE: Duration = Duration::from_secs(2);

/// Thread, which runs once the first version has embeddings.
#[derive(Default)]
pub(in crate::telemetry::monitoring) struct EmbeddingWorker {
    shared: Arc<Rounds>,
    /// `true` if the thread runs.
    thread: OnceLock<bool>,
}

/// Rounds of the thread over all versions.
#[derive(Default)]
struct Rounds {
    /// Rounds that were asked for, and that are done.
    counts: Mutex<(u64, u64)>,
    changed: Condvar,
}

impl EmbeddingWorker {
    /// Starts the thread unless it runs.
    pub fn start(&self, live: &Arc<LiveMonitor>) {
        self.thread.get_or_init(|| {
            let (live, rounds) = (Arc::downgrade(live), Arc::clone(&self.shared));
            let thread = std::thread::Builder::new().name("embeddings".to_owned());
            let thread = thread.spawn(move || work(&live, &rounds));
            thread.inspect_err(|error| tracing::error!(%error, "failed to watch embeddings")).is_ok()
        });
    }

    /// Waits for a round over all versions, a moment at most.
    pub fn round(&self) {
        if self.thread.get() != Some(&true) {
            return;
        }
        let mut counts = locked(&self.shared.counts);
        // A round that has begun may have passed the version already.
        let wanted = counts.0.max(counts.1) + 1;
        counts.0 = wanted;
        self.shared.changed.notify_all();
        let waits = |counts: &mut (u64, u64)| counts.1 < wanted;
        drop(self.shared.changed.wait_timeout_while(counts, PATIENCE, waits));
    }
}

fn work(live: &Weak<LiveMonitor>, rounds: &Rounds) {
    lower_own_priority();
    loop {
        let counts = locked(&rounds.counts);
        let idle = |counts: &mut (u64, u64)| counts.0 <= counts.1;
        let waited = rounds.changed.wait_timeout_while(counts, TICK, idle);
        let asked = waited.unwrap_or_else(PoisonError::into_inner).0.0;
        let Some(live) = live.upgrade() else { return };
        for version in live.versions() {
            version.measure_embeddings();
        }
        drop(live);
        let mut counts = locked(&rounds.counts);
        counts.1 = counts.1.max(asked);
        rounds.changed.notify_all();
    }
}
