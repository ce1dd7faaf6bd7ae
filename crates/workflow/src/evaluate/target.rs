//! Evaluation of the targets of one split or source.

mod bands;
mod detail;
mod intervals;
mod metrics;
mod outputs;
mod reliability;
mod slices;
mod subgroups;
mod worst;

use cupola_eval::Metrics;
use cupola_prep::{AuditRows, Plan};
use cupola_report::{Detail, SplitEvaluation, TargetEvaluation};
use cupola_train::{SplitOutputs, TargetObjective};

use super::EvaluationOptions;

pub(super) use self::outputs::{TargetOutputs, decided};

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
        let mut detail = detail::detail(outputs, name, self.metrics);
        if let (Detail::Forecast(forecast), Some(found)) = (&mut detail, self.outputs) {
            bands::add(forecast, self.plan, name, &found.logits);
        }
        TargetEvaluation {
            target: name.to_owned(),
            metrics: metrics::metrics(self, name, outputs, options),
            detail,
            subgroups: subgroups::tables(outputs, self.audit, options),
            slices: slices::slices(self.plan, &losses, self.audit, options.seed),
            worst: worst::worst(self.plan, outputs, &losses, self.audit),
            ..TargetEvaluation::default()
        }
    }
}
