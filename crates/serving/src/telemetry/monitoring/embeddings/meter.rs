//! Embeds sampled rows and compares their vectors with the reference.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cupola_budget::Budget;
use cupola_monitor::embedding::{EmbeddingDrift, EmbeddingMethod, EmbeddingRows};
use cupola_registry::Package;
use cupola_runtime::{Embedder, PredictInput};

use super::sample::sampled_vectors;
use super::{EmbeddingMonitor, EmbeddingState, locked};

/// Rows that are embedded between two pauses.
const CHUNK: usize = 8;
/// Time of a pause for each unit of time that rows took, unless somebody waits: a fifth of a processor.
const REST: u32 = 4;
/// Time after which an unused network is given back.
const IDLE: Duration = Duration::from_mins(1);

/// Network of a version while rows are embedded, and vectors of its windows.
pub(super) struct EmbeddingMeter {
    path: PathBuf,
    files: BTreeMap<String, String>,
    embedder: Option<Embedder>,
    used: Instant,
    /// Begin of the window that the sample is of.
    began: i64,
    /// Vectors of the open window, its begin, and whether there was trouble, at the last comparison.
    compared: Option<(usize, i64, bool)>,
    /// Reason why a row of the latest window has no vector.
    trouble: Option<String>,
    /// Times that somebody asked and has got the rows of the open window.
    served: u64,
}

impl EmbeddingMeter {
    pub fn new(package: &Package, began: i64) -> Self {
        Self {
            path: package.path.clone(),
            files: package.manifest.files.clone(),
            embedder: None,
            used: Instant::now(),
            began,
            compared: None,
            trouble: None,
            served: 0,
        }
    }

    /// Embeds what is due; the new state, `None` if it is the same.
    pub fn measure(&mut self, monitor: &EmbeddingMonitor, began: i64) -> Option<EmbeddingState> {
        let before = std::mem::replace(&mut self.began, began);
        if before != began {
            self.close(monitor, before);
        }
        let asked = monitor.asked();
        if asked != self.served || locked(&monitor.sample).is_large() {
            self.embed_open(monitor);
        }
        self.served = asked;
        if self.used.elapsed() > IDLE {
            self.embedder = None;
        }
        self.judge(monitor, began)
    }

    /// Embeds the rows of a window that is over and began at `began`, and keeps their vectors.
    fn close(&mut self, monitor: &EmbeddingMonitor, began: i64) {
        let (mut rows, seen) = locked(&monitor.sample).restart();
        self.trouble = None;
        for chunk in rows.chunks_mut(CHUNK) {
            self.in_time(monitor, |this| {
                for row in chunk {
                    if let Some(raw) = row.raw() {
                        row.embed(this.vector(monitor, &raw.input));
                    }
                }
            });
        }
        let sampled = sampled_vectors(&rows, began, seen);
        locked(&monitor.closed).push(sampled, monitor.enough, monitor.windows);
    }

    /// Embeds the rows of the open window that have no vector yet, at most as many as the sample has.
    fn embed_open(&mut self, monitor: &EmbeddingMonitor) {
        let mut left = locked(&monitor.sample).waiting();
        while left > 0 {
            let rows = locked(&monitor.sample).raw_rows(CHUNK.min(left));
            if rows.is_empty() {
                return;
            }
            left -= rows.len();
            self.in_time(monitor, |this| {
                for (id, raw) in rows {
                    let vector = this.vector(monitor, &raw.input);
                    locked(&monitor.sample).embed(id, vector);
                }
            });
        }
    }

    /// Runs work, and rests after it unless somebody waits.
    fn in_time(&mut self, monitor: &EmbeddingMonitor, work: impl FnOnce(&mut Self)) {
        let began = Instant::now();
        work(self);
        self.used = Instant::now();
        if monitor.asked() == self.served {
            std::thread::sleep(began.elapsed() * REST);
        }
    }

    /// Vector of a row; `None` if it has none, for a reason that is kept.
    fn vector(&mut self, monitor: &EmbeddingMonitor, input: &PredictInput) -> Option<Vec<f64>> {
        let found = self.embedded(monitor, input);
        if let Err(why) = &found {
            if self.trouble.as_ref() != Some(why) {
                tracing::warn!(why, "failed to embed a sampled row");
            }
            self.trouble = Some(why.clone());
        }
        found.ok()
    }

    fn embedded(&mut self, monitor: &EmbeddingMonitor, input: &PredictInput) -> Result<Vec<f64>, String> {
        let examples = monitor.model.examples_of_input(input, &Budget::unlimited());
        let examples = examples.map_err(|error| error.to_string())?;
        let embedder = match &mut self.embedder {
            Some(embedder) => embedder,
            none => none.insert(load(&self.path, &self.files)?),
        };
        let found = embedder.embed(examples).map_err(|error| error.to_string())?.unwrap_or_default();
        let (expected, width) = (monitor.reference.width(), found.len());
        if expected == width {
            return Ok(found);
        }
        Err(format!(
            "`{}` has vectors of {expected} values, the model makes {width}; train and publish the model again",
            cupola_registry::EMBEDDINGS
        ))
    }

    /// Compares the latest vectors with the reference.
    fn judge(&mut self, monitor: &EmbeddingMonitor, began: i64) -> Option<EmbeddingState> {
        let open = locked(&monitor.sample).vectors(began).vectors;
        let looked = (open.len(), began, self.trouble.is_some());
        if self.compared == Some(looked) {
            return None;
        }
        self.compared = Some(looked);
        let mut current = EmbeddingRows::new(monitor.reference.width(), usize::MAX);
        let mut windows = 0;
        let closed = locked(&monitor.closed);
        let latest = closed.windows().rev().map(|window| &window.vectors);
        for window in std::iter::once(&open).chain(latest) {
            if current.len() >= monitor.enough {
                break;
            }
            for vector in window {
                current.push(vector.iter().copied());
            }
            windows += usize::from(!window.is_empty());
        }
        drop(closed);
        let state = EmbeddingState::without_rows(monitor.reference.len(), monitor.reference.width());
        let state = EmbeddingState { rows: current.len(), windows, why: self.trouble.clone(), ..state };
        if current.len() < monitor.enough {
            return Some(state);
        }
        let method = EmbeddingMethod::Model;
        Some(state.judged(&EmbeddingDrift::between_samples(&monitor.reference, &current, method)))
    }
}

/// Reads the network of a package again, since its engine belongs to the requests.
fn load(path: &std::path::Path, files: &BTreeMap<String, String>) -> Result<Embedder, String> {
    let package = Package::open(path).map_err(|error| error.to_string())?;
    if package.manifest.files != *files {
        return Err(format!("the files of {} have changed since it was loaded", package.label()));
    }
    Embedder::load(&package).map_err(|error| error.to_string())
}
