//! Evaluation of a model on rows: metrics with intervals, plots, subgroups, error slices and the worst errors, as one
//! document.
//!
//! [`SplitToEvaluate`] holds the logits of a split, its encoded targets and a sample of its raw rows. Its logits are decoded
//! once into [`TargetOutputs`](outputs::TargetOutputs), plain numbers for each target, which all further parts take. The
//! end of a run, `cupola evaluate` and the comparison of two models share it.

pub(crate) mod compare;
mod data_section;
mod detail;
mod intervals;
mod learning;
mod metrics;
mod model_section;
mod outputs;
mod package;
mod run;
mod slices;
mod subgroups;
mod worst;
mod write;

use cupola_eval::Metrics;
use cupola_prep::{AuditRows, Plan};
use cupola_report::{SplitEvaluation, TargetEvaluation};
use cupola_spec::Evaluate;
use cupola_train::{SplitOutputs, TargetObjective};

pub(crate) use self::compare::EarlierComparison;
pub use self::compare::{CompareRequest, ComparedModels};
pub use self::package::{EvaluatedModel, PublishedMetrics};
pub(crate) use self::run::RunEvaluation;
pub use self::write::{evaluation_json, sealed_document, write_page};

use self::outputs::TargetOutputs;

/// Settings of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationOptions {
    /// Columns whose groups get metrics of their own.
    pub subgroups: Vec<String>,
    /// Rows that a group needs to be reported.
    pub min_support: usize,
    /// Resamples of the bootstrap; 0 for no intervals.
    pub resamples: usize,
    /// Seed of the resamples.
    pub seed: u64,
}

impl EvaluationOptions {
    /// Settings of `[evaluate]`.
    pub fn of(evaluate: &Evaluate, seed: u64) -> Self {
        let Evaluate { subgroups, min_support, resamples, .. } = evaluate.clone();
        Self { subgroups, min_support, resamples, seed }
    }
}

/// Outputs of a model on one split or source, and what is known of its rows.
pub(crate) struct SplitToEvaluate<'a> {
    /// Name of the split or source.
    pub split: &'a str,
    pub plan: &'a Plan,
    pub objectives: &'a [TargetObjective],
    /// Logits and encoded targets; `None` for a language model.
    pub outputs: Option<&'a SplitOutputs>,
    pub metrics: &'a Metrics,
    /// Metrics of a trivial model on the same rows.
    pub baseline: Option<&'a Metrics>,
    /// Raw rows.
    pub audit: &'a AuditRows,
    /// Name of the metric that comes first.
    pub goal: Option<&'a str>,
}

impl SplitToEvaluate<'_> {
    /// Results of all targets.
    pub fn evaluate(&self, options: &EvaluationOptions) -> SplitEvaluation {
        let outputs = self.outputs.map(|outputs| TargetOutputs::of(self.plan, self.objectives, outputs));
        let targets = self.plan.targets.iter().enumerate().map(|(index, target)| {
            let outputs = outputs.as_ref().map_or(&TargetOutputs::Other, |outputs| &outputs[index]);
            self.target(target.name(), outputs, options)
        });
        SplitEvaluation {
            split: self.split.to_owned(),
            rows: self.metrics.rows as u64,
            targets: targets.collect(),
        }
    }

    fn target(&self, name: &str, outputs: &TargetOutputs, options: &EvaluationOptions) -> TargetEvaluation {
        let losses = outputs.losses();
        TargetEvaluation {
            target: name.to_owned(),
            metrics: metrics::metrics(self, name, outputs, options),
            detail: detail::detail(outputs, name, self.metrics),
            subgroups: subgroups::tables(outputs, self.audit, options),
            slices: slices::slices(self.plan, &losses, self.audit, options.seed),
            worst: worst::worst(self.plan, outputs, &losses, self.audit),
            ..TargetEvaluation::default()
        }
    }
}
