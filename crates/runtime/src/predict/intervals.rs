//! Intervals and sets of classes that hold the target with a stated probability, from the sealed scores of a package.

use std::collections::BTreeMap;

use cupola_eval::conformal::{
    ClassScore, ConformalScores, CrossFold, TooFewScores, class_score, class_set, cross_interval,
    quantile_interval, split_interval,
};
use cupola_prep::{
    FittedTarget, GroupScores, Plan, PredictedValue, Prediction, PredictionInterval, Predictions,
    SealedUncertainty, TargetScores,
};
use cupola_spec::UncertaintyMethod;

use super::package::LoadedPackage;
use super::tensors::PredictInput;
use crate::error::Error;

/// Coverage that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum IntervalRequest {
    /// The one that the package was trained with.
    Sealed,
    /// A probability between 0 and 1.
    Coverage(f64),
}

/// Score of the classes that a method stands for.
pub fn class_score_of(uncertainty: &SealedUncertainty) -> ClassScore {
    match uncertainty.method {
        UncertaintyMethod::Raps => ClassScore::Raps { penalty: uncertainty.penalty, free: uncertainty.free },
        _ => ClassScore::Lac,
    }
}

impl LoadedPackage {
    /// Coverage of a request's intervals, which the package has enough scores for.
    ///
    /// # Errors
    /// [`Error::NoIntervals`] for a package without scores, [`Error::Coverage`] for a probability that is not between 0 and
    /// 1, [`Error::TooFewScores`] with the largest possible coverage.
    pub fn interval_coverage(&self, request: IntervalRequest) -> Result<f64, Error> {
        let uncertainty = self.plan.uncertainty.as_ref().ok_or(Error::NoIntervals)?;
        let coverage = match request {
            IntervalRequest::Sealed => uncertainty.coverage,
            IntervalRequest::Coverage(coverage) => coverage,
        };
        if !(coverage > 0.0 && coverage < 1.0) {
            return Err(Error::Coverage { found: coverage });
        }
        for (name, scores) in &uncertainty.targets {
            let possible = match uncertainty.method {
                UncertaintyMethod::CvPlus => of_folds(&scores.all, &[], coverage).map(drop),
                _ => score_quantiles(&scores.all, coverage).map(drop),
            };
            possible.map_err(|error| too_few(name, error))?;
        }
        Ok(coverage)
    }

    /// Adds intervals to numbers and sets to classes. `input` holds the rows of the predictions. A row of a group with too few
    /// calibration rows for the coverage, or of none that was calibrated, gets the scores of all rows.
    ///
    /// # Errors
    /// The errors of [`Self::interval_coverage`]; [`Error::Rows`] for rows without the column of the groups.
    pub fn add_intervals(
        &self,
        coverage: f64,
        input: &PredictInput,
        predictions: &mut [Predictions],
    ) -> Result<(), Error> {
        let groups = match input {
            PredictInput::Frame(frame) => self.plan.uncertainty_groups(frame)?,
            _ => None,
        };
        add_intervals(&self.plan, coverage, groups.as_deref().unwrap_or_default(), predictions)
    }
}

/// Adds intervals and sets to predictions of a plan, whose rows belong to `groups`, if there are groups. See
/// [`LoadedPackage::add_intervals`].
///
/// # Errors
/// [`Error::NoIntervals`] and [`Error::TooFewScores`].
pub fn add_intervals(
    plan: &Plan,
    coverage: f64,
    groups: &[String],
    predictions: &mut [Predictions],
) -> Result<(), Error> {
    let uncertainty = plan.uncertainty.as_ref().ok_or(Error::NoIntervals)?;
    let score = class_score_of(uncertainty);
    for target in &plan.targets {
        let Some(scores) = uncertainty.targets.get(target.name()) else { continue };
        if uncertainty.method == UncertaintyMethod::CvPlus {
            for (row, prediction) in predictions.iter_mut().enumerate() {
                let Some(prediction) = prediction.get_mut(target.name()) else { continue };
                bound_by_folds(scores, groups.get(row), coverage, prediction)
                    .map_err(|error| too_few(target.name(), error))?;
            }
            continue;
        }
        let bounds = Bounds::new(scores, coverage).map_err(|error| too_few(target.name(), error))?;
        for (row, prediction) in predictions.iter_mut().enumerate() {
            let Some(prediction) = prediction.get_mut(target.name()) else { continue };
            bound(target, score, coverage, bounds.of(groups.get(row)), prediction);
        }
    }
    Ok(())
}

/// Adds the interval of a number that the model of each fold predicts.
fn bound_by_folds(
    scores: &TargetScores,
    group: Option<&String>,
    coverage: f64,
    prediction: &mut Prediction,
) -> Result<(), TooFewScores> {
    let own = group.and_then(|group| scores.groups.get(group));
    let of_group = own.and_then(|own| of_folds(own, &prediction.outputs, coverage).ok());
    let (low, high) = match of_group {
        Some(bounds) => bounds,
        None => of_folds(&scores.all, &prediction.outputs, coverage)?,
    };
    let (low, high) = (PredictedValue::Number(low), PredictedValue::Number(high));
    prediction.interval = Some(PredictionInterval { coverage, low, high });
    Ok(())
}

/// Interval from the residuals of each fold and the predictions of the models without it, 0 where there are none.
fn of_folds(scores: &GroupScores, predicted: &[f64], coverage: f64) -> Result<(f64, f64), TooFewScores> {
    let predicted = predicted.iter().copied().chain(std::iter::repeat(0.0));
    let folds: Vec<CrossFold<'_>> = scores
        .steps
        .iter()
        .zip(predicted)
        .map(|(residuals, predicted)| CrossFold { residuals, predicted })
        .collect();
    cross_interval(&folds, coverage)
}

/// Quantiles of a target's scores at one coverage.
struct Bounds<'a> {
    all: Vec<f64>,
    groups: BTreeMap<&'a str, Vec<f64>>,
}

impl<'a> Bounds<'a> {
    fn new(scores: &'a TargetScores, coverage: f64) -> Result<Self, TooFewScores> {
        let of_group = |(name, own): (&'a String, &GroupScores)| {
            Some((name.as_str(), score_quantiles(own, coverage).ok()?))
        };
        let groups = scores.groups.iter().filter_map(of_group).collect();
        Ok(Self { all: score_quantiles(&scores.all, coverage)?, groups })
    }

    fn of(&self, group: Option<&String>) -> &[f64] {
        group.and_then(|group| self.groups.get(group.as_str())).unwrap_or(&self.all)
    }
}

/// Quantile of each step's scores.
///
/// # Errors
/// [`TooFewScores`] with the largest coverage that the calibration rows allow.
pub fn score_quantiles(scores: &GroupScores, coverage: f64) -> Result<Vec<f64>, TooFewScores> {
    let quantile = |(at, step): (usize, &Vec<f64>)| match scores.largest.get(at) {
        Some(largest) => ConformalScores::quantile_of_thinned(step, *largest, scores.rows, coverage),
        None => ConformalScores::quantile_of(step, coverage),
    };
    scores.steps.iter().enumerate().map(quantile).collect()
}

fn too_few(target: &str, TooFewScores { rows, coverage, largest }: TooFewScores) -> Error {
    Error::TooFewScores { target: target.to_owned(), rows, coverage, largest }
}

/// Adds the interval or the set of one prediction, given a quantile for each step.
fn bound(
    target: &FittedTarget,
    score: ClassScore,
    coverage: f64,
    quantiles: &[f64],
    prediction: &mut Prediction,
) {
    let Some(&first) = quantiles.first() else { return };
    match (&prediction.value, &prediction.probabilities) {
        (_, Some(probabilities)) => {
            let p: Vec<f64> = probabilities.values().map(|p| f64::from(*p)).collect();
            let scores = class_score(score, &p);
            let within = class_set(&scores, first);
            let mut classes: Vec<usize> = (0..p.len()).filter(|class| within[*class]).collect();
            classes.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
            prediction.set = Some(classes.into_iter().map(|class| target.class_value(class)).collect());
        }
        (PredictedValue::Number(value), None) => {
            let (low, high) = match *prediction.outputs {
                [low, high] => quantile_interval((low, high), first),
                _ => split_interval(*value, first),
            };
            let (low, high) = (PredictedValue::Number(low), PredictedValue::Number(high));
            prediction.interval = Some(PredictionInterval { coverage, low, high });
        }
        (PredictedValue::Numbers(values), None) => {
            let each =
                values.iter().zip(quantiles).map(|(value, quantile)| split_interval(*value, *quantile));
            let (low, high) = each.unzip();
            let (low, high) = (PredictedValue::Numbers(low), PredictedValue::Numbers(high));
            prediction.interval = Some(PredictionInterval { coverage, low, high });
        }
        (PredictedValue::Integer(_) | PredictedValue::Text(_), None) => {}
    }
}
