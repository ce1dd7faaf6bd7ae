//! The performance log of a server, by chunk.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use cupola_monitor::performance::Chunking;
use cupola_monitor::service::ServiceInterval;
use jiff::Timestamp;
use serde::Serialize;

use crate::error::Error;

/// Performance log to read.
#[derive(Debug, Clone)]
pub struct ServiceLogRequest {
    /// Folder of the log.
    pub folder: PathBuf,
    /// Name of the model.
    pub model: String,
    /// Version; `None` for all of them.
    pub version: Option<u64>,
    /// Division into chunks.
    pub chunking: Chunking,
}

/// Performance of a served model by chunk.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceLog {
    /// Name of the model.
    pub model: String,
    /// Folder of the log.
    pub folder: PathBuf,
    /// Chunks in order.
    pub chunks: Vec<ServiceChunk>,
    /// Lines that are no intervals, such as one that a killed server left unfinished.
    pub damaged: usize,
}

/// Merged intervals.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceChunk {
    /// Name: a period, or numbers of intervals.
    pub key: String,
    /// Versions that answered.
    pub versions: Vec<u64>,
    /// All intervals as one.
    pub interval: ServiceInterval,
}

/// Reads the performance log of a model.
///
/// # Errors
/// [`Error::ServiceLog`] for a folder or file that cannot be read, or without a line of the model.
pub fn read_service_log(request: &ServiceLogRequest) -> Result<ServiceLog, Error> {
    let folder = request.folder.join(&request.model);
    let (mut intervals, mut damaged) = (Vec::new(), 0);
    for path in files(&folder)? {
        damaged += add(&path, request.version, &mut intervals)?;
    }
    if intervals.is_empty() {
        return Err(failed(&folder, "no line is about this model"));
    }
    let times: Vec<Option<Timestamp>> =
        intervals.iter().map(|one: &ServiceInterval| one.began.parse().ok()).collect();
    let chunks = request.chunking.split(intervals.len(), Some(&times))?;
    let merged = chunks.into_iter().filter_map(|chunk| {
        let mut rows = chunk.rows.iter().map(|row| &intervals[*row]);
        let mut interval = rows.next()?.clone();
        let mut versions = vec![interval.version];
        for other in rows {
            interval.merge(other);
            versions.push(other.version);
        }
        versions.sort_unstable();
        versions.dedup();
        Some(ServiceChunk { key: chunk.key, versions, interval })
    });
    let (model, chunks) = (request.model.clone(), merged.collect());
    Ok(ServiceLog { model, folder: request.folder.clone(), chunks, damaged })
}

fn failed(path: &Path, why: impl Into<String>) -> Error {
    Error::ServiceLog { path: path.to_owned(), why: why.into() }
}

/// Files of the days, oldest first.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let listed = std::fs::read_dir(folder).map_err(|error| failed(folder, error.to_string()))?;
    let mut files: Vec<PathBuf> = listed
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl") && path.is_file())
        .collect();
    files.sort();
    Ok(files)
}

/// Adds the intervals of a file, and returns the number of damaged lines.
fn add(path: &Path, version: Option<u64>, intervals: &mut Vec<ServiceInterval>) -> Result<usize, Error> {
    let file = File::open(path).map_err(|error| failed(path, error.to_string()))?;
    let mut damaged = 0;
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(|error| failed(path, error.to_string()))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let Ok(interval) = serde_json::from_slice::<ServiceInterval>(&line) else {
            damaged += 1;
            continue;
        };
        if version.is_none_or(|version| version == interval.version) {
            intervals.push(interval);
        }
    }
    Ok(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_chunks_and_damaged_ones_are_counted() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("m");
        std::fs::create_dir(&folder).unwrap();
        let line = |hour: u32, version: u64, requests: u64| {
            let interval = ServiceInterval {
                began: format!("2026-11-27T{hour:02}:00:00Z"),
                ended: format!("2026-11-27T{hour:02}:01:00Z"),
                length: 60.0,
                model: "m".to_owned(),
                version,
                requests,
                ..ServiceInterval::default()
            };
            serde_json::to_string(&interval).unwrap() + "\n"
        };
        let text = line(1, 1, 5) + "{\"began\": \"cut\n" + &line(1, 2, 7) + &line(2, 2, 1);
        std::fs::write(folder.join("2026-11-27.jsonl"), text).unwrap();
        let request = |version| ServiceLogRequest {
            folder: home.path().to_owned(),
            model: "m".to_owned(),
            version,
            chunking: "hour".parse().unwrap(),
        };
        let found = read_service_log(&request(None)).unwrap();
        let chunks: Vec<(u64, &[u64])> =
            found.chunks.iter().map(|chunk| (chunk.interval.requests, chunk.versions.as_slice())).collect();
        assert_eq!((chunks.as_slice(), found.damaged), (&[(12, &[1, 2][..]), (1, &[2][..])][..], 1));
        assert_eq!(read_service_log(&request(Some(2))).unwrap().chunks[0].interval.requests, 7);
        let error = read_service_log(&request(Some(9))).unwrap_err().to_string();
        assert!(error.contains("performance_log"), "{error}");
    }
}
