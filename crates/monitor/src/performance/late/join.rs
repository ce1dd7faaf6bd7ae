//! Join of forecasts with values by series and time.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

/// Share of a step by which the time of a value may differ from that of a step.
const TOLERANCE: f64 = 1e-6;

/// Forecast of the next values of a series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeriesForecast {
    /// Values of the key of its series; empty for a single series.
    pub series: Vec<String>,
    /// Time of the last observation: seconds since 1970, or the number itself.
    pub origin: f64,
    /// Time of each step; empty if the steps are the next values of the series, whatever their times.
    pub times: Vec<f64>,
    /// Forecast of each step.
    pub predicted: Vec<f64>,
    /// Lower and upper bound of each step; `None` without intervals.
    pub bounds: Option<[Vec<f64>; 2]>,
    /// Time of the prediction in milliseconds since 1970; `None` if it is not known.
    pub made: Option<i64>,
}

/// Row of a table of a series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ActualValue {
    /// Values of the key of its series; `None` if one is missing.
    pub series: Option<Vec<String>>,
    /// Time; `None` if it is missing.
    pub time: Option<f64>,
    /// Value; `None` if it is missing.
    pub value: Option<f64>,
}

/// Counts of forecasts, their steps and the values by their fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LateCounts {
    /// Forecasts that count.
    pub forecasts: u64,
    /// Forecasts of a series from a time that a later prediction made again; the last one counts.
    pub repeated_forecasts: u64,
    /// Forecasts whose last observation is later than their prediction, by a clock that jumped or another time zone.
    pub ahead_of_clock: u64,
    /// Forecasts made after one of the same series that is from a later time.
    pub backward: u64,
    /// Steps of the forecasts.
    pub steps: u64,
    /// Steps with a value.
    pub joined: u64,
    /// Steps of series that the table of values does not have at all.
    pub absent: u64,
    /// Steps after the last value of their series.
    pub pending: u64,
    /// Steps without a value before the last value of their series.
    pub gaps: u64,
    /// Series of the forecasts.
    pub series: u64,
    /// Series of the forecasts that the table of values does not have at all.
    pub absent_series: u64,
    /// Series of the forecasts without any value.
    pub series_without_values: u64,
    /// Rows with series, time and value.
    pub values: u64,
    /// Rows without a series, a time or a value.
    pub incomplete: u64,
    /// Rows earlier than one before them of the same series.
    pub unordered: u64,
    /// Rows for a series and time that had one with the same value.
    pub repeated: u64,
    /// Rows for a series and time that had one with another value; the last one counts.
    pub contradicting: u64,
    /// Values at a time between two steps of a forecast.
    pub between_steps: u64,
}

/// Forecasts in order of the time that they are from, with the value of each step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JoinedForecasts {
    /// Forecasts.
    pub forecasts: Vec<SeriesForecast>,
    /// Value of each step of each forecast; `None` where it is not known.
    pub values: Vec<Vec<Option<f64>>>,
    /// Steps of each forecast that are later than the last value of the series.
    pub pending: Vec<u64>,
    /// Counts by fate.
    pub counts: LateCounts,
}

/// Value at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimedValue {
    pub time: f64,
    pub value: f64,
}

/// Values of a series in order of time, each time once.
pub(super) type SeriesValues = HashMap<Vec<String>, Vec<TimedValue>>;

impl JoinedForecasts {
    /// Joins forecasts with values. Of several forecasts of a series from one time the last one counts, and of several
    /// values of a series at one time likewise.
    pub fn new(forecasts: Vec<SeriesForecast>, values: &[ActualValue]) -> Self {
        let mut counts = LateCounts::default();
        let values = by_series(values, &mut counts);
        let forecasts = latest(forecasts, &mut counts);
        let mut found = Self { values: Vec::with_capacity(forecasts.len()), ..Self::default() };
        let mut between = BTreeSet::new();
        let (mut series, mut empty) = (BTreeSet::new(), BTreeSet::new());
        for forecast in &forecasts {
            let own = values.get(&forecast.series).map_or(&[][..], Vec::as_slice);
            series.insert(&forecast.series);
            if own.is_empty() {
                empty.insert(&forecast.series);
            }
            let (joined, pending) = join(forecast, own);
            between.extend(between_steps(forecast, own).map(|at| (&forecast.series, at)));
            let known = joined.iter().flatten().count() as u64;
            counts.steps += joined.len() as u64;
            counts.joined += known;
            counts.pending += pending;
            counts.gaps += joined.len() as u64 - known - pending;
            found.values.push(joined);
            found.pending.push(pending);
        }
        counts.forecasts = forecasts.len() as u64;
        counts.series = series.len() as u64;
        counts.series_without_values = empty.len() as u64;
        counts.between_steps = between.len() as u64;
        Self { forecasts, counts, ..found }
    }

    /// Forecasts with at least one value.
    pub fn labelled(&self) -> usize {
        self.values.iter().filter(|own| own.iter().any(Option::is_some)).count()
    }

    /// Number of steps of the longest forecast.
    pub fn horizon(&self) -> usize {
        self.values.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Mean absolute error of each forecast; `None` before all of its steps are over, and without any value.
    #[allow(clippy::cast_precision_loss, reason = "steps of a forecast")]
    pub fn errors(&self) -> Vec<Option<f64>> {
        let error = |((forecast, values), pending): ((&SeriesForecast, &Vec<Option<f64>>), &u64)| {
            let steps = forecast.predicted.iter().zip(values);
            let known = steps.filter_map(|(predicted, value)| Some((predicted - (*value)?).abs()));
            let (sum, count) = known.fold((0.0, 0_usize), |(sum, count), error| (sum + error, count + 1));
            let mean = sum / count as f64;
            (*pending == 0 && mean.is_finite()).then_some(mean)
        };
        self.forecasts.iter().zip(&self.values).zip(&self.pending).map(error).collect()
    }
}

/// Values by series, sorted by time; of several at one time the last row counts.
pub(super) fn by_series(values: &[ActualValue], counts: &mut LateCounts) -> SeriesValues {
    let mut found = SeriesValues::new();
    let mut newest: HashMap<&[String], f64> = HashMap::new();
    for row in values {
        let (Some(series), Some(time)) = (&row.series, row.time.filter(|time| time.is_finite())) else {
            counts.incomplete += 1;
            continue;
        };
        let newest = newest.entry(series.as_slice()).or_insert(f64::NEG_INFINITY);
        counts.unordered += u64::from(time < *newest);
        *newest = newest.max(time);
        let Some(value) = row.value.filter(|value| value.is_finite()) else {
            counts.incomplete += 1;
            continue;
        };
        counts.values += 1;
        match found.get_mut(series) {
            Some(own) => own.push(TimedValue { time, value }),
            None => drop(found.insert(series.clone(), vec![TimedValue { time, value }])),
        }
    }
    for own in found.values_mut() {
        // The sort is stable, so equal times stay in the order of their rows.
        own.sort_by(|a, b| a.time.total_cmp(&b.time));
        own.dedup_by(|next, kept| {
            if next.time.total_cmp(&kept.time).is_ne() {
                return false;
            }
            let same = next.value.total_cmp(&kept.value).is_eq();
            counts.repeated += u64::from(same);
            counts.contradicting += u64::from(!same);
            kept.value = next.value;
            true
        });
    }
    found
}

/// The last forecast of each series from each time, in order of that time.
fn latest(mut forecasts: Vec<SeriesForecast>, counts: &mut LateCounts) -> Vec<SeriesForecast> {
    // Forecasts without a time of their prediction stay in their order.
    forecasts.sort_by_key(|own| own.made);
    let mut newest: HashMap<&[String], f64> = HashMap::new();
    for own in &forecasts {
        let newest = newest.entry(own.series.as_slice()).or_insert(f64::NEG_INFINITY);
        counts.backward += u64::from(own.origin < *newest && own.made.is_some());
        *newest = newest.max(own.origin);
    }
    forecasts.sort_by(|a, b| a.origin.total_cmp(&b.origin).then_with(|| a.series.cmp(&b.series)));
    let all = forecasts.len();
    // The last of equals is the first in reverse order.
    forecasts.reverse();
    forecasts
        .dedup_by(|next, kept| next.origin.total_cmp(&kept.origin).is_eq() && next.series == kept.series);
    forecasts.reverse();
    counts.repeated_forecasts = (all - forecasts.len()) as u64;
    forecasts
}

/// Value of each step, and the number of steps after the last value.
fn join(forecast: &SeriesForecast, values: &[TimedValue]) -> (Vec<Option<f64>>, u64) {
    let steps = forecast.predicted.len();
    if forecast.times.is_empty() {
        let first = values.partition_point(|own| own.time <= forecast.origin);
        let joined: Vec<Option<f64>> =
            (0..steps).map(|step| values.get(first + step).map(|own| own.value)).collect();
        let pending = joined.iter().filter(|own| own.is_none()).count() as u64;
        return (joined, pending);
    }
    let tolerance = tolerance(forecast);
    let last = values.last().map_or(f64::NEG_INFINITY, |own| own.time);
    let at = |step: usize| {
        let time = *forecast.times.get(step)?;
        let first = values.partition_point(|own| own.time < time - tolerance);
        values.get(first).filter(|own| own.time <= time + tolerance).map(|own| own.value)
    };
    let joined: Vec<Option<f64>> = (0..steps).map(at).collect();
    let is_pending =
        |step: &usize| joined[*step].is_none() && forecast.times.get(*step).is_none_or(|time| *time > last);
    let pending = (0..steps).filter(is_pending).count() as u64;
    (joined, pending)
}

/// Indices of the values that lie between two steps of a forecast.
fn between_steps<'a>(
    forecast: &'a SeriesForecast,
    values: &'a [TimedValue],
) -> impl Iterator<Item = usize> + 'a {
    let tolerance = tolerance(forecast);
    let begins = std::iter::once(forecast.origin).chain(forecast.times.iter().copied());
    begins.zip(&forecast.times).flat_map(move |(begin, end)| {
        let first = values.partition_point(|own| own.time <= begin + tolerance);
        let last = values.partition_point(|own| own.time < end - tolerance);
        first..last.max(first)
    })
}

fn tolerance(forecast: &SeriesForecast) -> f64 {
    forecast.times.first().map_or(0.0, |first| (first - forecast.origin).abs() * TOLERANCE)
}
