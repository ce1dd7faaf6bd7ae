//! Examples of windowed series, each of several rows, with the targets of a forecast.

use crate::error::Error;
use crate::examples::{ExamplesWithTargets, Targets};
use crate::frame::Frame;
use crate::plan::Plan;
use crate::split::SPLIT_NAMES;
use crate::stats::draw;
use crate::target::FittedTarget;

/// Encodes the windows that have a target.
///
/// # Errors
/// [`Error::Input`] if there are fewer rows than a window with its targets requires, or the first error of the rows.
pub(super) fn encode(plan: &Plan, frame: &Frame) -> Result<ExamplesWithTargets, Error> {
    let all = encode_all(plan, frame)?;
    let rows = rows_with_targets(all.targets.first(), all.examples.rows);
    if let (FittedTarget::Forecast { name, horizon, .. }, []) = (plan.targets.first(), rows.as_slice()) {
        let window = window_rows(plan);
        let why = format!(
            "a window of {window} rows with {horizon} values after it requires {} rows, found {}; add rows",
            window + horizon,
            frame.rows()
        );
        return Err(Error::Input { input: name.clone(), why });
    }
    Ok(all.gather(&rows))
}

/// Encodes the windows of a frame whose first rows are for train and whose last ones for test. The targets of a
/// window lie within one split; its inputs may begin in the split before.
///
/// # Errors
/// [`Error::EmptySplit`] for a split without windows, or the first error of the rows.
pub(super) fn encode_splits(
    plan: &Plan,
    frame: &Frame,
    sizes: [usize; 3],
    seed: u64,
) -> Result<[ExamplesWithTargets; 3], Error> {
    let all = encode_all(plan, frame)?;
    let rows = rows_with_targets(all.targets.first(), all.examples.rows);
    let end = window_rows(plan) - 1;
    // Distance from the index of a window to the rows of its first and last target.
    let (first, last) = match *plan.targets.first() {
        FittedTarget::Forecast { horizon, .. } => (end + 1, end + horizon),
        _ => (end, end),
    };
    let mut from = 0;
    let mut parts: [Vec<usize>; 3] = Default::default();
    for ((part, size), name) in parts.iter_mut().zip(sizes).zip(SPLIT_NAMES) {
        let to = from + size;
        *part = rows.iter().copied().filter(|row| row + first >= from && row + last < to).collect();
        if part.is_empty() && size > 0 {
            return Err(Error::EmptySplit { rows: frame.rows(), part: name });
        }
        // In random order, so that the first windows are a fair sample.
        part.sort_by_key(|&row| draw(seed, "windows", 0, row as u64));
        from = to;
    }
    Ok(parts.map(|rows| all.gather(&rows)))
}

/// Encodes the window that ends at each row but the first ones. Targets may be NaN.
fn encode_all(plan: &Plan, frame: &Frame) -> Result<ExamplesWithTargets, Error> {
    let examples = plan.apply(frame)?;
    let ends: Vec<usize> = (window_rows(plan) - 1..frame.rows()).collect();
    let ends = frame.take(&ends);
    let encode = |target: &FittedTarget| Ok::<_, Error>(forecast_targets(target, target.apply(&ends)?));
    Ok(ExamplesWithTargets { examples, targets: plan.targets.try_map(encode)? })
}

fn window_rows(plan: &Plan) -> usize {
    plan.window().unwrap_or(1).max(1)
}

/// Replaces the value of each row by those of the `horizon` rows after it, for a forecast. NaN after the end.
fn forecast_targets(target: &FittedTarget, targets: Targets) -> Targets {
    let (FittedTarget::Forecast { horizon, .. }, Targets::Number(values)) = (target, &targets) else {
        return targets;
    };
    let at = |row: usize| values.get(row).copied().unwrap_or(f32::NAN);
    let values = (0..values.len()).flat_map(|row| (row + 1..=row + horizon).map(at)).collect();
    Targets::Vector { width: *horizon, values }
}

/// Windows without NaN in their targets: the last rows of a forecast have none, and a series may have gaps.
fn rows_with_targets(targets: &Targets, rows: usize) -> Vec<usize> {
    match targets {
        Targets::Vector { width, values } => {
            let complete = |row: &usize| values[row * width..(row + 1) * width].iter().all(|y| !y.is_nan());
            (0..rows).filter(complete).collect()
        }
        _ => (0..rows).collect(),
    }
}

#[cfg(test)]
mod tests;
