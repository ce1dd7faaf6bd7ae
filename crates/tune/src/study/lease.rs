//! Leases: which worker holds a trial, and whether it is alive.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cupola_store::Lock;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::storage::{JournalOperation, StudyError, TrialRecord};

/// System attribute of a trial with its lease.
const LEASE: &str = "cupola:lease";

/// Time that a lease lasts without being renewed, where its worker cannot be looked up.
const DURATION: Duration = Duration::from_secs(90);

/// Age from which the folder of a dead worker is removed.
const OLD: Duration = Duration::from_hours(1);

/// Process that trains trials of a study. A lock file that it holds tells workers of the same host at once that it is
/// gone; those of other hosts wait for its leases to expire.
#[derive(Debug)]
pub struct Worker {
    id: String,
    host: String,
    folder: PathBuf,
    /// Released by the kernel when the process ends, however it ends.
    _lock: Lock,
}

/// Holder of a trial, and the end of its lease.
pub(super) struct TrialLease {
    worker: String,
    host: String,
    until: f64,
}

impl Worker {
    /// Worker of this process on `host`, whose lock file is in the folder of the study.
    ///
    /// # Errors
    /// [`StudyError::Store`] if the folder cannot be written.
    pub fn new(study: &Path, host: &str) -> Result<Self, StudyError> {
        let id = uuid::Uuid::new_v4().to_string();
        let workers = study.join("workers");
        remove_old(&workers);
        let folder = workers.join(&id);
        let lock = Lock::folder(&folder)?;
        Ok(Self { id, host: host.to_owned(), folder, _lock: lock })
    }

    /// Unique id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Interval at which leases are renewed.
    pub const HEARTBEAT: Duration = Duration::from_secs(20);

    pub(super) fn lease(&self) -> TrialLease {
        TrialLease {
            worker: self.id.clone(),
            host: self.host.clone(),
            until: seconds() + DURATION.as_secs_f64(),
        }
    }

    /// `true` if the worker that holds a trial is gone. A trial without a lease belongs to another program.
    pub(super) fn is_abandoned(&self, trial: &TrialRecord) -> bool {
        let Some(lease) = TrialLease::of(trial) else { return false };
        let folder = self.folder.with_file_name(&lease.worker);
        let held = (lease.host == self.host).then(|| Lock::is_held(&folder)).flatten();
        held.map_or_else(|| lease.until < seconds(), |held| !held)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl TrialLease {
    fn of(trial: &TrialRecord) -> Option<Self> {
        let lease = trial.system_attrs.get(LEASE)?;
        let text = |key: &str| lease[key].as_str().map(str::to_owned);
        Some(Self { worker: text("worker")?, host: text("host")?, until: lease["until"].as_f64()? })
    }

    pub(super) fn to_value(&self) -> Value {
        json!({ "worker": self.worker, "host": self.host, "until": self.until.round() })
    }

    pub(super) fn operation(&self, trial: usize) -> JournalOperation {
        JournalOperation::TrialAttribute {
            trial,
            system: true,
            key: LEASE.to_owned(),
            value: self.to_value(),
        }
    }

    pub(super) fn entry(&self) -> (String, Value) {
        (LEASE.to_owned(), self.to_value())
    }
}

/// Removes the folders that killed workers have left. A young one may belong to a worker that is about to lock it.
fn remove_old(workers: &Path) {
    for entry in std::fs::read_dir(workers).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|found| found.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > OLD) && Lock::is_held(&entry.path()) == Some(false) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Worker that holds a trial, or held it last.
pub(super) fn holder(trial: &TrialRecord) -> Option<String> {
    TrialLease::of(trial).map(|lease| lease.worker)
}

/// Current time as Optuna writes it.
pub(super) fn timestamp() -> String {
    format!("{:.6}", Timestamp::now()).trim_end_matches('Z').to_owned() + "+00:00"
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
