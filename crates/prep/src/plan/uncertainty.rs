//! Sealed scores of conformal prediction.

use std::collections::BTreeMap;

use cupola_spec::{TargetList, Uncertainty, UncertaintyMethod};
use serde::{Deserialize, Serialize};

use super::Plan;
use crate::error::Error;
use crate::frame::Frame;
use crate::target::{FittedTarget, NumberOutputs};

/// Scores of calibration rows, from which intervals and sets of any coverage follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SealedUncertainty {
    /// Method of the scores.
    pub method: UncertaintyMethod,
    /// Coverage where a request does not ask for another one.
    pub coverage: f64,
    /// Column whose values have scores of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Penalty of `raps`.
    pub penalty: f64,
    /// Number of classes without that penalty.
    pub free: usize,
    /// Scores by the name of the target.
    pub targets: BTreeMap<String, TargetScores>,
}

/// Scores of one target.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TargetScores {
    /// Scores of all calibration rows.
    pub all: GroupScores,
    /// Scores of the rows of each group; empty without groups.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, GroupScores>,
}

/// Scores of one group of rows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GroupScores {
    /// Number of calibration rows, of which many are thinned to fewer scores.
    pub rows: usize,
    /// Scores in ascending order: one list, or one for each step of a forecast, or one for each fold.
    pub steps: Vec<Vec<f64>>,
    /// Largest score of each list that was thinned, which bounds coverages beyond those of the remaining scores; empty if
    /// none was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub largest: Vec<f64>,
}

impl SealedUncertainty {
    /// Reason why it does not fit these targets; `None` if it does.
    pub(crate) fn problem(&self, targets: &TargetList<FittedTarget>) -> Option<String> {
        if !(self.coverage > 0.0 && self.coverage < 1.0 && self.penalty.is_finite()) {
            return Some("expected a coverage between 0 and 1 and a finite penalty".to_owned());
        }
        for target in targets {
            let steps = match target {
                FittedTarget::Number { outputs, .. } => match (self.method, outputs) {
                    (UncertaintyMethod::CvPlus, NumberOutputs::Folds(folds)) => *folds,
                    (UncertaintyMethod::Cqr, NumberOutputs::Quantiles(_)) => 1,
                    (UncertaintyMethod::CvPlus | UncertaintyMethod::Cqr, _) => {
                        return Some(format!("`{}` lacks the outputs of the method", target.name()));
                    }
                    _ => 1,
                },
                _ if self.method == UncertaintyMethod::CvPlus => {
                    return Some(format!("`{}` is not a number", target.name()));
                }
                FittedTarget::Category { .. } => 1,
                FittedTarget::Forecast { horizon, .. } => *horizon,
                _ => return Some(format!("`{}` is a target without intervals", target.name())),
            };
            let Some(scores) = self.targets.get(target.name()) else {
                return Some(format!("expected scores of `{}`", target.name()));
            };
            if !std::iter::once(&scores.all).chain(scores.groups.values()).all(|own| own.fits(steps)) {
                return Some(format!("expected {steps} ascending lists of scores of `{}`", target.name()));
            }
        }
        None
    }
}

impl GroupScores {
    fn fits(&self, steps: usize) -> bool {
        let ascends = |scores: &Vec<f64>| {
            scores.iter().all(|score| score.is_finite()) && scores.windows(2).all(|pair| pair[0] <= pair[1])
        };
        let bounds = |largest: &f64, step: &Vec<f64>| {
            largest.is_finite() && step.last().is_none_or(|last| last <= largest)
        };
        let bounded = self.largest.is_empty()
            || self.largest.len() == steps
                && self.largest.iter().zip(&self.steps).all(|(largest, step)| bounds(largest, step));
        self.steps.len() == steps && self.steps.iter().all(ascends) && bounded
    }
}

impl Plan {
    /// Gives the numbers the outputs that the method of their intervals requires.
    pub(crate) fn set_outputs(&mut self, uncertainty: Option<&Uncertainty>) {
        let Some(uncertainty) = uncertainty.filter(|own| own.method == UncertaintyMethod::Cqr) else {
            return;
        };
        for target in &mut self.targets {
            if let FittedTarget::Number { outputs, .. } = target {
                *outputs = NumberOutputs::quantiles(uncertainty.coverage);
            }
        }
    }

    /// Group of each raw row, by which its scores are chosen; `None` for a model without groups.
    ///
    /// # Errors
    /// [`Error::Column`] for a missing column, [`Error::Value`] for a value that does not fit.
    pub fn uncertainty_groups(&self, frame: &Frame) -> Result<Option<Vec<String>>, Error> {
        if self.uncertainty.as_ref().is_none_or(|uncertainty| uncertainty.by.is_none()) {
            return Ok(None);
        }
        self.groups_of_derived(&self.derived(frame)?)
    }

    /// Group of each row whose computed columns are in place; `None` for a model without groups.
    ///
    /// # Errors
    /// [`Error::Column`] for a missing column.
    pub fn groups_of_derived(&self, derived: &Frame) -> Result<Option<Vec<String>>, Error> {
        let Some(by) = self.uncertainty.as_ref().and_then(|uncertainty| uncertainty.by.as_ref()) else {
            return Ok(None);
        };
        let values = derived.require(by, "send it, since intervals are calibrated for each of its values")?;
        let group = |row| values.text(row).unwrap_or_default().into_owned();
        Ok(Some((0..derived.rows()).map(group).collect()))
    }
}
