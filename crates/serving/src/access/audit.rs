//! Log of administrative and refused calls: one JSON object per line.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::json;

/// Longest part of a model's name that is recorded: a name that is not served may have any length.
const MAX_NAME_CHARS: usize = 128;

/// Call that the audit log records.
#[derive(Debug, Clone, Copy)]
pub struct AuditedCall<'a> {
    /// Id of the key; `-` for callers without one.
    pub key: &'a str,
    /// Method of HTTP.
    pub method: &'a str,
    /// Path.
    pub path: &'a str,
    /// Model of the call; `None` where the path names it.
    pub model: Option<&'a str>,
    /// Status code of HTTP, for gRPC the corresponding one.
    pub status: u16,
}

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
    pub fn record(&self, call: &AuditedCall<'_>) {
        let time = jiff::Timestamp::now().to_string();
        let AuditedCall { key, method, path, model, status } = call;
        let mut line = json!({ "time": time, "key": key, "method": method, "path": path, "status": status });
        if let Some(model) = model {
            line["model"] = model.chars().take(MAX_NAME_CHARS).collect::<String>().into();
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writeln!(file, "{line}") {
            tracing::error!(%error, path = %self.path.display(), "failed to write the audit log");
        }
    }
}
