//! Errors of forecasts that are expected before their values arrive: direct loss estimation, one row for each step ahead.

use indexmap::IndexMap;

use super::join::{ActualValue, JoinedForecasts, LateCounts, SeriesForecast, SeriesValues, by_series};
use super::measure::StepPerformance;
use crate::performance::{AlertBand, ChunkPerformance, ChunkRows, ErrorKind, ErrorRows};

/// Most of the last values of a series that an expected error depends on.
const HISTORY: usize = 8;

/// Values of series before the forecasts.
#[derive(Debug, Clone)]
pub struct SeriesHistory(SeriesValues);

impl SeriesHistory {
    /// Values by series in order of time.
    pub fn new(values: &[ActualValue]) -> Self {
        Self(by_series(values, &mut LateCounts::default()))
    }

    /// Last value up to the time of a forecast, with mean and mean absolute change of the few last ones; `None` with fewer than two,
    /// or if the last one is older than so many steps.
    #[allow(clippy::cast_precision_loss, reason = "a few values")]
    fn before(&self, forecast: &SeriesForecast) -> Option<[f64; 3]> {
        let values = self.0.get(&forecast.series)?;
        let end = values.partition_point(|own| own.time <= forecast.origin);
        let age = forecast.origin - values[..end].last()?.time;
        let step = forecast.times.first().map(|first| first - forecast.origin);
        if step.is_some_and(|step| age > HISTORY as f64 * step) {
            return None;
        }
        let last: Vec<f64> = values[end.saturating_sub(HISTORY)..end].iter().map(|own| own.value).collect();
        let changes = last.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        let change = mean(changes).filter(|change| change.is_finite())?;
        Some([*last.last()?, mean(last.iter().copied())?, change])
    }
}

/// Steps of forecasts as rows of a regression, with the numbers from which their errors are expected.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ForecastSteps {
    /// Predictions and, where they are known, values: one for each step of each forecast.
    pub rows: ErrorRows,
    /// Numbers of each row `[rows, width]`: step ahead, mean and range of the forecast and, with a history, the last value, mean and mean
    /// absolute change of the last ones.
    pub numbers: Vec<f64>,
    /// Numbers of a row.
    pub width: usize,
    /// Row of the first step of each forecast, and the number of all rows.
    starts: Vec<usize>,
}

impl JoinedForecasts {
    /// `true` if each forecast has values of its series before it.
    pub fn has_history(&self, history: &SeriesHistory) -> bool {
        self.forecasts.iter().all(|own| history.before(own).is_some())
    }

    /// Rows of the steps of every so many forecasts.
    #[allow(clippy::cast_precision_loss, reason = "steps of a forecast")]
    pub fn step_rows(&self, history: Option<&SeriesHistory>, every: usize) -> ForecastSteps {
        let width = if history.is_some() { 6 } else { 3 };
        let mut steps = ForecastSteps { width, starts: vec![0], ..ForecastSteps::default() };
        for (forecast, values) in self.forecasts.iter().zip(&self.values).step_by(every.max(1)) {
            let known = forecast.predicted.iter().copied().filter(|value| value.is_finite());
            let (low, high) = known
                .clone()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), own| (low.min(own), high.max(own)));
            let center = mean(known).unwrap_or(0.0);
            let range = if high >= low { high - low } else { 0.0 };
            let before = history.map(|history| history.before(forecast).unwrap_or_default());
            for (at, (predicted, value)) in forecast.predicted.iter().zip(values).enumerate() {
                steps.rows.predicted.push(*predicted);
                steps.rows.targets.push(*value);
                steps.numbers.extend([(at + 1) as f64, center, range]);
                steps.numbers.extend(before.iter().flatten());
            }
            steps.starts.push(steps.rows.predicted.len());
        }
        steps
    }
}

impl ForecastSteps {
    /// Adds the metrics that the expected errors give to those of chunks and steps ahead. `naive` is the divisor of MASE.
    pub fn add_estimates(
        &self,
        (chunks, rows): (&mut [ChunkPerformance], &[ChunkRows]),
        steps: &mut [StepPerformance],
        bands: &IndexMap<String, AlertBand>,
        naive: Option<f64>,
    ) {
        for (chunk, own) in chunks.iter_mut().zip(rows) {
            let all = own.rows.iter().flat_map(|row| self.of_forecast(*row));
            for (name, value) in self.metrics(&all.collect::<Vec<_>>(), naive) {
                let band = bands.get(name).copied().unwrap_or_default();
                let metric = chunk.metrics.entry(name.to_owned()).or_default();
                (metric.estimate, metric.alert) = (Some(value), band.is_outside(value));
            }
        }
        let forecasts = self.starts.len().saturating_sub(1);
        for (at, step) in steps.iter_mut().enumerate() {
            let all = (0..forecasts).filter_map(|row| self.of_forecast(row).nth(at));
            let metrics = self.metrics(&all.collect::<Vec<_>>(), naive);
            step.expected = metrics.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        }
    }

    /// Rows of the steps of a forecast.
    fn of_forecast(&self, forecast: usize) -> std::ops::Range<usize> {
        let at = |index: usize| self.starts.get(index).copied().unwrap_or(self.rows.predicted.len());
        at(forecast)..at(forecast + 1)
    }

    /// Metrics by the expected errors of rows; none without rows that have a prediction.
    fn metrics(&self, rows: &[usize], naive: Option<f64>) -> Vec<(&'static str, f64)> {
        let present = |row: &&usize| self.rows.predicted.get(**row).is_some_and(|own| own.is_finite());
        let error = |kind: ErrorKind| {
            let own = self.rows.expected.get(&kind)?;
            mean(rows.iter().filter(present).filter_map(|row| own.get(*row)).map(|error| error.max(0.0)))
        };
        let (mae, mse) = (error(ErrorKind::Absolute), error(ErrorKind::Squared));
        let naive = naive.filter(|naive| *naive > 0.0);
        let all = [
            ("mae", mae),
            ("rmse", mse.map(f64::sqrt)),
            ("mase", mae.zip(naive).map(|(mae, naive)| mae / naive)),
            ("mape", error(ErrorKind::Relative)),
            ("mse", mse),
        ];
        let known = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
        known.filter(|(_, value)| value.is_finite()).collect()
    }
}

/// Mean; `None` without values.
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::performance::Chunking;

    fn forecast(series: &str, origin: f64, predicted: [f64; 2]) -> SeriesForecast {
        SeriesForecast {
            series: vec![series.to_owned()],
            origin,
            times: vec![origin + 1.0, origin + 2.0],
            predicted: predicted.to_vec(),
            ..SeriesForecast::default()
        }
    }

    fn value(series: &str, time: f64, value: f64) -> ActualValue {
        ActualValue { series: Some(vec![series.to_owned()]), time: Some(time), value: Some(value) }
    }

    #[test]
    fn steps_are_rows_with_the_last_values_of_their_series() {
        let values: Vec<ActualValue> =
            (0..=10).map(|at| value("a", f64::from(at), f64::from(at * at))).collect();
        let history = SeriesHistory::new(&values);
        let all = vec![forecast("a", 9.0, [100.0, 120.0]), forecast("a", 10.0, [f64::NAN, 140.0])];
        let joined = JoinedForecasts::new(all, &values);
        assert!(joined.has_history(&history));
        let steps = joined.step_rows(Some(&history), 1);
        assert_eq!(
            (steps.width, steps.rows.predicted.len(), steps.starts.as_slice()),
            (6, 4, &[0, 2, 4][..])
        );
        assert_eq!(steps.rows.targets, [Some(100.0), None, None, None]);
        // The squares of 2 to 9: mean 35.5, changes from 5 to 17.
        assert_eq!(
            steps.numbers[..12],
            [1.0, 110.0, 20.0, 81.0, 35.5, 11.0, 2.0, 110.0, 20.0, 81.0, 35.5, 11.0]
        );
        assert_eq!(steps.numbers[12..15], [1.0, 140.0, 0.0]);
        // A series whose values begin later has no history.
        let late = JoinedForecasts::new(
            vec![forecast("a", 0.0, [1.0, 2.0]), forecast("b", 9.0, [1.0, 2.0])],
            &values,
        );
        assert!(!late.has_history(&history));
        let has_history = |origin: f64| {
            JoinedForecasts::new(vec![forecast("a", origin, [1.0, 2.0])], &values).has_history(&history)
        };
        assert!(has_history(18.0) && !has_history(18.5), "values that are older say nothing");
        assert_eq!((late.step_rows(None, 1).width, late.step_rows(None, 2).rows.predicted.len()), (3, 2));
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "means of small numbers are exact")]
    fn estimates_are_means_of_the_expected_errors_of_chunks_and_steps() {
        let all = vec![forecast("a", 1.0, [1.0, 2.0]), forecast("a", 2.0, [3.0, f64::NAN])];
        let joined = JoinedForecasts::new(all, &[value("a", 2.0, 1.5)]);
        let rows = Chunking::Size(1).split(2, None).unwrap();
        let band = AlertBand { lower: Some(0.0), upper: Some(2.0) };
        let bands: IndexMap<String, AlertBand> = [("mae".to_owned(), band)].into_iter().collect();
        let (mut chunks, mut steps) = (joined.by_chunk(&rows, Some(2.0), &bands), joined.by_step(Some(2.0)));
        let mut found = joined.step_rows(None, 1);
        found.rows.expected.insert(ErrorKind::Absolute, vec![1.0, 2.0, 4.0, 100.0]);
        found.rows.expected.insert(ErrorKind::Squared, vec![4.0, 14.0, -1.0, 100.0]);
        found.add_estimates((&mut chunks, &rows), &mut steps, &bands, Some(2.0));
        let estimate = |chunk: usize, name: &str| chunks[chunk].metrics[name].estimate.unwrap();
        assert_eq!([estimate(0, "mae"), estimate(0, "rmse"), estimate(0, "mase")], [1.5, 3.0, 0.75]);
        assert_eq!([estimate(1, "mae"), estimate(1, "mse")], [4.0, 0.0]);
        assert_eq!(chunks[0].metrics["mae"].realised, Some(0.5));
        assert!(!chunks[0].metrics["mae"].alert && chunks[1].metrics["mae"].alert);
        assert!(!chunks[1].metrics.contains_key("mape"));
        // The second step of the second forecast has no prediction.
        assert_eq!([steps[0].expected["mae"], steps[1].expected["mae"]], [2.5, 2.0]);
    }
}
