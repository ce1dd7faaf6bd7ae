//! Performance of forecasts whose values arrive later.

mod estimates;

use std::collections::HashMap;

use cupola_monitor::late::{ActualValue, JoinedForecasts, SeriesForecast, StepPerformance, table_series};
use cupola_workflow::{CollectedForecasts, LoadedModel, OutcomeSource, Session};
use jiff::Timestamp;

use self::estimates::ForecastReference;
use super::join::{FeedbackCounts, FeedbackTargets};
use super::notes::{tell_feedback, tell_late, tell_versions};
use super::outcome::{
    ForecastPerformance, PerformanceOutcome, PerformanceRequest, changes, chunking_of_reference, in_order,
};
use super::unmatched::SeriesMismatch;
use crate::error::Error;

/// Series that are listed, those with the largest errors first.
const SERIES: usize = 100;
/// Hours by which a clock of a time zone may be ahead of UTC.
const ZONE_HOURS: f64 = 14.0;

/// Measures the forecasts of a model; `None` if the target is not a forecast.
///
/// # Errors
/// As [`super::measure_performance`], and [`Error::NoLateTargets`].
pub(super) fn measure_forecasts(
    session: &Session<'_>,
    model: &mut LoadedModel,
    request: &PerformanceRequest<'_>,
) -> Result<Option<PerformanceOutcome>, Error> {
    let source = request.source;
    let Some(mut rows) = session.collect_forecasts(model, source)? else { return Ok(None) };
    if rows.forecasts.is_empty() && rows.other_versions == 0 {
        return Err(Error::NoRows { data: source.data.to_owned() });
    }
    let mut notes = Vec::new();
    tell_versions(rows.other_versions, &mut notes);
    if rows.unusable > 0 {
        notes.push(format!("{} rows have no forecast, series or time, and are left out", rows.unusable));
    }
    // Series of feedback alone are not series of the table.
    let table = source.targets.map(|_| table_series(&rows.values));
    let feedback = add_feedback(&mut rows, model, request, &mut notes)?;
    let has_estimates = request.reference.is_some();
    if rows.values.is_empty() && rows.logged && source.targets.is_none() && !has_estimates {
        return Err(Error::NoLateTargets { data: source.data.to_owned() });
    }
    let reference = reference(session, model, request, &rows, &mut notes)?;
    let mut joined = join(&mut rows);
    let unmatched = table.and_then(|table| SeriesMismatch::of(joined.compare_series(&table)));
    tell_late(&joined.counts, unmatched.as_ref(), "forecasts", &mut notes);
    let times = origins(&joined, rows.dates);
    let chunks = request.chunking.split(joined.forecasts.len(), times.as_deref())?;
    let mut performance = joined.by_chunk(&chunks, rows.naive, &reference.bands);
    let mut steps = joined.by_step(rows.naive);
    let parts = (performance.as_mut_slice(), chunks.as_slice());
    notes.extend(reference.add_estimates(&joined, &rows.values, parts, &mut steps)?);
    Ok(Some(PerformanceOutcome {
        package: model.package.label(),
        data: source.data.to_owned(),
        target: rows.target.clone(),
        rows: joined.forecasts.len(),
        labelled: joined.labelled(),
        reference: request.reference.map(str::to_owned),
        feedback,
        chunks: performance,
        changes: changes(&in_order(&joined.errors(), times.as_deref()), false),
        late: Some(joined.counts),
        unmatched,
        forecast: Some(by_step_and_series(rows, &joined, steps, source.targets, &mut notes)),
        notes,
    }))
}

/// Joins the forecasts with their values. The forecasts move out of the rows.
fn join(rows: &mut CollectedForecasts) -> JoinedForecasts {
    let ahead = rows.forecasts.iter().filter(|own| is_ahead_of_clock(rows, own.origin, own.made)).count();
    let mut joined = JoinedForecasts::new(std::mem::take(&mut rows.forecasts), &rows.values);
    joined.counts.ahead_of_clock = ahead as u64;
    joined
}

/// Performance by step ahead and by series. `targets` is the source of the values.
fn by_step_and_series(
    rows: CollectedForecasts,
    joined: &JoinedForecasts,
    steps: Vec<StepPerformance>,
    targets: Option<&str>,
    notes: &mut Vec<String>,
) -> ForecastPerformance {
    let mut series = joined.by_series(rows.naive);
    if series.len() > SERIES {
        notes.push(format!("{SERIES} of {} series are listed, those with the largest errors", series.len()));
        series.truncate(SERIES);
    }
    ForecastPerformance {
        targets: targets.map(str::to_owned),
        horizon: rows.horizon,
        step: rows.frequency,
        coverage: rows.coverage,
        overall: joined.overall(rows.naive),
        steps,
        keys: rows.keys,
        series,
    }
}

/// Adds the values that came as feedback, a list for each forecast. Those of the table come later and count.
fn add_feedback(
    rows: &mut CollectedForecasts,
    model: &LoadedModel,
    request: &PerformanceRequest<'_>,
    notes: &mut Vec<String>,
) -> Result<FeedbackCounts, Error> {
    let path = request.feedback.join(format!("{}.jsonl", model.package.manifest.name));
    let mut feedback = FeedbackTargets::read(&path, &rows.target)?;
    let Some(requests) = rows.requests.take() else { return Ok(FeedbackCounts::default()) };
    let lists = feedback.join_lists(&requests, &rows.other_requests);
    tell_feedback(&feedback.counts, notes);
    let mut values: HashMap<(Vec<String>, u64), f64> = HashMap::new();
    let mut order = Vec::new();
    let is_unplaced =
        |(own, list): &(&SeriesForecast, &Option<Vec<f64>>)| own.times.is_empty() && list.is_some();
    let unplaced = rows.forecasts.iter().zip(&lists).filter(is_unplaced).count();
    if unplaced > 0 {
        notes.push(format!(
            "{unplaced} lists of feedback do not join, since the series have no usual step; give --targets FILE"
        ));
    }
    for (forecast, list) in rows.forecasts.iter().zip(lists) {
        for (time, value) in forecast.times.iter().zip(list.into_iter().flatten()) {
            let place = (forecast.series.clone(), time.to_bits());
            if values.insert(place.clone(), value).is_none() {
                order.push(place);
            }
        }
    }
    // Overlapping forecasts have values for the same times, which are no repetitions.
    let value = |place: (Vec<String>, u64)| ActualValue {
        value: values.get(&place).copied(),
        time: Some(f64::from_bits(place.1)),
        series: Some(place.0),
    };
    let known = known_places(&rows.values);
    order.retain(|place| !known.contains(place));
    order.sort_by(|a, b| f64::from_bits(a.1).total_cmp(&f64::from_bits(b.1)));
    rows.values.splice(0..0, order.into_iter().map(value));
    Ok(feedback.counts)
}

fn known_places(values: &[ActualValue]) -> std::collections::HashSet<(Vec<String>, u64)> {
    let known = values.iter().filter(|own| own.value.is_some());
    known.filter_map(|own| Some((own.series.clone()?, own.time?.to_bits()))).collect()
}

/// Windows of the reference, and the thresholds that they give.
fn reference(
    session: &Session<'_>,
    model: &mut LoadedModel,
    request: &PerformanceRequest<'_>,
    rows: &CollectedForecasts,
    notes: &mut Vec<String>,
) -> Result<ForecastReference, Error> {
    let Some(data) = request.reference else {
        notes.push(
            "without --reference there are no estimates and thresholds; give rows of the series that the model was not trained on"
                .to_owned(),
        );
        return Ok(ForecastReference::default());
    };
    let source = OutcomeSource { data, targets: None, target: Some(&rows.target) };
    let Some(own) = session.collect_forecasts(model, source)? else {
        return Ok(ForecastReference::default());
    };
    let joined = JoinedForecasts::new(own.forecasts, &own.values);
    let times = origins(&joined, own.dates);
    let chunks = chunking_of_reference(request.chunking).split(joined.forecasts.len(), times.as_deref())?;
    let bands = joined.bands(&chunks, rows.naive)?;
    Ok(ForecastReference { bands, naive: rows.naive, known: Some((joined, own.values)) })
}

/// Times that the forecasts are from; `None` for numbers that are no dates.
#[allow(clippy::cast_possible_truncation, reason = "a cast of floats saturates")]
fn origins(joined: &JoinedForecasts, dates: bool) -> Option<Vec<Option<Timestamp>>> {
    let time = |origin: f64| Timestamp::from_microsecond((origin * 1e6).round() as i64).ok();
    dates.then(|| joined.forecasts.iter().map(|own| time(own.origin)).collect())
}

/// `true` for a forecast whose last observation is later than its prediction, in every time zone.
#[allow(clippy::cast_precision_loss, reason = "milliseconds of this century are exact")]
fn is_ahead_of_clock(rows: &CollectedForecasts, origin: f64, made: Option<i64>) -> bool {
    rows.dates && made.is_some_and(|made| origin > made as f64 / 1e3 + ZONE_HOURS * 3600.0)
}
