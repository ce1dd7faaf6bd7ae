//! Drift of embeddings: a sample of the rows of each window, embedded in the background and compared with the embeddings that are sealed
//! with the model.
//!
//! A request pays for a look at the number of the row that is sampled next, and for the copy of a sampled row. One thread of low
//! priority embeds the rows at the end of their window, or when somebody asks; only vectors are left of them then.

mod closed;
mod meter;
mod sample;
mod state;
mod worker;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use cupola_monitor::embedding::{EmbeddingRows, ReferenceEmbeddings};
use cupola_monitor::window::{EmbeddingSample, EmbeddingWindows};
use cupola_registry::{EMBEDDINGS, Package};
use cupola_runtime::{Embedder, LoadedPackage, PredictInput};

use self::closed::ClosedWindows;
use self::meter::EmbeddingMeter;
use self::sample::RowSample;
pub(super) use self::state::EmbeddingState;
pub(super) use self::worker::EmbeddingWorker;
use super::settings::MonitorSettings;

/// Name of the column under which metrics and rules of alerts have the verdict.
pub(super) const COLUMN: &str = cupola_monitor::alert::EMBEDDING_COLUMN;
/// Largest weights that are held a second time while rows are embedded.
const MOST_WEIGHTS: u64 = 1 << 30;

/// Embeddings of the rows of one model version.
pub(super) struct EmbeddingMonitor {
    model: Arc<LoadedPackage>,
    reference: EmbeddingRows,
    /// Vectors below which there is no verdict.
    enough: usize,
    /// Closed windows whose vectors may be kept.
    windows: usize,
    sample: Mutex<RowSample>,
    closed: Mutex<ClosedWindows>,
    meter: Mutex<EmbeddingMeter>,
    latest: Mutex<EmbeddingState>,
    /// Times that somebody has asked for the rows of the open window.
    asked: AtomicU64,
}

impl EmbeddingMonitor {
    /// Embeddings of a package that is loaded now, whose first window began at `began`. The error is the reason why they are not watched, with the remedy.
    pub fn new(
        package: &Package,
        model: &Arc<LoadedPackage>,
        settings: &MonitorSettings,
        began: i64,
    ) -> Result<Self, String> {
        if !settings.embeddings {
            return Err("`embeddings = false` in `[monitor]` of the server's config; leave it out".to_owned());
        }
        if !Embedder::suits(&model.plan) {
            return Err(
                "only networks that read texts or pictures row by row have watched embeddings; watch the columns instead"
                    .to_owned()
            );
        }
        // An embedding depends on all inputs.
        let mut inputs = model.signature.inputs.iter().map(|input| &input.name);
        if let Some(name) = inputs.find(|name| settings.exclude.contains(name)) {
            return Err(format!(
                "`{name}` is excluded in `[monitor]`, and an embedding depends on all inputs; take it out of `exclude`"
            ));
        }
        let weights = std::fs::metadata(package.path.join("model.safetensors")).map_or(0, |file| file.len());
        if weights > MOST_WEIGHTS {
            let why = "the weights have more than 1 GiB, and embedding rows would hold them twice";
            return Err(format!("{why}; use `cupola monitor report --embeddings`"));
        }
        let reference = reference(package).inspect_err(|why| {
            let version = package.label();
            tracing::warn!(version, why, "embeddings are not watched");
        })?;
        let enough = usize::try_from(settings.limits.rows).unwrap_or(usize::MAX).min(settings.embedding_rows);
        let state = EmbeddingState::without_rows(reference.len(), reference.width());
        Ok(Self {
            model: Arc::clone(model),
            reference,
            enough: enough.max(2),
            windows: settings.windows,
            sample: Mutex::new(RowSample::new(settings.embedding_rows)),
            closed: Mutex::default(),
            meter: Mutex::new(EmbeddingMeter::new(package, began)),
            latest: Mutex::new(state),
            asked: AtomicU64::new(0),
        })
    }

    /// Offers the rows of a request to the sample of the open window.
    pub fn offer(&self, input: &PredictInput) {
        locked(&self.sample).offer(input, self.model.signature.inputs.len());
    }

    /// Latest verdict.
    pub fn state(&self) -> EmbeddingState {
        let mut state = locked(&self.latest).clone();
        state.waiting = locked(&self.sample).waiting();
        state
    }

    /// Vectors of the latest closed windows and of the open one that began at `began`, to be merged with those of other servers.
    pub fn windows(&self, began: i64) -> EmbeddingWindows {
        let open = locked(&self.sample);
        let (latest, capacity) = (open.vectors(began), open.capacity());
        drop(open);
        let mut sampled: Vec<_> = locked(&self.closed).windows().cloned().collect();
        sampled.push(latest);
        // Whoever knew the seed of a server could predict which rows are left of a merged sample.
        let draw = |own| EmbeddingSample::draw(own, capacity, getrandom::u64().unwrap_or_default());
        EmbeddingWindows {
            width: self.reference.width(),
            enough: self.enough,
            windows: sampled.into_iter().map(draw).collect(),
        }
    }

    /// Embeds the rows of a window that is closed, those of the open one that began at `began` if somebody asks for them or they are
    /// large, and judges them. Only the worker calls it.
    pub fn measure(&self, began: i64) {
        let mut meter = match self.meter.try_lock() {
            Ok(meter) => meter,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if let Some(state) = meter.measure(self, began) {
            *locked(&self.latest) = state;
        }
    }

    /// Asks for the rows of the open window.
    pub fn ask(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Embeddings that are sealed with a package.
fn reference(package: &Package) -> Result<EmbeddingRows, String> {
    let remedy = "train and publish the model again";
    let files = &package.manifest.files;
    if !files.contains_key(EMBEDDINGS) {
        return Err(format!(
            "the package has no `{EMBEDDINGS}`; {remedy} with this version of Cupola and without `data.example = false`"
        ));
    }
    let bytes = package
        .read_within(EMBEDDINGS, ReferenceEmbeddings::MOST_BYTES as u64)
        .map_err(|error| format!("{error}; {remedy}"))?;
    let found =
        ReferenceEmbeddings::parse(&bytes).map_err(|error| format!("{EMBEDDINGS}: {error}; {remedy}"))?;
    let digests = [&found.origin.model_sha256, &found.origin.plan_sha256];
    if [files.get("model.safetensors"), files.get("plan.json")] != digests.map(Some) {
        return Err(format!("`{EMBEDDINGS}` has the embeddings of another model; {remedy}"));
    }
    Ok(found.rows)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
