//! Targets of windows that arrive later, joined by the series and time of the row that a window ends at.

use std::collections::{BTreeSet, HashMap};

use cupola_monitor::late::LateCounts;
use cupola_prep::{Column, Frame, Plan};

use crate::error::Error;
use crate::session::Session;

/// Rows that windows end at.
pub(super) struct WindowRows<'a> {
    /// Plan of the model.
    pub plan: &'a Plan,
    /// Rows of a series, or of a log.
    pub frame: &'a Frame,
    /// Row that each window ends at.
    pub ends: &'a [usize],
}

/// Series and time, which two tables have alike.
type Place = (Vec<String>, u64);

fn place(key: Option<Vec<String>>, time: f64) -> Option<Place> {
    // Zero has no sign.
    Some((key?, (time + 0.0).to_bits())).filter(|_| !time.is_nan())
}

fn text(column: &Column, row: usize) -> Option<String> {
    column.text(row).map(std::borrow::Cow::into_owned)
}

impl Session<'_> {
    /// Fills in the targets of windows from a table of their series. A target that is known already is replaced.
    ///
    /// # Errors
    /// [`Error::NoSeries`], [`Error::NoSeriesTime`], [`Error::NoLateColumn`]; a source that cannot be read.
    pub(super) fn join_late(
        &self,
        windows: &WindowRows<'_>,
        source: &str,
        target: &str,
        targets: &mut [Option<String>],
    ) -> Result<LateCounts, Error> {
        let WindowRows { plan, frame, ends } = *windows;
        if plan.window().is_none() {
            return Err(Error::NoSeries { target: target.to_owned() });
        }
        let fitted = plan.targets.iter().find(|own| own.name() == target);
        let column = fitted.and_then(|own| own.column()).unwrap_or(target);
        let no_time = || Error::NoSeriesTime { target: target.to_owned() };
        let points = plan.series_points(frame, None)?.ok_or_else(no_time)?;
        let rows = self.read_series(source, plan, column)?;
        let mut counts = LateCounts::default();
        let (known, series) = known(plan, &rows.frame, column, &mut counts)?;
        let (mut own, mut empty) = (BTreeSet::new(), BTreeSet::new());
        for (row, target) in ends.iter().zip(targets) {
            let (key, time) = (points.keys[*row].clone(), points.times[*row]);
            if let Some(key) = &key {
                own.insert(key.clone());
                if !series.contains_key(key) {
                    empty.insert(key.clone());
                }
            }
            let last = key.as_ref().and_then(|key| series.get(key)).copied();
            counts.steps += 1;
            match place(key, time).and_then(|place| known.get(&place)) {
                Some(value) => {
                    counts.joined += 1;
                    *target = Some(value.clone());
                }
                None if last.is_none_or(|last| time > last) => counts.pending += 1,
                None => counts.gaps += 1,
            }
        }
        counts.forecasts = counts.steps;
        (counts.series, counts.series_without_values) = (own.len() as u64, empty.len() as u64);
        Ok(counts)
    }
}

/// Targets by series and time, and the time of the last target of each series.
type KnownTargets = (HashMap<Place, String>, HashMap<Vec<String>, f64>);

fn known(plan: &Plan, frame: &Frame, column: &str, counts: &mut LateCounts) -> Result<KnownTargets, Error> {
    let points = plan.series_points(frame, Some(column))?.unwrap_or_default();
    let Some(target) = &points.target else {
        return Err(Error::NoLateColumn { column: column.to_owned() });
    };
    let (mut known, mut last) = (HashMap::new(), HashMap::new());
    let mut newest: HashMap<Vec<String>, f64> = HashMap::new();
    for (row, (key, time)) in points.keys.into_iter().zip(points.times).enumerate() {
        let Some((series, place)) = key.clone().zip(place(key, time)) else {
            counts.incomplete += 1;
            continue;
        };
        let before = newest.entry(series.clone()).or_insert(f64::NEG_INFINITY);
        counts.unordered += u64::from(time < *before);
        *before = before.max(time);
        let Some(value) = text(target, row) else {
            counts.incomplete += 1;
            continue;
        };
        counts.values += 1;
        let last = last.entry(series).or_insert(time);
        *last = last.max(time);
        match known.insert(place, value.clone()) {
            Some(before) if before == value => counts.repeated += 1,
            Some(_) => counts.contradicting += 1,
            None => {}
        }
    }
    Ok((known, last))
}
