//! Log of administrative and refused calls: one JSON object per line.
//!
//! A thread of its own writes the file, so that no request waits for the disk. Administrative calls are always
//! recorded; refused ones, which anybody can cause, only up to a rate, and lines say how many were left out.

mod entry;
mod file;
mod pending;
mod queue;
mod refusals;
mod sink;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use self::entry::{AuditEvent, AuditedCall};
pub use self::pending::PendingCall;
use self::queue::AuditQueue;
use self::sink::AuditSink;

/// Longest wait for lines that are not on disk yet when the log is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Append-only audit log.
#[derive(Debug)]
pub struct AuditLog {
    queue: Arc<AuditQueue>,
}

impl AuditLog {
    /// Opens the file for appending, and creates it and its folder if they are missing. Only the owner may read it.
    /// Where the file system is read-only, as in a container, the lines go to standard error.
    ///
    /// # Errors
    /// Errors of the file system, and of the system if it refuses a thread.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let mut sink = AuditSink::open(path)?;
        let queue = Arc::new(AuditQueue::default());
        let lines = Arc::clone(&queue);
        let writer = move || lines.write_all_to(&mut sink);
        std::thread::Builder::new().name("audit".to_owned()).spawn(writer)?;
        Ok(Self { queue })
    }

    /// Appends a call with the status of its response, and returns at once.
    pub fn record(&self, call: &AuditedCall<'_>) {
        self.queue.push(call);
    }

    /// `true` if administrative calls could not be written for so long that no more of them can be held in memory.
    /// They must be refused then, because none may go unrecorded.
    pub fn is_full(&self) -> bool {
        self.queue.is_full()
    }

    /// Waits until all lines are written, for at most `timeout`, and returns `true` if they are. Blocks.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.queue.flush(timeout)
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.queue.close();
        self.queue.flush(CLOSE_TIMEOUT);
    }
}

#[cfg(test)]
mod tests;
