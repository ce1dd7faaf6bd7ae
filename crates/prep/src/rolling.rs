//! Rolling windows: examples that are made of several rows, what they answer for, and their parts.

use crate::draw::draw;
use crate::error::Error;
use crate::frame::Frame;
use crate::plan::Plan;
use crate::prepare::Labelled;
use crate::target::{FittedTarget, Targets};

/// The windows of a frame that have a target.
///
/// # Errors
/// Values that do not fit, a frame that is too short.
pub(crate) fn label(plan: &Plan, frame: &Frame) -> Result<Labelled, Error> {
    let all = every(plan, frame)?;
    let rows = answered(all.targets.first(), all.examples.rows);
    if let (FittedTarget::Forecast { name, horizon, .. }, []) = (plan.targets.first(), rows.as_slice()) {
        let (found, window) = (frame.rows(), width(plan));
        let needed = window + horizon;
        let why = format!(
            "{found} rows hold no window of {window} with {horizon} values after it; give at least {needed}"
        );
        return Err(Error::Input { input: name.clone(), why });
    }
    Ok(all.gather(&rows))
}

/// The example that ends at each row but the first ones, with targets that may be NaN.
fn every(plan: &Plan, frame: &Frame) -> Result<Labelled, Error> {
    let examples = plan.apply(frame)?;
    let ends: Vec<usize> = (width(plan) - 1..frame.rows()).collect();
    let answered = frame.take(&ends);
    let targets = plan.targets.try_map(|target| Ok::<_, Error>(ahead(target, target.apply(&answered)?)))?;
    Ok(Labelled { examples, targets })
}

/// Rows of a window.
fn width(plan: &Plan) -> usize {
    plan.window().unwrap_or(1).max(1)
}

/// For a forecast, the targets of each row: the `horizon` rows after it, NaN where there are none.
fn ahead(target: &FittedTarget, targets: Targets) -> Targets {
    let (FittedTarget::Forecast { horizon, .. }, Targets::Number(values)) = (target, &targets) else {
        return targets;
    };
    let at = |place: usize| values.get(place).copied().unwrap_or(f32::NAN);
    let values = (0..values.len()).flat_map(|row| (row + 1..=row + horizon).map(at)).collect();
    Targets::Vector { width: *horizon, values }
}

/// Rows whose target is whole: the last rows of a forecast have none, and a series may have gaps.
fn answered(targets: &Targets, rows: usize) -> Vec<usize> {
    match targets {
        Targets::Vector { width, values } => {
            let whole = |row: &usize| values[row * width..(row + 1) * width].iter().all(|y| !y.is_nan());
            (0..rows).filter(whole).collect()
        }
        _ => (0..rows).collect(),
    }
}

/// Windows of a frame whose first rows are for train and whose last ones for test. What a window
/// answers for lies within one part; what it sees may begin in the part before.
pub(crate) fn divided(
    plan: &Plan,
    frame: &Frame,
    sizes: [usize; 3],
    seed: u64,
) -> Result<[Labelled; 3], Error> {
    let all = every(plan, frame)?;
    let (rows, end) = (answered(all.targets.first(), all.examples.rows), width(plan) - 1);
    let (first, last) = match *plan.targets.first() {
        FittedTarget::Forecast { horizon, .. } => (end + 1, end + horizon),
        _ => (end, end),
    };
    let mut from = 0;
    let mut parts: [Vec<usize>; 3] = Default::default();
    for ((part, size), name) in parts.iter_mut().zip(sizes).zip(["train", "valid", "test"]) {
        let to = from + size;
        *part = rows.iter().copied().filter(|row| row + first >= from && row + last < to).collect();
        if part.is_empty() && size > 0 {
            return Err(Error::EmptySplit { rows: frame.rows(), part: name });
        }
        // So that the first ones are a fair sample.
        part.sort_by_key(|&row| draw(seed, "windows", 0, row as u64));
        from = to;
    }
    Ok(parts.map(|rows| all.gather(&rows)))
}

#[cfg(test)]
mod tests;
