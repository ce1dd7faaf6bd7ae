//! Rows that have their targets.

use cupola_spec::{Run, Target, TargetKind};

use crate::frame::Frame;

/// Rows that stay if those without a target are left out.
pub(super) struct Labelled {
    /// Indices of the rows that stay.
    pub rows: Vec<usize>,
    /// Number of the others.
    pub left_out: usize,
}

/// The rows that have all targets, if `clean.missing_targets` is set, and their indices if some are left out.
pub(super) fn labelled_rows(run: &Run, frame: &Frame) -> (Frame, Option<Labelled>) {
    // A series needs every row, and a reconstruction no target.
    let unlabelled = matches!(run.targets.first().kind, TargetKind::Reconstruct | TargetKind::Forecast);
    if !run.clean.missing_targets || unlabelled || run.windowed() {
        return (frame.clone(), None);
    }
    let columns: Vec<_> =
        run.targets.iter().filter_map(Target::column).filter_map(|column| frame.get(column)).collect();
    let present = |row: &usize| columns.iter().all(|column| !column.is_missing(*row));
    let rows: Vec<usize> = (0..frame.rows()).filter(present).collect();
    let left_out = frame.rows() - rows.len();
    if left_out == 0 { (frame.clone(), None) } else { (frame.take(&rows), Some(Labelled { rows, left_out })) }
}
