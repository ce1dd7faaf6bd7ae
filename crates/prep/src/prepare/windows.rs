//! Examples of windowed series, each of several rows, with the targets of a forecast.

use crate::error::Error;
use crate::examples::{ExamplesWithTargets, Targets};
use crate::frame::Frame;
use crate::plan::Plan;
use crate::split::{Frequency, OneSeries, SPLIT_NAMES, SeriesRows};
use crate::stats::draw;
use crate::target::{FittedTarget, numbers};
use crate::transform::seasonal_naive_error;

/// Encodes the windows that have a target.
///
/// # Errors
/// [`Error::Input`] if a series has fewer rows than a window with its targets requires, or the first error of the rows.
pub(super) fn encode(plan: &Plan, frame: &Frame) -> Result<ExamplesWithTargets, Error> {
    let mut all = None;
    for one in plan.series_rows(frame)?.series {
        let encoded = encode_all(plan, frame, &one)?;
        let rows = rows_with_targets(encoded.targets.first(), encoded.examples.rows);
        if let (FittedTarget::Forecast { name, .. }, []) = (plan.targets.first(), rows.as_slice()) {
            return Err(too_short(plan, name, &one));
        }
        append(&mut all, encoded.gather(&rows));
    }
    all.ok_or_else(|| no_windows(plan))
}

/// Encodes the windows of all series of training; `parts` are the rows of the splits. The targets of a
/// window lie within one split; its inputs may begin in the split before, or in the gap between the two.
///
/// # Errors
/// [`Error::EmptySplit`] for a split without windows, or the first error of the rows.
pub(super) fn encode_splits(
    plan: &Plan,
    frame: &Frame,
    parts: &[Vec<usize>; 4],
    seed: u64,
) -> Result<[ExamplesWithTargets; 4], Error> {
    let mut part_of: Vec<Option<usize>> = vec![None; frame.rows()];
    for (part, rows) in parts.iter().enumerate() {
        for &row in rows {
            part_of[row] = Some(part);
        }
    }
    let offsets = target_offsets(plan);
    let (mut all, mut windows): (Option<ExamplesWithTargets>, [Vec<usize>; 4]) = (None, Default::default());
    let found = training_series(plan, frame)?.series;
    let single = found.len() == 1;
    for one in found {
        if one.rows.len() <= offsets[1] {
            // `fit_series` has reported the short ones among several series.
            if single {
                return Err(too_short(plan, plan.targets.first().name(), &one));
            }
            continue;
        }
        let before = all.as_ref().map_or(0, |all| all.examples.rows);
        let encoded = encode_all(plan, frame, &one)?;
        for window in rows_with_targets(encoded.targets.first(), encoded.examples.rows) {
            let Some(targets) = one.rows.get(window + offsets[0]..=window + offsets[1]) else { continue };
            let part = targets.first().and_then(|&row| part_of[row]);
            if let Some(part) = part.filter(|part| targets.iter().all(|&row| part_of[row] == Some(*part))) {
                windows[part].push(before + window);
            }
        }
        append(&mut all, encoded);
    }
    for ((windows, rows), name) in windows.iter_mut().zip(parts).zip(SPLIT_NAMES) {
        if windows.is_empty() && !rows.is_empty() {
            return Err(Error::EmptySplit { rows: frame.rows(), part: name });
        }
        // In random order, so that the first windows are a fair sample.
        windows.sort_by_key(|&row| draw(seed, "windows", 0, row as u64));
    }
    let all = all.ok_or_else(|| no_windows(plan))?;
    Ok(windows.map(|rows| all.gather(&rows)))
}

/// Fits what depends on the series: the usual step between two rows, and the error of the seasonal naive forecast, which never looks into another series.
/// Returns warnings about series that are too short to be learned, and about missing targets.
///
/// # Errors
/// The errors of the columns of time and key.
pub(super) fn fit_series(plan: &mut Plan, frame: &Frame, train: &[usize]) -> Result<Vec<String>, Error> {
    let found = training_series(plan, frame)?;
    plan.frequency = Frequency::of(&found);
    let least = target_offsets(plan)[1] + 1;
    if found.series.len() > 1
        && let FittedTarget::Forecast { column, season, naive, .. } = plan.targets.first_mut()
    {
        let mut learned = vec![false; frame.rows()];
        for &row in train {
            learned[row] = true;
        }
        let values = numbers(column, frame)?;
        let of = |one: &OneSeries| -> Vec<f64> {
            one.rows.iter().filter(|row| learned[**row]).map(|&row| values[row]).collect()
        };
        let series: Vec<Vec<f64>> = found.series.iter().map(of).collect();
        *naive = seasonal_naive_error(series.iter().map(Vec::as_slice), *season);
    }
    let mut short = found.series.iter().filter(|one| one.rows.len() < least);
    let warning = short.next().map(|first| {
        format!(
            "{} of {} series have fewer than {least} rows, which one window with its targets requires, and are left out, first `{}`",
            1 + short.count(),
            found.series.len(),
            first.key.join("`, `")
        )
    });
    let warning = warning.filter(|_| found.series.len() > 1);
    Ok(warning.into_iter().chain(missing_targets(plan, frame, &found)?).collect())
}

/// Warning about rows whose target is missing, which no window predicts; `None` without any.
fn missing_targets(plan: &Plan, frame: &Frame, found: &SeriesRows) -> Result<Option<String>, Error> {
    let FittedTarget::Forecast { column, .. } = plan.targets.first() else { return Ok(None) };
    let values = numbers(column, frame)?;
    let rows = || found.series.iter().flat_map(|one| &one.rows);
    let missing = rows().filter(|row| values[**row].is_nan()).count();
    Ok((missing > 0).then(|| {
        format!(
            "`{column}` is missing in {missing} of {} rows; windows that would predict such a row are left out",
            rows().count()
        )
    }))
}

/// Rows of the first series that has a window, in the order of time; `None` without any.
pub(super) fn latest_rows(plan: &Plan, frame: &Frame) -> Option<Vec<usize>> {
    let window = window_rows(plan);
    let mut found = training_series(plan, frame).ok()?.series.into_iter();
    found.find(|one| one.rows.len() >= window).map(|one| one.rows)
}

/// Series of the rows of training, in the order of their keys. Rows without a time or key are left out.
fn training_series(plan: &Plan, frame: &Frame) -> Result<SeriesRows, Error> {
    match &plan.series {
        Some(order) => Ok(order.rows(frame)?.sorted()),
        None => Ok(SeriesRows::single(frame.rows())),
    }
}

/// Distances from the first row of a window to the rows of its first and last target.
fn target_offsets(plan: &Plan) -> [usize; 2] {
    let end = window_rows(plan) - 1;
    match *plan.targets.first() {
        FittedTarget::Forecast { horizon, .. } => [end + 1, end + horizon],
        _ => [end, end],
    }
}

fn append(all: &mut Option<ExamplesWithTargets>, more: ExamplesWithTargets) {
    match all {
        Some(all) => all.append_rows(more),
        None => *all = Some(more),
    }
}

fn too_short(plan: &Plan, name: &str, one: &OneSeries) -> Error {
    let (window, needed) = (window_rows(plan), target_offsets(plan)[1] + 1);
    let ahead = match needed - window {
        0 => String::new(),
        ahead => format!(" with {ahead} values after it"),
    };
    let (series, found) = (one.label(), one.rows.len());
    let why =
        format!("{series}a window of {window} rows{ahead} requires {needed} rows, found {found}; add rows");
    Error::Input { input: name.to_owned(), why }
}

/// The error of rows that form no series.
fn no_windows(plan: &Plan) -> Error {
    let why = format!("a window requires {} rows, found 0; send the latest rows", window_rows(plan));
    Error::Input { input: plan.targets.first().name().to_owned(), why }
}

/// Encodes the window that ends at each row of a series but the first ones. Targets may be NaN.
fn encode_all(plan: &Plan, frame: &Frame, one: &OneSeries) -> Result<ExamplesWithTargets, Error> {
    let examples = plan.compact_layout().expand(plan.encode_windows(frame, one)?);
    let ends = &one.rows[window_rows(plan) - 1..];
    let rows = frame.take(ends);
    let encode = |target: &FittedTarget| {
        let targets = target.apply(&rows).map_err(|error| error.row_of(ends))?;
        Ok::<_, Error>(forecast_targets(target, targets))
    };
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
