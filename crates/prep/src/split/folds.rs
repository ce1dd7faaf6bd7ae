//! Folds of a cross-validation: each row is in the test split of one fold.

mod assign;

use std::collections::BTreeMap;

use cupola_spec::{Run, SplitBy, TargetKind};

use super::{rows_of_classes, share_of};
use crate::error::Error;
use crate::frame::Frame;
use crate::stats::{draw, unit};

use self::assign::{group_folds, stratified_folds};

/// Rows of train, valid and test of the fold of a run. The valid rows are drawn from those of the other folds.
///
/// # Errors
/// [`Error::Column`] for a missing column.
#[allow(clippy::needless_for_each, reason = "it ends a chain of iterators")]
pub(super) fn split(run: &Run, frame: &Frame, keys: &[u64]) -> Result<[Vec<usize>; 3], Error> {
    let (folds, fold) = (run.split.folds.unwrap_or(2), run.split.fold.unwrap_or(0));
    if run.split.by == SplitBy::Group {
        return by_group(run, frame, folds, fold);
    }
    let mut classes = match run.targets.first().kind {
        TargetKind::Category => rows_of_classes(run, frame)?,
        _ => vec![(0..frame.rows()).collect()],
    };
    classes.iter_mut().for_each(|rows| rows.sort_unstable_by_key(|&row| (keys[row], row)));
    let own = stratified_folds(&classes, keys, folds);
    let mut parts: [Vec<usize>; 3] = Default::default();
    for rows in &classes {
        let (test, mut rest): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| own[**row] == fold);
        rest.sort_by_key(|&row| (draw(run.seed, "valid", fold as u64, keys[row]), row));
        let valid = share_of(run.split.valid, rest.len());
        parts[0].extend(&rest[valid..]);
        parts[1].extend(&rest[..valid]);
        parts[2].extend(test);
    }
    Ok(parts)
}

/// Folds whose rows of one group stay together, as do those of the valid split.
fn by_group(run: &Run, frame: &Frame, folds: usize, fold: usize) -> Result<[Vec<usize>; 3], Error> {
    let column = run.split.column.as_deref().unwrap_or_default();
    let values = frame.require(column, "check `split.column`")?;
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for row in 0..frame.rows() {
        groups.entry(values.text(row).unwrap_or_default().into_owned()).or_default().push(row);
    }
    let sizes: Vec<(usize, f64)> =
        groups.iter().map(|(name, rows)| (rows.len(), unit(draw(run.seed, name, 1, 0)))).collect();
    let own = group_folds(&sizes, folds);
    let mut parts: [Vec<usize>; 3] = Default::default();
    let mut rest = Vec::new();
    for ((name, rows), group_fold) in groups.into_iter().zip(own) {
        if group_fold == fold {
            parts[2].extend(rows);
        } else {
            rest.push((draw(run.seed, &name, 2, fold as u64), rows));
        }
    }
    rest.sort_by_key(|a| a.0);
    let wanted = share_of(run.split.valid, rest.iter().map(|(_, rows)| rows.len()).sum());
    let count = rest.len();
    for (index, (_, rows)) in rest.into_iter().enumerate() {
        // The last group trains, whatever its size.
        let part = usize::from(parts[1].len() < wanted && index + 1 < count);
        parts[part].extend(rows);
    }
    Ok(parts)
}

#[cfg(test)]
mod tests;
