//! Alerts that a running watch has received, until a look reads them.

use std::path::{Path, PathBuf};

use cupola_registry::Home;
use cupola_store::append_lines;
use jiff::Timestamp;
use serde_json::json;

use crate::watch::error::WatchError;
use crate::watch::journal::folder;

/// Bytes from which the file is begun anew; the one before is kept beside it.
const ROTATED: u64 = 16 << 20;

/// File of received alerts of one model, `watch/NAME/alerts.jsonl`.
#[derive(Debug, Clone)]
pub struct AlertInbox {
    path: PathBuf,
}

impl AlertInbox {
    /// File of a model.
    pub fn of(home: &Home, name: &str) -> Self {
        Self { path: folder(home, name).join("alerts.jsonl") }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends firing alerts, given as name and summary, and syncs them.
    ///
    /// # Errors
    /// [`WatchError::Workflow`] for a disk that fails; then none of them is kept.
    pub fn keep<'a>(&self, alerts: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), WatchError> {
        let at = format!("{:.3}", Timestamp::now());
        let line = |(name, summary)| {
            let line = json!({ "at": at, "name": name, "status": "firing", "summary": summary });
            format!("{line}\n")
        };
        let lines: String = alerts.map(line).collect();
        if std::fs::metadata(&self.path).is_ok_and(|file| file.len() >= ROTATED) {
            let older = self.path.with_extension("jsonl.1");
            let moved = std::fs::rename(&self.path, &older);
            moved.map_err(|source| cupola_workflow::Error::Io { path: self.path.clone(), source })?;
        }
        Ok(append_lines(&self.path, lines.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::look::alerts::NewAlerts;

    #[test]
    fn kept_alerts_are_reasons_once() {
        let folder = tempfile::tempdir().unwrap();
        let inbox = AlertInbox::of(&Home::new(folder.path().to_owned()), "shop");
        inbox.keep([("Drift", "x has moved"), ("Errors", "")].into_iter()).unwrap();
        let found = NewAlerts::read(inbox.path(), 0, "shop").unwrap();
        assert_eq!(found.firing, ["Drift", "Errors"]);
        inbox.keep([("Slow", "")].into_iter()).unwrap();
        assert_eq!(NewAlerts::read(inbox.path(), found.read, "shop").unwrap().firing, ["Slow"]);
    }
}
