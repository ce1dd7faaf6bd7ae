//! Alerts that a webhook has appended to a file.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::watch::error::WatchError;

/// Bytes of new alerts that are read at once; the rest waits for the next look.
const LIMIT: u64 = 4 << 20;
/// Alerts that a reason names.
const NAMED: usize = 5;

/// New alerts of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::watch) struct NewAlerts {
    /// Names of those that fire.
    pub firing: Vec<String>,
    /// Bytes of the file up to which alerts are read.
    pub read: u64,
    /// Lines that are no JSON objects.
    pub unreadable: usize,
}

impl NewAlerts {
    /// Alerts on a model, and those without a label `model`, of a file behind its first `read` bytes. A file that is shorter was replaced and is read from its start; one
    /// that does not exist has none.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(path: &Path, read: u64, model: &str) -> Result<Self, WatchError> {
        let failed = |source| cupola_workflow::Error::Io { path: PathBuf::from(path), source };
        let mut file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Self { read: 0, ..Self::default() });
            }
            other => other.map_err(failed)?,
        };
        let length = file.metadata().map_err(failed)?.len();
        let start = if length < read { 0 } else { read };
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        file.take(LIMIT).read_to_end(&mut bytes).map_err(failed)?;
        // The writer may be in the middle of its last line.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut found = Self { read: start + whole as u64, ..Self::default() };
        for line in bytes[..whole].split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            match serde_json::from_slice::<Value>(line) {
                Ok(Value::Object(alert)) => found.add(&Value::Object(alert), model),
                _ => found.unreadable += 1,
            }
        }
        Ok(found)
    }

    /// A payload of Alertmanager, which lists alerts, or one alert.
    fn add(&mut self, payload: &Value, model: &str) {
        let listed = payload["alerts"].as_array();
        let alerts: Vec<&Value> = listed.map_or_else(|| vec![payload], |alerts| alerts.iter().collect());
        for alert in alerts {
            let status = alert["status"].as_str().or(payload["status"].as_str());
            let labels = [&alert["labels"]["model"], &alert["model"], &payload["commonLabels"]["model"]];
            let other = labels.iter().find_map(|label| label.as_str()).is_some_and(|label| label != model);
            if !other && status.is_none_or(|status| status == "firing") {
                let name =
                    alert["labels"]["alertname"].as_str().or(alert["name"].as_str()).unwrap_or("alert");
                let name: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
                if !self.firing.contains(&name) {
                    self.firing.push(name);
                }
            }
        }
    }

    /// Adds those of another file. `read` stays that of this one.
    pub fn join(&mut self, other: &Self) {
        self.unreadable += other.unreadable;
        for name in &other.firing {
            if !self.firing.contains(name) {
                self.firing.push(name.clone());
            }
        }
    }

    /// Reason to train; `None` if no alert fires.
    pub fn why(&self) -> Option<String> {
        let names: Vec<&str> = self.firing.iter().take(NAMED).map(String::as_str).collect();
        (!names.is_empty()).then(|| format!("firing: {}", names.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_alert_is_read_once_and_only_if_it_fires() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.jsonl");
        let read = |from| NewAlerts::read(&path, from, "shop").unwrap();
        assert_eq!(read(7), NewAlerts::default());
        let first = "{\"status\":\"firing\",\"alerts\":[{\"status\":\"firing\",\"labels\":{\"alertname\":\"Drift\"}},\
                     {\"status\":\"resolved\",\"labels\":{\"alertname\":\"Errors\"}}]}\n";
        std::fs::write(&path, format!("{first}no json\n{{\"name\":\"half")).unwrap();
        let found = read(0);
        assert_eq!((found.firing.as_slice(), found.unreadable), (&["Drift".to_owned()][..], 1));
        assert_eq!(found.read, first.len() as u64 + 8);
        std::fs::write(&path, format!("{first}no json\n{{\"name\":\"half\"}}\n")).unwrap();
        let next = read(found.read);
        assert_eq!(next.why().as_deref(), Some("firing: half"));
        // The file was rotated.
        std::fs::write(&path, "{\"status\":\"resolved\"}\n").unwrap();
        let rotated = read(next.read);
        assert_eq!((rotated.why(), rotated.read), (None, 22));
    }

    #[test]
    fn alerts_on_other_models_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.jsonl");
        let lines = [
            r#"{"name":"A","model":"other"}"#,
            r#"{"alerts":[{"labels":{"alertname":"B","model":"other"}},{"labels":{"alertname":"C","model":"shop"}}]}"#,
            r#"{"commonLabels":{"model":"other"},"alerts":[{"labels":{"alertname":"D"}}]}"#,
            r#"{"name":"E","model":"shop"}"#,
            r#"{"name":"F"}"#,
        ];
        let text: String = lines.iter().flat_map(|line| [*line, "\n"]).collect();
        std::fs::write(&path, &text).unwrap();
        let found = NewAlerts::read(&path, 0, "shop").unwrap();
        assert_eq!(found.firing, ["C", "E", "F"]);
        assert_eq!(found.read, text.len() as u64);
    }
}
