//! Forecasts of a source, and the values of their series that arrive later, for a join by series and time.

use cupola_monitor::late::{ActualValue, SeriesForecast};
use cupola_prep::{FittedTarget, Frame, Plan, PredictedValue, Prediction, SeriesPoints, list_column};
use cupola_runtime::IntervalRequest;
use cupola_spec::Source;

use super::log::{TIME, files_of, milliseconds};
use super::outcomes::{OutcomeSource, other_requests, own_rows, requests};
use super::series_table::missing_target;
use crate::error::Error;
use crate::models::inference::{InputRows, LoadedModel};
use crate::session::Session;

/// Forecasts of a model, and values of its series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CollectedForecasts {
    /// Name of the target.
    pub target: String,
    /// Columns of the key of a series.
    pub keys: Vec<String>,
    /// Number of rows ahead.
    pub horizon: usize,
    /// Mean absolute change over a season in the training rows, which MASE divides by.
    pub naive: Option<f64>,
    /// Usual step between two rows in words; `None` if the steps are the next rows, whatever their times.
    pub frequency: Option<String>,
    /// Coverage of the intervals; `None` without any.
    pub coverage: Option<f64>,
    /// `true` if times are dates, in seconds since 1970; `false` for numbers.
    pub dates: bool,
    /// `true` if the forecasts are those of a log, `false` if the model predicted the rows.
    pub logged: bool,
    /// Forecasts.
    pub forecasts: Vec<SeriesForecast>,
    /// Request of each forecast, and its number within it; `None` unless they are those of a log.
    pub requests: Option<Vec<Option<(String, u64)>>>,
    /// Rows of a log that another version predicted; they are left out.
    pub other_versions: usize,
    /// Request of these rows, and the number within it.
    pub other_requests: Vec<(String, u64)>,
    /// Rows of a log without a forecast, a series or a time; they are left out.
    pub unusable: usize,
    /// Rows of the table of values.
    pub values: Vec<ActualValue>,
}

/// Forecast target of a plan.
struct ForecastTarget<'a> {
    name: &'a str,
    column: &'a str,
    horizon: usize,
    naive: Option<f64>,
}

fn forecast_target<'a>(plan: &'a Plan, name: Option<&str>) -> Option<ForecastTarget<'a>> {
    plan.targets.iter().find_map(|target| match target {
        FittedTarget::Forecast { name: own, column, horizon, naive, .. }
            if name.is_none_or(|name| name == own) =>
        {
            Some(ForecastTarget { name: own, column, horizon: *horizon, naive: *naive })
        }
        _ => None,
    })
}

impl Session<'_> {
    /// Forecasts of a source with the values of their series; `None` if the target is not a forecast.
    ///
    /// # Errors
    /// Sources that cannot be read, rows that do not fit the plan, [`Error::NoSeriesTime`], [`Error::NoLateColumn`].
    pub fn collect_forecasts(
        &self,
        model: &mut LoadedModel,
        source: OutcomeSource<'_>,
    ) -> Result<Option<CollectedForecasts>, Error> {
        let package = model.predictor.package.clone();
        let plan = &package.plan;
        let Some(target) = forecast_target(plan, source.target) else { return Ok(None) };
        let signature = package.signature.outputs.iter().find(|own| own.name == target.name);
        let mut found = CollectedForecasts {
            target: target.name.to_owned(),
            keys: plan.series.iter().flat_map(|order| order.keys.clone()).collect(),
            horizon: target.horizon,
            naive: target.naive,
            frequency: signature.and_then(|own| own.frequency.clone()),
            ..CollectedForecasts::default()
        };
        let own = if let Some(log) = self.read_log(source.data, plan, target.name)? {
            found.logged = true;
            found.read_log(plan, log, model.package.manifest.version)?;
            None
        } else {
            let rows = self.read_rows(&Source::One(source.data.to_owned()), plan)?;
            found.predict(model, &rows, target.name)?;
            Some(rows)
        };
        found.coverage = found
            .forecasts
            .iter()
            .any(|own| own.bounds.is_some())
            .then(|| plan.uncertainty.as_ref().map(|own| own.coverage))
            .flatten();
        let table = match (source.targets, own) {
            (Some(targets), _) => Some((self.read_series(targets, plan, target.column)?, targets)),
            (None, own) => own.map(|own| (own, source.data)),
        };
        if let Some((rows, table)) = table {
            found.values = values(plan, &rows, target.column, table)?;
        }
        Ok(Some(found))
    }

    /// Prediction log with the lists of a forecast; `None` for any other source.
    fn read_log(&self, data: &str, plan: &Plan, target: &str) -> Result<Option<ForecastLog>, Error> {
        // A table of text is not read twice.
        let may_be_log = data.contains(".parquet") || std::path::Path::new(data).is_dir();
        if !may_be_log {
            return Ok(None);
        }
        let table = self.read_table(&Source::One(files_of(data)), plan)?;
        let lists =
            |kind: &str| list_column(&table.schema, &table.batches, &format!("cupola_{kind}_{target}"));
        let Some(predicted) = lists("prediction") else { return Ok(None) };
        let frame = Frame::from_batches(&table.schema, &table.batches, &plan.exact_columns())?;
        let (low, high) = (lists("low"), lists("high"));
        Ok(Some(ForecastLog { frame, predicted, bounds: low.zip(high) }))
    }
}

/// Lists of a column, one for each row.
type ListColumn = Vec<Option<Vec<f64>>>;

/// Rows of a log with their forecasts.
struct ForecastLog {
    frame: Frame,
    predicted: ListColumn,
    bounds: Option<(ListColumn, ListColumn)>,
}

impl CollectedForecasts {
    fn read_log(&mut self, plan: &Plan, mut log: ForecastLog, version: u64) -> Result<(), Error> {
        let own = own_rows(&log.frame, version);
        self.other_versions = log.frame.rows() - own.len();
        self.other_requests = other_requests(&log.frame, &own);
        let points = self.points(plan, &log.frame)?;
        self.dates = points.dates;
        let all = requests(&log.frame);
        let mut kept = Vec::new();
        let made = log.frame.get(TIME);
        for row in own {
            let place = points.keys[row].clone().filter(|_| !points.times[row].is_nan());
            let Some((series, predicted)) = place.zip(log.predicted[row].take()) else {
                self.unusable += 1;
                continue;
            };
            let bounds = log.bounds.as_mut().and_then(|(low, high)| low[row].take().zip(high[row].take()));
            self.forecasts.push(SeriesForecast {
                series,
                origin: points.times[row],
                times: plan.times_after(points.times[row], predicted.len()).unwrap_or_default(),
                predicted,
                bounds: bounds.map(|(low, high)| [low, high]),
                made: made.and_then(|column| milliseconds(column, row)),
            });
            kept.push(all.as_ref().and_then(|all| all[row].clone()));
        }
        self.requests = all.is_some().then_some(kept);
        Ok(())
    }

    /// Predicts every window of rows.
    fn predict(&mut self, model: &mut LoadedModel, rows: &InputRows, target: &str) -> Result<(), Error> {
        let package = model.predictor.package.clone();
        let points = self.points(&package.plan, &rows.frame)?;
        self.dates = points.dates;
        let mut predictions = model.predict(rows)?;
        if package.interval_coverage(IntervalRequest::Sealed).is_ok() {
            model.add_intervals(IntervalRequest::Sealed, rows, &mut predictions)?;
        }
        let ends = package.plan.window_ends(&rows.frame)?.unwrap_or_default();
        for (row, mut predictions) in ends.into_iter().zip(predictions) {
            let place = points.keys[row].clone();
            let Some((series, prediction)) = place.zip(predictions.swap_remove(target)) else { continue };
            let (predicted, bounds) = lists(prediction);
            self.forecasts.push(SeriesForecast {
                series,
                origin: points.times[row],
                times: package.plan.times_after(points.times[row], predicted.len()).unwrap_or_default(),
                predicted,
                bounds,
                made: None,
            });
        }
        Ok(())
    }

    fn points(&self, plan: &Plan, frame: &Frame) -> Result<SeriesPoints, Error> {
        let no_time = || Error::NoSeriesTime { target: self.target.clone() };
        plan.series_points(frame, None)?.ok_or_else(no_time)
    }
}

/// Values of a forecast, and its bounds.
fn lists(prediction: Prediction) -> (Vec<f64>, Option<[Vec<f64>; 2]>) {
    let list = |value: PredictedValue| match value {
        PredictedValue::Numbers(values) => values,
        PredictedValue::Number(value) => vec![value],
        _ => Vec::new(),
    };
    let bounds = prediction.interval.map(|own| [list(own.low), list(own.high)]);
    (list(prediction.value), bounds)
}

/// Values of a column of the table of a series, which came from the source `table`.
fn values(plan: &Plan, rows: &InputRows, column: &str, table: &str) -> Result<Vec<ActualValue>, Error> {
    let explained = |error| crate::models::inference::explained(error, plan, &rows.origin);
    let points = plan.series_points(&rows.frame, Some(column)).map_err(explained)?.unwrap_or_default();
    let Some(target) = &points.target else {
        return Err(missing_target(column, table, &rows.frame, plan));
    };
    let each = points.keys.into_iter().zip(points.times).enumerate();
    let value = |(row, (series, time)): (usize, (Option<Vec<String>>, f64))| {
        let value = target.number(row).map_err(|error| Error::LateValue {
            row: row + 1,
            column: column.to_owned(),
            why: error.to_string(),
        })?;
        Ok(ActualValue { series, time: Some(time).filter(|time| !time.is_nan()), value })
    };
    each.map(value).collect()
}
