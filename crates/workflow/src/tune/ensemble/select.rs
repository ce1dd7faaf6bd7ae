//! Weights of candidates from their predictions of the valid rows.

use std::str::FromStr;

use cupola_eval::{greedy_selection, shrink_weights, stack_by_log_loss, stack_by_squared_error};
use cupola_prep::{ExamplesWithTargets, FittedTarget, Plan, Targets};
use cupola_runtime::logits_of_blend;
use cupola_spec::Goal;
use cupola_train::{SplitOutputs, TargetObjective};
use serde::Serialize;

use crate::error::Error;

/// Rounds of a greedy selection.
const ROUNDS: usize = 50;

/// Method that chooses the weights of an ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EnsembleMethod {
    /// Adds the model that improves the metric most, again and again (Caruana et al. 2004). Weights of fewer than 2000 rows are
    /// drawn towards the mean of the good models.
    Greedy,
    /// Weights that are not negative and sum to 1 with the smallest log loss or squared error (van der Laan et al. 2007).
    Stacking,
    /// The same weight for all.
    Average,
}

impl EnsembleMethod {
    /// Names of all methods.
    pub const NAMES: [&'static str; 3] = ["greedy", "stacking", "average"];
}

impl FromStr for EnsembleMethod {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "greedy" => Ok(Self::Greedy),
            "stacking" => Ok(Self::Stacking),
            "average" => Ok(Self::Average),
            _ => Err(format!("expected {}", Self::NAMES.join(", "))),
        }
    }
}

/// Valid rows with what measures predictions of them.
pub(super) struct Measure<'a> {
    pub plan: &'a Plan,
    pub objectives: &'a [TargetObjective],
    pub goal: Goal,
    outputs: SplitOutputs,
}

impl<'a> Measure<'a> {
    /// Measure of these rows, whose examples are not needed.
    pub fn new(
        plan: &'a Plan,
        objectives: &'a [TargetObjective],
        goal: Goal,
        mut rows: ExamplesWithTargets,
    ) -> Self {
        rows.examples.dense = Vec::new();
        rows.examples.indices = Vec::new();
        Self { plan, objectives, goal, outputs: SplitOutputs { logits: Vec::new(), examples: rows } }
    }

    /// Value of the metric for predictions `[rows, values]`; `None` where it is undefined.
    pub fn value(&mut self, values: &[f64]) -> Option<f64> {
        self.outputs.logits = logits_of_blend(&self.plan.targets, values);
        let metrics = self.outputs.metrics(self.plan, self.objectives);
        metrics.values.get(self.goal.name()).copied().filter(|value| value.is_finite())
    }

    /// Weights of the candidates, whose predictions are `[rows, values]` each; they sum to 1.
    ///
    /// # Errors
    /// [`Error::Ensemble`] for a metric that is undefined for all of them, and for stacking of several targets.
    pub fn weights(&mut self, method: EnsembleMethod, candidates: &[Vec<f64>]) -> Result<Vec<f64>, Error> {
        match method {
            #[allow(clippy::cast_precision_loss)]
            EnsembleMethod::Average => Ok(vec![1.0 / candidates.len() as f64; candidates.len()]),
            EnsembleMethod::Greedy => {
                let sign = if self.goal.larger_is_better() { -1.0 } else { 1.0 };
                let mut loss = |values: &[f64]| self.value(values).map(|value| sign * value);
                let found = greedy_selection(candidates, ROUNDS, &mut loss);
                let losses: Vec<Option<f64>> = candidates.iter().map(|values| loss(values)).collect();
                let found = found.ok_or_else(|| Error::Ensemble {
                    why: format!("`{}` is undefined on the valid rows", self.goal.name()),
                    remedy: "choose another `train.metric`, or --method average",
                })?;
                Ok(shrink_weights(&found.weights, &losses, self.outputs.examples.examples.rows))
            }
            EnsembleMethod::Stacking => self.stacked(candidates),
        }
    }

    fn stacked(&self, candidates: &[Vec<f64>]) -> Result<Vec<f64>, Error> {
        let refused = |why: &str| Error::Ensemble {
            why: format!("stacking requires one target that is a class or a number; {why}"),
            remedy: "choose --method greedy",
        };
        if !self.plan.targets.is_single() {
            return Err(refused("the models have several"));
        }
        match (self.plan.targets.first(), self.outputs.examples.targets.first()) {
            (FittedTarget::Category { classes, .. }, Targets::Class(rows)) => {
                let of_class = |values: &Vec<f64>| -> Vec<f64> {
                    let each = values.chunks_exact(classes.len()).zip(rows);
                    let own = each
                        .map(|(row, class)| usize::try_from(*class).ok().and_then(|class| row.get(class)));
                    own.map(|own| own.copied().unwrap_or_default()).collect()
                };
                Ok(stack_by_log_loss(&candidates.iter().map(of_class).collect::<Vec<_>>()))
            }
            (FittedTarget::Number { shift, factor, .. }, Targets::Number(rows)) => {
                let targets: Vec<f64> = rows.iter().map(|value| f64::from(*value) / factor + shift).collect();
                Ok(stack_by_squared_error(candidates, &targets))
            }
            _ => Err(refused("the models have another kind")),
        }
    }
}
