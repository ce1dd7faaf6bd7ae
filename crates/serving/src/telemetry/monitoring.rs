//! Live monitoring: what each model version receives and predicts, beside the reference profile of its training.
//!
//! A request pays for two short critical sections: its status and duration are added to the traffic of its version, and its
//! rows and logits are moved into a bounded queue after the response is made. One thread takes them from there, decodes the
//! predictions and adds both to the sketches of the version's open window. Of more than 1,000 requests a second a sample is
//! taken, and the thread uses a small share of one processor; what is skipped is counted.

mod admission;
mod layout;
mod metrics;
mod observation;
mod pictures;
mod queue;
mod report;
mod settings;
mod version;
mod windows;

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use cupola_prep::Signature;
use cupola_registry::Package;

pub(crate) use self::metrics::MonitorCollector;
pub(crate) use self::observation::Observation;
use self::queue::ObservationQueue;
pub use self::settings::MonitorSettings;
pub use self::version::VersionMonitor;
pub use self::windows::WindowChoice;

/// Time between two looks at the queue.
const TICK: Duration = Duration::from_millis(50);
/// Time that the thread rests for each unit of time that it works: 2 % of a processor.
const REST: u32 = 49;

/// Monitoring of all versions of a server.
#[derive(Default)]
pub(crate) struct LiveMonitor {
    /// `None` if monitoring is off.
    settings: Option<Arc<MonitorSettings>>,
    /// Loaded versions, and unloaded ones until the next look.
    versions: Mutex<Vec<Weak<VersionMonitor>>>,
    queue: ObservationQueue,
    /// `true` if the thread runs; set once with the first version.
    thread: OnceLock<bool>,
}

impl LiveMonitor {
    /// Monitoring with these settings, or none.
    pub fn new(settings: Option<MonitorSettings>) -> Arc<Self> {
        Arc::new(Self { settings: settings.map(Arc::new), ..Self::default() })
    }

    /// Starts to watch a version that is loaded now; `None` if monitoring is off.
    pub fn watch(self: &Arc<Self>, package: &Package, signature: &Signature) -> Option<Arc<VersionMonitor>> {
        let monitor = Arc::new(VersionMonitor::new(package, signature, self.settings.as_ref()?));
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        // A version that is loaded again may still have requests in flight, and metrics must not come twice.
        versions.retain(|version| version.upgrade().is_some_and(|version| !version.is_same(&monitor)));
        versions.push(Arc::downgrade(&monitor));
        drop(versions);
        // Without a thread, each look at the report adds what waits.
        self.thread.get_or_init(|| {
            let this = Arc::downgrade(self);
            let thread = std::thread::Builder::new().name("monitor".to_owned()).spawn(move || work(&this));
            thread.inspect_err(|error| tracing::error!(%error, "failed to start the monitor")).is_ok()
        });
        Some(monitor)
    }

    /// Loaded versions.
    pub fn versions(&self) -> Vec<Arc<VersionMonitor>> {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        versions.iter().filter_map(Weak::upgrade).collect()
    }

    /// Queues a request of a version, or counts that it is skipped.
    pub fn push(&self, monitor: &VersionMonitor, observation: impl FnOnce() -> Observation) {
        if self.queue.admits() {
            self.queue.push(observation());
        } else {
            monitor.record_skipped();
        }
    }

    /// Adds all queued requests to their sketches now.
    pub fn flush(&self) {
        self.queue.drain();
    }
}

/// Adds queued requests to the sketches until the monitor is dropped.
fn work(monitor: &Weak<LiveMonitor>) {
    while let Some(monitor) = monitor.upgrade() {
        let began = Instant::now();
        monitor.flush();
        monitor.versions().iter().for_each(|version| version.settle());
        drop(monitor);
        std::thread::sleep((began.elapsed() * REST).max(TICK));
    }
}
