//! Log of the performance of each version by interval.

mod process;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use cupola_monitor::service::{ProcessUse, ServiceInterval};
use cupola_store::append_lines;
use jiff::{SignedDuration, Timestamp};

use self::process::ProcessMeter;
use crate::pipeline::Pipeline;
use crate::telemetry::{Telemetry, VersionMonitor};

/// Writer of the performance log: `FOLDER/MODEL/DAY.jsonl`, one line for each version and interval in which anything
/// happened. A line that a killed server left unfinished is cut off by the next one.
pub struct PerformanceLogger {
    folder: PathBuf,
    keep_days: u32,
    telemetry: Arc<Telemetry>,
    pipeline: Arc<Pipeline>,
    /// Versions of the last interval, so that the last requests of an unloaded one are logged.
    versions: Vec<Arc<VersionMonitor>>,
    meter: ProcessMeter,
    began: (Timestamp, Instant),
    /// Day of the last look for old files.
    cleaned: String,
}

impl PerformanceLogger {
    /// Logger of what happens from now on.
    pub fn new(folder: PathBuf, keep_days: u32, telemetry: Arc<Telemetry>, pipeline: Arc<Pipeline>) -> Self {
        let began = (Timestamp::now(), Instant::now());
        let meter = ProcessMeter::start();
        let (versions, cleaned) = (Vec::new(), String::new());
        Self { folder, keep_days, telemetry, pipeline, versions, meter, began, cleaned }
    }

    /// Writes what has happened since the last call. A disk that fails is logged; the interval is lost then. Blocks.
    pub fn write(&mut self) {
        let now = (Timestamp::now(), Instant::now());
        let began = std::mem::replace(&mut self.began, now);
        let length = (now.1 - began.1).as_secs_f64();
        let gpu = self.telemetry.gpu.take_logged(now.1);
        let process =
            ProcessUse { gpu: gpu.busy, gpu_memory_bytes: gpu.memory_bytes, ..self.meter.read(length) };
        let current = self.telemetry.live.versions();
        let mut versions = std::mem::replace(&mut self.versions, current.clone());
        versions.retain(|old| !current.iter().any(|new| Arc::ptr_eq(old, new)));
        versions.extend(current);
        for version in versions {
            let mut line = ServiceInterval {
                began: format!("{:.3}", began.0),
                ended: format!("{:.3}", now.0),
                length,
                model: version.model.clone(),
                version: version.version,
                process,
                ..ServiceInterval::default()
            };
            line.set_traffic(&version.take_logged());
            if let Some(outcomes) = self.pipeline.outcomes() {
                line.targets = outcomes.take_logged(&version.model, version.version);
            }
            if line.requests > 0 || !line.targets.is_empty() {
                self.append(&line, now.0);
            }
        }
        self.clean(now.0);
    }

    fn append(&self, line: &ServiceInterval, now: Timestamp) {
        let path = self.folder.join(&line.model).join(format!("{}.jsonl", day(now)));
        let text = serde_json::to_string(line).map(|text| text + "\n");
        let done = text
            .map_err(|error| error.to_string())
            .and_then(|text| append_lines(&path, text.as_bytes()).map_err(|error| error.to_string()));
        if let Err(error) = done {
            tracing::warn!(%error, "failed to write the performance log");
        }
    }

    /// Removes files of days that are over for long enough, once a day.
    fn clean(&mut self, now: Timestamp) {
        let today = day(now);
        if self.cleaned == today {
            return;
        }
        self.cleaned = today;
        let hours = SignedDuration::from_hours(24 * i64::from(self.keep_days));
        let Some(oldest) = now.checked_sub(hours).ok().map(day) else { return };
        for folder in entries(&self.folder) {
            for file in entries(&folder) {
                let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                // Names of days order as the days do.
                if name.strip_suffix(".jsonl").is_some_and(|day| is_day(day) && day < oldest.as_str())
                    && let Err(error) = std::fs::remove_file(&file)
                {
                    tracing::warn!(%error, "failed to remove an old file of the performance log");
                }
            }
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Day in UTC, such as `2026-11-27`.
fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

fn is_day(text: &str) -> bool {
    text.parse::<jiff::civil::Date>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_order_as_their_names() {
        let time: Timestamp = "2026-02-03T23:59:59Z".parse().unwrap();
        assert_eq!(day(time), "2026-02-03");
        assert!(is_day("2026-02-03") && !is_day("notes") && !is_day("2026-13-01"));
    }
}
