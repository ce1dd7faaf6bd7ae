//! Metrics of forecasts whose values have arrived: by chunk, by step ahead, by series.

use std::collections::BTreeMap;

use cupola_eval::smape;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::join::JoinedForecasts;
use crate::Error;
use crate::performance::{AlertBand, ChunkPerformance, ChunkRows, ErrorKind, MetricEstimate};

/// Performance of the forecasts at one step ahead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepPerformance {
    /// Step ahead, from 1.
    pub step: usize,
    /// Forecasts with a value at this step.
    pub joined: usize,
    /// Forecasts without one.
    pub missing: usize,
    /// Values by metric.
    pub metrics: IndexMap<String, f64>,
    /// Values by metric that are expected of all forecasts, before their values are known; empty without an estimate.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub expected: IndexMap<String, f64>,
}

/// Performance of the forecasts of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesPerformance {
    /// Values of the key.
    pub series: Vec<String>,
    /// Forecasts.
    pub forecasts: usize,
    /// Steps with a value.
    pub joined: usize,
    /// Steps without one.
    pub missing: usize,
    /// Values by metric.
    pub metrics: IndexMap<String, f64>,
}

/// Step of a forecast with its value.
#[derive(Debug, Clone, Copy)]
struct JoinedStep {
    value: f64,
    predicted: f64,
    bounds: Option<(f64, f64)>,
}

impl JoinedForecasts {
    /// Metrics of chunks of forecasts, with thresholds by metric. `naive` is the error of repeating the value one season
    /// before, which MASE divides by.
    pub fn by_chunk(
        &self,
        chunks: &[ChunkRows],
        naive: Option<f64>,
        bands: &IndexMap<String, AlertBand>,
    ) -> Vec<ChunkPerformance> {
        let chunk = |chunk: &ChunkRows| {
            let steps = chunk.rows.iter().flat_map(|row| self.steps(*row)).map(|(_, step)| step);
            let found = metrics(&steps.collect::<Vec<_>>(), naive);
            let names = bands.keys().chain(found.keys().filter(|name| !bands.contains_key(*name)));
            let estimate = |name: &String| {
                let band = bands.get(name).copied().unwrap_or_default();
                let realised = found.get(name).copied();
                let estimate = MetricEstimate {
                    realised,
                    lower_threshold: band.lower,
                    upper_threshold: band.upper,
                    realised_alert: realised.is_some_and(|value| band.is_outside(value)),
                    ..MetricEstimate::default()
                };
                (name.clone(), estimate)
            };
            ChunkPerformance {
                key: chunk.key.clone(),
                rows: chunk.rows.len(),
                labelled: chunk.rows.iter().filter(|row| self.steps(**row).next().is_some()).count(),
                metrics: names.map(estimate).collect(),
            }
        };
        chunks.iter().map(chunk).collect()
    }

    /// Thresholds by metric: mean plus and minus three standard deviations over the chunks.
    ///
    /// # Errors
    /// [`Error::NoReferenceTargets`] if no chunk has a value.
    pub fn bands(
        &self,
        chunks: &[ChunkRows],
        naive: Option<f64>,
    ) -> Result<IndexMap<String, AlertBand>, Error> {
        let found = self.by_chunk(chunks, naive, &IndexMap::new());
        let mut values: IndexMap<String, Vec<f64>> = IndexMap::new();
        for (name, own) in found.iter().flat_map(|chunk| &chunk.metrics) {
            values.entry(name.clone()).or_default().extend(own.realised);
        }
        if values.is_empty() {
            return Err(Error::NoReferenceTargets);
        }
        let band = |(name, values): (String, Vec<f64>)| {
            let band = AlertBand::of_values(&values, range(&name));
            (name, band)
        };
        Ok(values.into_iter().map(band).collect())
    }

    /// Metrics of all steps that have a value.
    pub fn overall(&self, naive: Option<f64>) -> IndexMap<String, f64> {
        let steps = (0..self.forecasts.len()).flat_map(|row| self.steps(row)).map(|(_, step)| step);
        metrics(&steps.collect::<Vec<_>>(), naive)
    }

    /// Metrics of each step ahead.
    pub fn by_step(&self, naive: Option<f64>) -> Vec<StepPerformance> {
        let mut steps: Vec<Vec<JoinedStep>> = vec![Vec::new(); self.horizon()];
        let mut all = vec![0; steps.len()];
        for (row, values) in self.values.iter().enumerate() {
            all.iter_mut().take(values.len()).for_each(|count| *count += 1);
            for (step, own) in self.steps(row) {
                steps[step].push(own);
            }
        }
        let performance = |(index, (own, all)): (usize, (Vec<JoinedStep>, usize))| StepPerformance {
            step: index + 1,
            joined: own.len(),
            missing: all - own.len(),
            metrics: metrics(&own, naive),
            expected: IndexMap::new(),
        };
        steps.into_iter().zip(all).enumerate().map(performance).collect()
    }

    /// Metrics of each series, the largest mean absolute error first and series without a value last.
    pub fn by_series(&self, naive: Option<f64>) -> Vec<SeriesPerformance> {
        let mut series: BTreeMap<&[String], Vec<usize>> = BTreeMap::new();
        for (row, forecast) in self.forecasts.iter().enumerate() {
            series.entry(&forecast.series).or_default().push(row);
        }
        let performance = |(key, rows): (&[String], Vec<usize>)| {
            let steps: Vec<JoinedStep> =
                rows.iter().flat_map(|row| self.steps(*row)).map(|(_, step)| step).collect();
            let all: usize = rows.iter().map(|row| self.values[*row].len()).sum();
            SeriesPerformance {
                series: key.to_vec(),
                forecasts: rows.len(),
                joined: steps.len(),
                missing: all - steps.len(),
                metrics: metrics(&steps, naive),
            }
        };
        let mut found: Vec<SeriesPerformance> = series.into_iter().map(performance).collect();
        let error = |own: &SeriesPerformance| own.metrics.get("mae").copied().unwrap_or(-1.0);
        found.sort_by(|a, b| error(b).total_cmp(&error(a)));
        found
    }

    /// Steps of a forecast that have a value, with their indices.
    fn steps(&self, row: usize) -> impl Iterator<Item = (usize, JoinedStep)> {
        let forecast = &self.forecasts[row];
        let step = move |(at, value): (usize, &Option<f64>)| {
            let predicted = *forecast.predicted.get(at).filter(|predicted| predicted.is_finite())?;
            let bounds = forecast.bounds.as_ref().and_then(|[low, high]| {
                Some((*low.get(at)?, *high.get(at)?)).filter(|(low, high)| !low.is_nan() && !high.is_nan())
            });
            Some((at, JoinedStep { value: (*value)?, predicted, bounds }))
        };
        self.values[row].iter().enumerate().filter_map(step)
    }
}

/// Values by metric of steps; none without steps. `bias` is the mean of forecast minus value.
fn metrics(steps: &[JoinedStep], naive: Option<f64>) -> IndexMap<String, f64> {
    let mean = |of: &dyn Fn(&JoinedStep) -> f64| mean(steps.iter().map(of));
    let error = |kind: ErrorKind| mean(&|step| kind.of_row(step.value, step.predicted));
    let (mae, mse) = (error(ErrorKind::Absolute), error(ErrorKind::Squared));
    let (values, predicted): (Vec<f64>, Vec<f64>) =
        steps.iter().map(|step| (step.value, step.predicted)).unzip();
    let bounded: Vec<(f64, (f64, f64))> =
        steps.iter().filter_map(|step| Some((step.value, step.bounds?))).collect();
    let covered =
        bounded.iter().map(|(value, (low, high))| f64::from(u8::from(low <= value && value <= high)));
    let all = [
        ("mae", mae),
        ("rmse", mse.sqrt()),
        ("mase", naive.filter(|naive| *naive > 0.0).map_or(f64::NAN, |naive| mae / naive)),
        ("mape", error(ErrorKind::Relative)),
        ("smape", smape(&values, &predicted, None).unwrap_or(f64::NAN)),
        ("mse", mse),
        ("bias", mean(&|step| step.predicted - step.value)),
        ("coverage", self::mean(covered)),
        ("interval_width", self::mean(bounded.iter().map(|(_, (low, high))| high - low))),
    ];
    all.into_iter()
        .filter(|(_, value)| value.is_finite())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Mean; NaN without values.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

/// Range of a metric.
fn range(name: &str) -> (f64, f64) {
    match name {
        "coverage" => (0.0, 1.0),
        "bias" => (f64::NEG_INFINITY, f64::INFINITY),
        _ => (0.0, f64::INFINITY),
    }
}
