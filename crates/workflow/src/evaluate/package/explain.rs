//! Importance of columns, and dependence on them, for a package on other rows.

use cupola_eval::curves::evenly_chosen;
use cupola_prep::examples_with_targets;
use cupola_report::SplitEvaluation;
use cupola_train::{ColumnImportance, default_objectives, importance_of_examples};

use super::{SourceOutputs, forward};
use crate::error::Error;
use crate::evaluate::dependence::{DependenceRequest, importance_of};
use crate::models::inference::LoadedModel;

/// Rows that importance is measured on.
const ROWS: usize = 1000;
/// Seconds for the dependence on columns.
const SECONDS: f64 = 1.0;

/// Adds importance and dependence to the targets of a split. Importance is that of the loss of all targets, so only a
/// single target has it.
///
/// # Errors
/// Rows that do not fit the plan, a device that fails.
pub(super) fn explain(
    model: &mut LoadedModel,
    source: &SourceOutputs,
    seed: u64,
    split: &mut SplitEvaluation,
) -> Result<(), Error> {
    let importance = importance(model, source, seed)?;
    if let [target] = split.targets.as_mut_slice() {
        target.importance = importance_of(&importance);
    }
    let package = model.predictor.package.clone();
    let request = DependenceRequest {
        plan: &package.plan,
        audit: &source.audit,
        important: &importance,
        seed,
        seconds: SECONDS,
    };
    let curves = request.curves(&mut |examples| forward(&mut model.predictor, &examples))?;
    for (target, curves) in split.targets.iter_mut().zip(curves) {
        target.dependence = curves;
    }
    Ok(())
}

/// Importance on evenly spaced rows: those of the sample, or the examples where these are windows.
fn importance(
    model: &mut LoadedModel,
    source: &SourceOutputs,
    seed: u64,
) -> Result<Vec<ColumnImportance>, Error> {
    let package = model.predictor.package.clone();
    let plan = &package.plan;
    let all = &source.outputs.examples;
    let examples = if plan.window().is_some() {
        all.gather(&evenly_chosen(all.examples.rows, ROWS).collect::<Vec<_>>())
    } else {
        let sample = &source.audit.sample.frame;
        if sample.rows() == 0 || plan.column_places().is_empty() {
            return Ok(Vec::new());
        }
        examples_with_targets(plan, &sample.take(&evenly_chosen(sample.rows(), ROWS).collect::<Vec<_>>()))?
    };
    let objectives = default_objectives(plan);
    importance_of_examples(plan, &objectives, &examples, seed, &mut |examples| {
        forward(&mut model.predictor, examples)
    })
}
