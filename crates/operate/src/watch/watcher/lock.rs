//! Lock of a watch, so that at most one process watches a model: a lock of the kernel, and a lease of the object store of
//! the home, which holds between machines.

use std::sync::Arc;
use std::time::Duration;

use cupola_registry::Home;
use cupola_store::{Lease, Lock, create_folder};

use crate::watch::error::WatchError;
use crate::watch::journal::folder;

/// Time without a renewal after which another machine may go on.
const LEASE: Duration = Duration::from_secs(30);

/// Lock that is held until it is dropped.
#[derive(Debug)]
pub(in crate::watch) struct WatchLock {
    /// Dropped first: the next process of this machine finds it given back.
    lease: Option<Arc<Lease>>,
    _lock: Lock,
}

impl WatchLock {
    /// Takes the lock of the watch of a model. `used` is the largest fencing number in its journal.
    ///
    /// # Errors
    /// [`WatchError::Busy`] with the holder; [`WatchError::Lease`]; an object store that does not answer.
    pub fn take(home: &Home, name: &str, used: u64) -> Result<Self, WatchError> {
        let path = folder(home, name);
        create_folder(&path)?;
        let lock = Lock::try_folder(&path).map_err(|error| WatchError::of_lock(name, error))?;
        let lease = home.remote().map(|remote| {
            let key = format!("watch/{name}/lease.json");
            Lease::take(remote, &key, &holder(), LEASE, used)
                .map_err(|error| WatchError::of_lock(name, error))
        });
        Ok(Self { lease: lease.transpose()?.map(Arc::new), _lock: lock })
    }

    /// Lease of the object store; `None` for a home in a folder.
    pub fn lease(&self) -> Option<Arc<Lease>> {
        self.lease.clone()
    }
}

/// This process, as other machines are told of it.
fn holder() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host.trim().chars().filter(|letter| !letter.is_control()).collect();
    let at = if host.is_empty() { String::new() } else { format!(" on {host}") };
    format!("process {}{at}", std::process::id())
}
