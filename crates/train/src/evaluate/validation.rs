//! Evaluation on the valid split during training.

use cupola_eval::{MetricSet, Metrics};
use cupola_nn::Network;
use cupola_prep::SplitExamples;

use super::{Evaluator, Selection};
use crate::error::Error;
use crate::event::MetricValues;

/// Evaluator of the valid split.
pub(crate) struct Validation<'a> {
    pub evaluator: Evaluator<'a>,
    pub part: &'a SplitExamples,
    /// Number of rows in use. In memory, rows are in the order of a hash, so the first ones are a random
    /// sample.
    pub rows: usize,
    /// Metric that selects the best evaluation.
    pub selection: Selection,
}

/// Result of an evaluation.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Validated {
    /// All metrics; empty without a valid split.
    pub metrics: MetricValues,
    /// Value of the goal; `None` if it is undefined.
    pub value: Option<f64>,
    /// Loss without label smoothing and class weights.
    pub loss: Option<f64>,
}

impl Validation<'_> {
    /// Metrics of `network`, which must be built for inference.
    ///
    /// # Errors
    /// The errors of [`Evaluator::evaluate`].
    pub fn run(&self, network: &Network) -> Result<Validated, Error> {
        if self.part.is_empty() {
            return Ok(Validated::default());
        }
        let found = self.evaluator.evaluate(network, self.part, self.rows, MetricSet::Training)?;
        Ok(self.validated(found))
    }

    fn validated(&self, found: Metrics) -> Validated {
        let value = |name: &str| found.values.get(name).copied();
        let (goal, loss) = (value(self.selection.goal.name()), value("loss"));
        let metrics = found.values.into_iter().map(|(name, value)| (name, value.into())).collect();
        Validated { metrics, value: goal, loss }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use cupola_nn::RandomWeights;
    use cupola_prep::SplitPart;
    use cupola_spec::Goal;

    use super::*;
    use crate::tests::{data, run};

    #[test]
    fn the_goal_and_the_loss_are_among_the_metrics_of_the_rows_in_use() {
        let run = run("");
        let prepared = data(&run);
        let architecture = crate::architecture(&run, &prepared.plan).unwrap();
        let device = Device::flex();
        let network = Network::build(&architecture, &mut RandomWeights { seed: 1 }, &device).unwrap();
        let objectives = crate::objectives(&run, &prepared);
        let evaluator = Evaluator { plan: &prepared.plan, objectives, device: &device };
        let part = prepared.part(SplitPart::Valid);
        let selection = Selection { goal: Goal::Rmse, replaced: None };
        let mut validation = Validation { evaluator, part, rows: part.len(), selection };
        let all = validation.run(&network).unwrap();
        assert_eq!(all.metrics.get("rmse").and_then(serde_json::Value::as_f64), all.value);
        assert_eq!(all.metrics.get("loss").and_then(serde_json::Value::as_f64), all.loss);
        assert!(all.value.is_some() && all.loss.is_some());
        validation.rows = 3;
        assert_ne!(validation.run(&network).unwrap(), all);
    }
}
