//! Files of the log: rows to append to, and rows that were set aside for a version.

use std::path::{Path, PathBuf};

use cupola_store::Lock;

use crate::dataset::Datasets;
use crate::error::Error;

/// Folder of the log of a dataset.
pub(super) fn folder(datasets: &Datasets, name: &str) -> PathBuf {
    datasets.root().join(name).join("inbox")
}

/// Appends lines to `rows.jsonl`: all of them, or none. An unfinished line of a killed server was never acknowledged
/// and is removed.
pub(super) fn append(folder: &Path, text: &[u8]) -> Result<(), Error> {
    let _lock = Lock::folder(folder)?;
    Ok(cupola_store::append_lines(&folder.join("rows.jsonl"), text)?)
}

/// Removes unfinished lines from the log of a dataset, which may have none.
pub(super) fn repair(folder: &Path) -> Result<(), Error> {
    let rows = folder.join("rows.jsonl");
    if !rows.is_file() {
        return Ok(());
    }
    let _lock = Lock::folder(folder)?;
    Ok(cupola_store::repair_lines(&rows)?)
}
