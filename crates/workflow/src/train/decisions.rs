//! Decisions that are fitted after training and sealed in the plan: calibration and threshold on the valid split, scores of
//! intervals on the calibration rows.

pub(crate) mod folds;
mod intervals;
mod probabilities;

use cupola_prep::{FittedTarget, Plan, Prepared, SplitPart, Targets};
use cupola_spec::{Run, TargetList, UncertaintyMethod};
use serde_json::{Map, Value};

use super::final_model::FinalModel;
use crate::error::Error;

/// Fewest calibration rows of intervals.
const LEAST_ROWS: usize = 20;
/// Rows whose logits are computed at once.
const CHUNK: usize = 8192;

/// Plan with the fitted decisions, and what is reported of them.
pub(super) struct SealedDecisions {
    pub plan: Plan,
    /// Entries of `metrics.json`: `calibration`, `threshold` and `uncertainty`.
    pub about: Map<String, Value>,
    /// Coverage and size of intervals and sets on the test split, by the name of the metric.
    pub coverage: Vec<(String, f64)>,
    /// One line each.
    pub warnings: Vec<String>,
}

/// Refuses to train one model where the intervals require one for each fold.
///
/// # Errors
/// [`Error::Decision`].
pub(crate) fn check_single(run: &Run) -> Result<(), Error> {
    if run.uncertainty.as_ref().is_none_or(|own| own.method != UncertaintyMethod::CvPlus) {
        return Ok(());
    }
    Err(Error::Decision {
        key: "uncertainty.method",
        why: "`cv_plus` requires a model for each fold".to_owned(),
        remedy: "use `cupola cv`, or write `split`".to_owned(),
    })
}

/// Checks before training that the data allows the decisions.
///
/// # Errors
/// [`Error::Decision`] for a threshold without a target of two classes, and for too few calibration rows.
pub(super) fn check(run: &Run, prepared: &Prepared) -> Result<(), Error> {
    let two_classes = |target: &FittedTarget| target.positive().is_some();
    if run.evaluate.threshold.is_some() && !prepared.plan.targets.iter().any(two_classes) {
        let classes = prepared.plan.targets.iter().find_map(|target| match target {
            FittedTarget::Category { name, classes, .. } => {
                Some(format!("`{name}` has {} classes", classes.len()))
            }
            _ => None,
        });
        return Err(Error::Decision {
            key: "evaluate.threshold",
            why: format!(
                "a threshold requires two classes, {}",
                classes.unwrap_or_else(|| "found none".to_owned())
            ),
            remedy: "remove it".to_owned(),
        });
    }
    let uncertainty = run.uncertainty.as_ref().filter(|own| own.calibration_share().is_some());
    let Some(uncertainty) = uncertainty else { return Ok(()) };
    let rows = prepared.rows(SplitPart::Calibrate);
    // The quantile of `n` scores is finite up to a coverage of `n / (n + 1)`.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let least =
        ((uncertainty.coverage / (1.0 - uncertainty.coverage) - 1e-9).ceil() as usize).max(LEAST_ROWS);
    if rows >= least {
        return Ok(());
    }
    let coverage = uncertainty.coverage;
    Err(Error::Decision {
        key: "uncertainty",
        why: format!("{rows} rows are left to calibrate, but a coverage of {coverage} requires {least}"),
        remedy: format!(
            "raise `uncertainty.share`, which is {}, add rows, or lower the coverage",
            uncertainty.share
        ),
    })
}

impl SealedDecisions {
    /// Fits what the run declares to the final model.
    pub fn fit(run: &Run, prepared: &Prepared, model: &mut dyn FinalModel) -> Result<Self, Error> {
        let plan = prepared.plan.clone();
        let mut sealed = Self { plan, about: Map::new(), coverage: Vec::new(), warnings: Vec::new() };
        if run.evaluate.calibration.is_some() || run.evaluate.threshold.is_some() {
            sealed.fit_probabilities(&run.evaluate, prepared, model)?;
        }
        let uncertainty = run.uncertainty.as_ref().filter(|own| own.calibration_share().is_some());
        if let Some(uncertainty) = uncertainty {
            sealed.fit_intervals(uncertainty, prepared, model)?;
        }
        Ok(sealed)
    }
}

/// Logits of a split and its targets.
struct SplitLogits {
    /// `[rows, width]`
    logits: Vec<f32>,
    width: usize,
    targets: TargetList<Targets>,
}

impl SplitLogits {
    /// Computes the logits of at most `most` evenly spaced rows.
    fn of(
        prepared: &Prepared,
        part: SplitPart,
        most: usize,
        model: &mut dyn FinalModel,
    ) -> Result<Self, Error> {
        let split = prepared.part(part);
        let rows = split.len().min(most);
        let indices: Vec<usize> = (0..rows).map(|row| row * split.len() / rows).collect();
        let (mut logits, mut seen) = (Vec::new(), split.gather(&[])?);
        for rows in indices.chunks(CHUNK) {
            let chunk = split.gather(rows)?;
            logits.extend(model.logits(&chunk.examples)?);
            seen.append_targets(chunk);
        }
        Ok(Self { logits, width: prepared.plan.width().max(1), targets: seen.targets })
    }

    fn rows(&self) -> usize {
        self.logits.len() / self.width
    }

    /// Logits `[rows, target width]` of the target whose logits begin at `at`.
    fn of_target(&self, at: usize, width: usize) -> Vec<f32> {
        self.logits.chunks(self.width).flat_map(|row| &row[at..at + width]).copied().collect()
    }
}

/// First logit of each target.
fn offsets(plan: &Plan) -> Vec<usize> {
    let widths = plan.targets.iter().map(FittedTarget::width);
    let sums = widths.scan(0, |sum, width| {
        let at = *sum;
        *sum += width;
        Some(at)
    });
    sums.collect()
}
