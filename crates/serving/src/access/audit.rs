//! Log of administrative and refused calls: one JSON object per line.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::json;

/// Append-only audit log.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    file: Mutex<File>,
}

impl AuditLog {
    /// Opens the file for appending, and creates it and its folder if they are missing.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file) })
    }

    /// Appends a call with the status of its response.
    pub fn record(&self, key: &str, method: &str, path: &str, status: u16) {
        let time = jiff::Timestamp::now().to_string();
        let line = json!({ "time": time, "key": key, "method": method, "path": path, "status": status });
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writeln!(file, "{line}") {
            tracing::error!(%error, path = %self.path.display(), "failed to write the audit log");
        }
    }
}
