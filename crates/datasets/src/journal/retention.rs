//! Deletion of old files of the journal.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::JournalSettings;

/// Levels of folders above the files: model, version, day.
pub(super) const LEVELS: usize = 3;

/// File of the journal.
pub(super) struct LogFile {
    pub path: PathBuf,
    /// Time in milliseconds by its name.
    time: i64,
    bytes: u64,
}

/// Deletes files that are older than the settings allow, and the oldest while all are too large. Only files with names of
/// the journal are touched.
pub(super) fn delete_old(folder: &Path, settings: &JournalSettings, now: Timestamp) -> io::Result<()> {
    if settings.keep_days.is_none() && settings.keep_bytes.is_none() {
        return Ok(());
    }
    let mut files = Vec::new();
    find(folder, LEVELS, &mut files)?;
    files.sort_by_key(|file| file.time);
    let oldest = settings.keep_days.map(|days| {
        let age = SignedDuration::from_hours(24).checked_mul(i32::try_from(days).unwrap_or(i32::MAX));
        now.as_millisecond()
            .saturating_sub(age.map_or(i64::MAX, |age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
    });
    let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
    for file in files {
        let is_old = oldest.is_some_and(|oldest| file.time < oldest);
        if !is_old && settings.keep_bytes.is_none_or(|most| bytes <= most) {
            continue;
        }
        match fs::remove_file(&file.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => bytes -= file.bytes,
        }
        // A folder that is not empty stays.
        file.path.ancestors().skip(1).take(LEVELS).all(|parent| fs::remove_dir(parent).is_ok());
    }
    Ok(())
}

pub(super) fn find(folder: &Path, levels: usize, files: &mut Vec<LogFile>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && levels > 0 {
            find(&entry.path(), levels - 1, files)?;
        } else if kind.is_file()
            && levels == 0
            && let Some(time) = time_of(&entry.file_name().to_string_lossy())
        {
            files.push(LogFile { path: entry.path(), time, bytes: entry.metadata()?.len() });
        }
    }
    Ok(())
}

/// Time in the name of a file, `MILLISECONDS-PROCESS-NUMBER.parquet`; `None` for any other name.
fn time_of(name: &str) -> Option<i64> {
    let mut parts = name.strip_suffix(".parquet")?.split('-');
    let time = parts.next()?.parse().ok()?;
    let rest: Vec<&str> = parts.collect();
    (rest.len() == 2 && rest.iter().all(|part| part.parse::<u64>().is_ok())).then_some(time)
}
