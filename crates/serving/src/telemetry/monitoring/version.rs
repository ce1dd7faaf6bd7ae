//! Monitoring of one model version.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cupola_monitor::sketch::{LiveDrift, SketchColumn, SketchLayout, SketchRule, SketchTable};
use cupola_monitor::window::{MonitorState, MonitorWindow, WindowLimits, WindowRing, WindowTraffic};
use cupola_registry::Package;
use cupola_runtime::LoadedPackage;
use jiff::Timestamp;

use super::embeddings::{COLUMN, EmbeddingMonitor};
use super::layout::{WatchedColumns, watched};
use super::settings::MonitorSettings;
use super::windows::WindowChoice;

/// Bytes of the closed windows of a version, beyond which fewer of them are kept.
const MOST_BYTES: usize = 8 << 20;
/// Bytes of a sealed sketch of numbers over 30 bins.
const SEALED_BYTES: usize = 900;

/// Traffic and sketches of one model version, since it was loaded.
pub struct VersionMonitor {
    pub(crate) model: String,
    pub(crate) version: u64,
    pub(super) settings: Arc<MonitorSettings>,
    /// Reason why there is no drift, with the remedy; `None` with a reference.
    pub(super) without_reference: Option<String>,
    /// Columns beyond the limit, which are not watched.
    pub(super) left_out: usize,
    /// Requests since the last settlement. Its lock is held for moments only, apart from that of the sketches.
    arrived: Mutex<WindowTraffic>,
    /// Requests since the last line of the performance log; `None` without such a log.
    logged: Option<Mutex<WindowTraffic>>,
    ring: Mutex<WindowRing>,
    /// Embeddings of the rows, or the reason why they are not watched.
    pub(super) embeddings: Result<EmbeddingMonitor, String>,
}

impl VersionMonitor {
    /// Monitoring of a package that is loaded now.
    pub(super) fn new(
        package: &Package,
        model: &Arc<LoadedPackage>,
        settings: &Arc<MonitorSettings>,
    ) -> Self {
        let watched = watched(package, &model.signature, settings);
        let WatchedColumns { layout, without_reference, left_out } = watched;
        let limits = settings.window_limits();
        let affordable = MOST_BYTES / (layout.columns.len().max(1) * SEALED_BYTES);
        let kept = limits.kept.min(affordable.max(2));
        let began = now();
        let ring = WindowRing::new(Arc::new(layout), WindowLimits { kept, ..limits }, began);
        Self {
            model: package.manifest.name.clone(),
            version: package.manifest.version,
            settings: Arc::clone(settings),
            without_reference,
            left_out,
            arrived: Mutex::default(),
            logged: settings.logs_performance.then(Mutex::default),
            ring: Mutex::new(ring),
            embeddings: EmbeddingMonitor::new(package, model, settings, began),
        }
    }

    /// `true` for the same version of the same model.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.model, self.version) == (&other.model, other.version)
    }

    /// Names of the watched columns, as metrics have them.
    pub(crate) fn column_labels(&self) -> Vec<String> {
        let layout = Arc::clone(self.ring().layout());
        let embedding = self.embeddings.iter().map(|_| COLUMN.to_owned());
        layout.columns.iter().map(SketchColumn::label).chain(embedding).collect()
    }

    /// Reason why the embeddings are not watched, with the remedy; `None` if they are.
    pub(crate) fn without_embeddings(&self) -> Option<&str> {
        self.embeddings.as_ref().err().map(String::as_str)
    }

    /// Embeds the sampled rows that are due.
    pub(super) fn measure_embeddings(&self) {
        if let Ok(embeddings) = &self.embeddings {
            let began = self.read(|ring| ring.open().began);
            embeddings.measure(began);
        }
    }

    /// Names of the watched columns, with the rules of their verdicts.
    pub(crate) fn column_rules(&self) -> Vec<(String, SketchRule)> {
        let layout = Arc::clone(self.ring().layout());
        layout.columns.iter().map(|column| (column.name.clone(), column.rule)).collect()
    }

    /// Adds a request with its status code of HTTP and its duration in seconds.
    pub fn record_request(&self, status: u16, seconds: f64) {
        self.arrived().add(status, seconds);
        if let Some(logged) = &self.logged {
            logged.lock().unwrap_or_else(PoisonError::into_inner).add(status, seconds);
        }
    }

    /// Requests since the last call, for the performance log.
    pub(crate) fn take_logged(&self) -> WindowTraffic {
        let logged = self.logged.as_ref();
        logged
            .map(|logged| std::mem::take(&mut *logged.lock().unwrap_or_else(PoisonError::into_inner)))
            .unwrap_or_default()
    }

    /// Counts a request whose rows are not observed.
    pub(super) fn record_skipped(&self) {
        self.arrived().skipped += 1;
    }

    /// Calls `add` with the sketches of the open window.
    pub(super) fn observe(&self, add: impl FnOnce(&SketchLayout, &mut SketchTable)) {
        let mut ring = self.ring();
        let layout = Arc::clone(ring.layout());
        add(&layout, &mut ring.open_at(now()).table);
    }

    /// Moves the requests that have arrived into the open window, and closes a window whose time is over.
    pub(super) fn settle(&self) {
        let arrived = std::mem::take(&mut *self.arrived());
        let mut ring = self.ring();
        let open = ring.open_at(now());
        if !arrived.is_empty() {
            open.traffic.merge(&arrived);
        }
    }

    /// Windows at this moment, to be merged with those of other servers.
    pub fn state(&self) -> MonitorState {
        self.settle();
        let ring = self.ring();
        let began = ring.open().began;
        let mut windows: Vec<MonitorWindow> = ring.windows().cloned().collect();
        drop(ring);
        for window in &mut windows {
            window.table.seal();
        }
        MonitorState {
            format_version: MonitorState::FORMAT_VERSION,
            model: self.model.clone(),
            version: self.version,
            period: self.settings.window_limits().period,
            windows,
            embeddings: self.embeddings.as_ref().ok().map(|embeddings| embeddings.windows(began)),
        }
    }

    /// Copy of the windows at this moment, which is read without the lock.
    pub(super) fn snapshot(&self) -> WindowRing {
        self.settle();
        self.ring().clone()
    }

    /// Reads the windows at this moment under their lock, which keeps the thread of the sketches waiting.
    pub(super) fn read<T>(&self, read: impl FnOnce(&WindowRing) -> T) -> T {
        self.settle();
        read(&self.ring())
    }

    /// The chosen windows as one, their number, and the drift of each column.
    pub(super) fn judged(&self, ring: &WindowRing, choice: WindowChoice) -> JudgedWindow {
        let (window, merged) = choice.of(ring, self.settings.limits.rows);
        let columns = ring.layout().columns.iter().zip(&window.table.columns);
        let drift =
            columns.map(|(column, sketch)| LiveDrift::of(column, sketch, &self.settings.limits)).collect();
        JudgedWindow { window, merged, drift }
    }

    /// Bytes of all sketches on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.ring().heap_bytes()
    }

    fn arrived(&self) -> MutexGuard<'_, WindowTraffic> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) -> MutexGuard<'_, WindowRing> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One or more windows as one, with the drift of each column.
pub(super) struct JudgedWindow {
    pub window: MonitorWindow,
    /// Number of windows.
    pub merged: usize,
    pub drift: Vec<LiveDrift>,
}

/// Milliseconds since 1970.
fn now() -> i64 {
    Timestamp::now().as_millisecond()
}
