//! Comparison of the model of a run with an earlier version, on the rows that the run has kept of its last split.

use cupola_nn::DeviceChoice;
use cupola_prep::{Examples, ExamplesWithTargets, Frame, Plan, Prepared, SplitPart, examples_with_targets};
use cupola_registry::Package;
use cupola_report::Comparison;
use cupola_runtime::{EngineChoice, Predictor};
use cupola_spec::Run;
use cupola_train::{SplitOutputs, TargetObjective, default_objectives};

use super::{EvaluationOptions, TargetOutputs, difference, of_outputs};
use crate::error::Error;
use crate::session::Session;

/// Rows of one forward pass.
const CHUNK: usize = 1024;

/// Model of a run that is compared with an earlier version.
pub(crate) struct EarlierComparison<'a> {
    pub run: &'a Run,
    pub prepared: &'a Prepared,
    /// Plan as the package seals it.
    pub plan: &'a Plan,
    pub objectives: &'a [TargetObjective],
    /// Name of the model in messages.
    pub name: &'a str,
}

type Forward<'f> = dyn FnMut(&Examples) -> Result<Vec<f32>, Error> + 'f;

impl Session<'_> {
    /// Compares an earlier version, the first, with the model of a run, the second, whose logits `forward` returns. Both
    /// predict the raw rows that the run keeps of its test split, at most 10,000, or of its valid split without test rows.
    ///
    /// # Errors
    /// [`Error::Incomparable`] for models of different targets, classes or rows, and for rows of windows; a package that
    /// cannot be loaded.
    pub(crate) fn compare_earlier(
        &self,
        own: &EarlierComparison<'_>,
        earlier: &Package,
        forward: &mut Forward<'_>,
    ) -> Result<Comparison, Error> {
        let names = [earlier.label(), own.name.to_owned()];
        let incomparable = |why: &str| Error::Incomparable {
            first: names[0].clone(),
            second: names[1].clone(),
            why: why.to_owned(),
        };
        let plan = own.plan;
        if own.run.windowed() {
            return Err(incomparable("windows of a series are not kept as rows"));
        }
        let test = own.prepared.rows(SplitPart::Test) > 0;
        let part = if test { SplitPart::Test } else { SplitPart::Valid };
        let frame = &own.prepared.audit(part).sample.frame;
        if frame.rows() == 0 {
            return Err(incomparable("the run keeps no rows of its test split"));
        }
        let mut predictor =
            Predictor::load(earlier, EngineChoice::Auto, &self.open_device(DeviceChoice::Flex)?)?;
        let loaded = predictor.package.clone();
        if let Some(why) = difference(&loaded.plan, plan) {
            return Err(incomparable(&why));
        }
        let theirs = default_objectives(&loaded.plan);
        let first =
            outputs(&loaded.plan, &theirs, frame, &mut |examples| Ok(predictor.logits(examples.clone())?))?;
        let second = outputs(plan, own.objectives, frame, forward)?;
        if first.0 != second.0 {
            return Err(incomparable(&format!(
                "one predicts {} of the rows, the other {}",
                first.0, second.0
            )));
        }
        let options = EvaluationOptions::of(&own.run.evaluate, own.run.seed);
        Ok(of_outputs(names, plan, first.0, [&first.1, &second.1], &options))
    }
}

/// Number of examples that a plan makes of rows, and the outputs of each target.
fn outputs(
    plan: &Plan,
    objectives: &[TargetObjective],
    frame: &Frame,
    forward: &mut Forward<'_>,
) -> Result<(usize, Vec<TargetOutputs>), Error> {
    let examples: ExamplesWithTargets = examples_with_targets(plan, frame)?;
    let rows = examples.examples.rows;
    let indices: Vec<usize> = (0..rows).collect();
    let mut logits = Vec::new();
    for chunk in indices.chunks(CHUNK) {
        logits.extend(forward(&examples.examples.gather(chunk))?);
    }
    Ok((rows, TargetOutputs::of(plan, objectives, &SplitOutputs { logits, examples })))
}
