//! Targets of windows that arrive later, joined by the series and time of the row that a window ends at.

use std::collections::{BTreeSet, HashMap};

use cupola_monitor::late::{LateCounts, UnmatchedSeries};
use cupola_prep::{Column, Frame, Plan};

use super::series_table::missing_target;
use crate::error::Error;
use crate::models::inference::{InputRows, explained};
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

/// Fate of the windows that targets were looked for.
pub(super) struct JoinedWindows {
    pub counts: LateCounts,
    /// Series of the windows and of the table without a counterpart.
    pub unmatched: UnmatchedSeries,
}

/// Targets of a table by series and time.
#[derive(Default)]
struct LateTable {
    values: HashMap<Place, String>,
    /// Time of the last target of each series.
    last: HashMap<Vec<String>, f64>,
    /// Series with a row, with a target or without one.
    series: BTreeSet<Vec<String>>,
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
    ) -> Result<JoinedWindows, Error> {
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
        let table = LateTable::read(plan, &rows, [column, source], &mut counts)?;
        let mut predicted = BTreeSet::new();
        for (row, target) in ends.iter().zip(targets) {
            let (key, time) = (points.keys[*row].clone(), points.times[*row]);
            predicted.extend(key.clone());
            if let Some(value) = table.find(key, time, &mut counts) {
                *target = Some(value);
            }
        }
        let unmatched = UnmatchedSeries::between(&predicted, &table.series);
        counts.forecasts = counts.steps;
        counts.series = predicted.len() as u64;
        counts.absent_series = unmatched.predicted.len() as u64;
        counts.series_without_values =
            predicted.iter().filter(|key| !table.last.contains_key(*key)).count() as u64;
        Ok(JoinedWindows { counts, unmatched })
    }
}

impl LateTable {
    /// Reads the rows of a source. `column` is that of the target.
    fn read(
        plan: &Plan,
        rows: &InputRows,
        [column, source]: [&str; 2],
        counts: &mut LateCounts,
    ) -> Result<Self, Error> {
        let points = plan.series_points(&rows.frame, Some(column));
        let points = points.map_err(|error| explained(error, plan, &rows.origin))?.unwrap_or_default();
        let Some(target) = &points.target else {
            return Err(missing_target(column, source, &rows.frame, plan));
        };
        let mut table = Self::default();
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
            let last = table.last.entry(series).or_insert(time);
            *last = last.max(time);
            match table.values.insert(place, value.clone()) {
                Some(before) if before == value => counts.repeated += 1,
                Some(_) => counts.contradicting += 1,
                None => {}
            }
        }
        table.series = newest.into_keys().collect();
        Ok(table)
    }

    /// Target of a series at a time, counted by its fate.
    fn find(&self, key: Option<Vec<String>>, time: f64, counts: &mut LateCounts) -> Option<String> {
        let last = key.as_ref().and_then(|key| self.last.get(key));
        let is_absent = key.as_ref().is_some_and(|key| !key.is_empty() && !self.series.contains(key));
        counts.steps += 1;
        let found = place(key, time).and_then(|place| self.values.get(&place));
        match found {
            Some(_) => counts.joined += 1,
            None if is_absent => counts.absent += 1,
            None if last.is_none_or(|last| time > *last) => counts.pending += 1,
            None => counts.gaps += 1,
        }
        found.cloned()
    }
}
