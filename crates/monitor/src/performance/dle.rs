//! Direct loss estimation.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::chunks::ChunkRows;
use super::realised::mean;
use super::sampling::variance;
use super::{AlertBand, ChunkPerformance, MetricEstimate};
use crate::Error;

/// Range of all errors.
const RANGE: (f64, f64) = (0.0, f64::INFINITY);

/// Error of a row of a regression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Absolute error.
    Absolute,
    /// Absolute error relative to the target.
    Relative,
    /// Squared error.
    Squared,
    /// Squared difference of the logarithms of one plus the values.
    SquaredLog,
}

impl ErrorKind {
    /// Error of a row; NaN for the logarithm of a negative value.
    pub fn of_row(self, target: f64, predicted: f64) -> f64 {
        let difference = target - predicted;
        match self {
            Self::Absolute => difference.abs(),
            Self::Relative => difference.abs() / target.abs().max(f64::EPSILON),
            Self::Squared => difference * difference,
            Self::SquaredLog if target < 0.0 || predicted < 0.0 => f64::NAN,
            Self::SquaredLog => (target.ln_1p() - predicted.ln_1p()).powi(2),
        }
    }
}

/// Metric of a regression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegressorMetric {
    /// Mean absolute error.
    Mae,
    /// Mean absolute relative error.
    Mape,
    /// Mean squared error.
    Mse,
    /// Mean squared logarithmic error.
    Msle,
    /// Root of the mean squared error.
    Rmse,
    /// Root of the mean squared logarithmic error.
    Rmsle,
}

impl RegressorMetric {
    /// All metrics.
    pub const ALL: [Self; 6] = [Self::Mae, Self::Mape, Self::Mse, Self::Msle, Self::Rmse, Self::Rmsle];

    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mae => "mae",
            Self::Mape => "mape",
            Self::Mse => "mse",
            Self::Msle => "msle",
            Self::Rmse => "rmse",
            Self::Rmsle => "rmsle",
        }
    }

    /// Error of a row that it is the mean of.
    pub fn error(self) -> ErrorKind {
        match self {
            Self::Mae => ErrorKind::Absolute,
            Self::Mape => ErrorKind::Relative,
            Self::Mse | Self::Rmse => ErrorKind::Squared,
            Self::Msle | Self::Rmsle => ErrorKind::SquaredLog,
        }
    }

    fn is_root(self) -> bool {
        matches!(self, Self::Rmse | Self::Rmsle)
    }

    fn of_mean(self, mean: f64) -> f64 {
        if self.is_root() { mean.sqrt() } else { mean }
    }
}

/// Predictions of a regression, their targets as far as they are known, and the errors that another model expects.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ErrorRows {
    /// Predictions; NaN if there is none.
    pub predicted: Vec<f64>,
    /// Targets.
    pub targets: Vec<Option<f64>>,
    /// Expected errors by kind, one for each row. Metrics of other kinds have no estimate.
    pub expected: IndexMap<ErrorKind, Vec<f64>>,
}

impl ErrorRows {
    fn check(&self) -> Result<(), Error> {
        let expected = self.predicted.len();
        let lengths = std::iter::once(self.targets.len()).chain(self.expected.values().map(Vec::len));
        match lengths.into_iter().find(|found| *found != expected) {
            Some(found) => Err(Error::MismatchedRows { expected, found }),
            None => Ok(()),
        }
    }

    /// Errors of the rows of a chunk with a target.
    fn errors(&self, kind: ErrorKind, rows: &[usize]) -> Vec<f64> {
        let pairs = rows.iter().filter_map(|row| Some((self.targets[*row]?, self.predicted[*row])));
        pairs
            .filter(|(target, predicted)| target.is_finite() && predicted.is_finite())
            .map(|(target, predicted)| kind.of_row(target, predicted))
            .collect()
    }
}

/// Direct loss estimation of a regression: the mean of the errors that a second model expects of each row (`NannyML`'s
/// DLE). The second model is fitted to the errors of the reference, [`ErrorKind::of_row`], on rows that the first was not
/// trained on; any model serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dle {
    metrics: Vec<FittedError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct FittedError {
    metric: RegressorMetric,
    /// Mean and variance of the errors of rows; `None` if a value has no logarithm.
    moments: Option<(f64, f64)>,
    band: AlertBand,
}

impl Dle {
    /// Fits the sampling errors and the thresholds to rows with targets, divided into chunks.
    ///
    /// # Errors
    /// [`Error::NoReferenceTargets`] without a row that has a target and a prediction; [`Error::MismatchedRows`].
    pub fn fit(reference: &ErrorRows, chunks: &[ChunkRows]) -> Result<Self, Error> {
        reference.check()?;
        let all: Vec<usize> = (0..reference.predicted.len()).collect();
        if reference.errors(ErrorKind::Absolute, &all).is_empty() {
            return Err(Error::NoReferenceTargets);
        }
        let fitted = |metric: RegressorMetric| {
            let errors = reference.errors(metric.error(), &all);
            let moments =
                (mean(errors.iter().copied()), variance(&reference.deviating(metric, &all, errors)));
            let values: Vec<f64> =
                chunks.iter().map(|chunk| realised(metric, reference, &chunk.rows)).collect();
            let band = AlertBand::of_values(&values, RANGE);
            let moments = Some(moments).filter(|own| own.0.is_finite() && own.1.is_finite());
            FittedError { metric, moments, band }
        };
        Ok(Self { metrics: RegressorMetric::ALL.into_iter().map(fitted).collect() })
    }

    /// Estimates of all metrics in each chunk, with the realised values where targets are known.
    ///
    /// # Errors
    /// [`Error::MismatchedRows`].
    pub fn estimate(&self, rows: &ErrorRows, chunks: &[ChunkRows]) -> Result<Vec<ChunkPerformance>, Error> {
        rows.check()?;
        let chunk = |chunk: &ChunkRows| {
            let metrics = self
                .metrics
                .iter()
                .map(|fitted| (fitted.metric.name().to_owned(), fitted.chunk(rows, chunk)));
            rows.performance_of(chunk, metrics.collect())
        };
        Ok(chunks.iter().map(chunk).collect())
    }
}

impl ErrorRows {
    /// Performance of a chunk with these metrics, and its number of rows whose target is known.
    fn performance_of(
        &self,
        chunk: &ChunkRows,
        metrics: IndexMap<String, MetricEstimate>,
    ) -> ChunkPerformance {
        ChunkPerformance {
            key: chunk.key.clone(),
            rows: chunk.rows.len(),
            labelled: self.errors(ErrorKind::Absolute, &chunk.rows).len(),
            metrics,
        }
    }

    /// Values whose variance is the sampling error: the errors. `NannyML` divides relative errors by the target with its
    /// sign here.
    fn deviating(&self, metric: RegressorMetric, rows: &[usize], errors: Vec<f64>) -> Vec<f64> {
        if metric != RegressorMetric::Mape {
            return errors;
        }
        let targets = rows.iter().filter_map(|row| {
            let (target, predicted) = (self.targets[*row]?, self.predicted[*row]);
            Some(target).filter(|target| target.is_finite() && predicted.is_finite())
        });
        errors.into_iter().zip(targets).map(|(error, target)| error.copysign(target)).collect()
    }
}

impl FittedError {
    #[allow(clippy::cast_precision_loss, reason = "rows are far below 2^53")]
    fn chunk(&self, rows: &ErrorRows, chunk: &ChunkRows) -> MetricEstimate {
        let present = |row: &&usize| rows.predicted[**row].is_finite();
        let estimate = rows.expected.get(&self.metric.error()).map_or(f64::NAN, |expected| {
            let errors = chunk.rows.iter().filter(present).map(|row| expected[*row].max(0.0));
            self.metric.of_mean(mean(errors))
        });
        let count = chunk.rows.iter().filter(present).count() as f64;
        let error = self.moments.map_or(f64::NAN, |(mean, variance)| {
            let of_mean = variance / count;
            // The error of a root follows by the delta method.
            if self.metric.is_root() { (of_mean / (4.0 * mean)).sqrt() } else { of_mean.sqrt() }
        });
        MetricEstimate::new(estimate, error, realised(self.metric, rows, &chunk.rows), &self.band, RANGE)
    }
}

fn realised(metric: RegressorMetric, rows: &ErrorRows, chunk: &[usize]) -> f64 {
    metric.of_mean(mean(rows.errors(metric.error(), chunk).into_iter()))
}

/// Realised metrics of a regression in each chunk, without estimates and thresholds.
///
/// # Errors
/// [`Error::MismatchedRows`].
pub fn realised_regressor(rows: &ErrorRows, chunks: &[ChunkRows]) -> Result<Vec<ChunkPerformance>, Error> {
    rows.check()?;
    let chunk = |chunk: &ChunkRows| {
        let metrics = RegressorMetric::ALL.into_iter().map(|metric| {
            let value = realised(metric, rows, &chunk.rows);
            (metric.name().to_owned(), MetricEstimate::of_realised(value))
        });
        rows.performance_of(chunk, metrics.collect())
    };
    Ok(chunks.iter().map(chunk).collect())
}
