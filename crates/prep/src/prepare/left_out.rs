//! Rows that are left out of training: duplicates, and anomalies of a model of normal rows.

use std::collections::HashSet;

use cupola_spec::{Run, TargetKind};

use crate::error::Error;
use crate::frame::Frame;

/// The first of each set of equal rows, and their indices if some were removed.
pub(super) fn without_duplicates(frame: Frame) -> (Frame, Option<Vec<usize>>) {
    let mut seen = HashSet::new();
    let keys: Vec<(u64, u64)> = frame.row_keys(0).into_iter().zip(frame.row_keys(1)).collect();
    let rows: Vec<usize> = (0..frame.rows()).filter(|row| seen.insert(keys[*row])).collect();
    if rows.len() == frame.rows() { (frame, None) } else { (frame.take(&rows), Some(rows)) }
}

/// Removes the rows that are marked as anomalies from the training rows of a reconstruction.
pub(super) fn without_anomalies(run: &Run, frame: &Frame, rows: Vec<usize>) -> Result<Vec<usize>, Error> {
    let target = run.targets.first();
    let (TargetKind::Reconstruct, Some(column)) = (target.kind, target.column()) else {
        return Ok(rows);
    };
    let values = frame.require(column, "check `[[targets]]`")?;
    let normal = |row: &usize| !matches!(values.text(*row).as_deref(), Some("1" | "true"));
    // A window spans consecutive rows, so none can be left out.
    if run.windowed() { Ok(rows) } else { Ok(rows.into_iter().filter(normal).collect()) }
}
