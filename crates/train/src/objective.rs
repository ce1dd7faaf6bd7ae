//! Objectives of the targets: loss, weight, metric, and the encoded targets of a batch on a device.

use burn::tensor::{Device, Tensor};
use cupola_nn::{InputBatch, Loss, LossTargets, Objective};
use cupola_prep::{FittedTarget, NumberOutputs, Plan, Prepared, SplitPart, Targets};
use cupola_spec::{ClassWeights, Goal, LossKind, LossSpec, Run};

/// Default loss of a target.
fn loss_of(target: &FittedTarget) -> Loss {
    match target {
        FittedTarget::Number { .. }
        | FittedTarget::Forecast { .. }
        | FittedTarget::Reconstruct { .. }
        | FittedTarget::Rank { .. }
        | FittedTarget::Embedding { .. } => Loss::MeanSquared,
        FittedTarget::Category { .. } if target.width() == 1 => Loss::BinaryCrossEntropy,
        FittedTarget::Category { .. } | FittedTarget::NextToken { .. } => Loss::CrossEntropy,
    }
}

/// Loss and weight of one target, and its range of the logits.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetObjective {
    /// Loss of one example, with label smoothing and class weights.
    pub criterion: Objective,
    /// Weight of the loss in the sum over all targets.
    pub weight: f64,
    /// Index of the first logit.
    pub at: usize,
    /// Number of logits.
    pub width: usize,
    /// Outputs of a number: `criterion` is the loss of the number itself.
    pub outputs: NumberOutputs,
}

impl TargetObjective {
    /// Sum `[1]` over the batch of each example's loss. `logits` are those of the target, `[batch, width]`; quantiles add
    /// their pinball losses to the loss of the number.
    pub fn sum(&self, logits: Tensor<2>, targets: LossTargets) -> Tensor<1> {
        let NumberOutputs::Quantiles(levels) = self.outputs else {
            return self.criterion.sum(logits, targets);
        };
        let value = self.criterion.sum(logits.clone().narrow(1, 0, 1), targets.clone());
        (1..).zip(levels).fold(value, |sum, (at, quantile)| {
            let pinball = Objective::from(Loss::Quantile { quantile });
            sum + pinball.sum(logits.clone().narrow(1, at, 1), targets.clone())
        })
    }
}

/// Objectives of a run's targets in order.
pub fn objectives(run: &Run, prepared: &Prepared) -> Vec<TargetObjective> {
    let train = prepared.part(SplitPart::Train);
    let objectives = prepared.plan.targets.iter().enumerate();
    let objectives =
        objectives.map(|(index, target)| objective(&run.train.loss, target, &train.classes(index)));
    let weights = run.targets.iter().map(|target| target.weight.unwrap_or(1.0));
    with_logit_ranges(&prepared.plan, objectives.zip(weights))
}

/// Objectives of a plan without its run: default losses of equal weight.
pub fn default_objectives(plan: &Plan) -> Vec<TargetObjective> {
    with_logit_ranges(plan, plan.targets.iter().map(|target| (Objective::from(loss_of(target)), 1.0)))
}

/// Adds the range of the logits to the loss and the weight of each target.
fn with_logit_ranges(plan: &Plan, criteria: impl Iterator<Item = (Objective, f64)>) -> Vec<TargetObjective> {
    let mut at = 0;
    let objectives = plan.targets.iter().zip(criteria).map(|(target, (criterion, weight))| {
        let width = target.width();
        at += width;
        let outputs = match target {
            FittedTarget::Number { outputs, .. } => *outputs,
            _ => NumberOutputs::Value,
        };
        TargetObjective { criterion, weight, at: at - width, width, outputs }
    });
    objectives.collect()
}

/// Loss for comparing a device with the CPU: the loss of the only target, or the mean square of all logits if
/// there are several targets or quantiles.
pub fn trial_loss(objectives: &[TargetObjective]) -> Loss {
    match objectives {
        [only] if only.outputs.is_value() => only.criterion.loss,
        _ => Loss::MeanSquared,
    }
}

/// Objective of a target; `rows` holds the number of training rows of each class, for class weights.
fn objective(spec: &LossSpec, target: &FittedTarget, rows: &[usize]) -> Objective {
    let plain = loss_of(target);
    let loss = match (spec.kind, plain) {
        (LossKind::Focal, Loss::CrossEntropy) => Loss::Focal { gamma: spec.gamma },
        (LossKind::Focal, Loss::BinaryCrossEntropy) => Loss::BinaryFocal { gamma: spec.gamma },
        (LossKind::Huber, Loss::MeanSquared) => Loss::Huber { delta: spec.delta },
        (LossKind::Quantile, Loss::MeanSquared) => Loss::Quantile { quantile: spec.quantile },
        _ => plain,
    };
    let class_weights = match (spec.class_weights, target) {
        (ClassWeights::Balanced, FittedTarget::Category { classes, .. }) => balanced(classes.len(), rows),
        _ => Vec::new(),
    };
    Objective { loss, label_smoothing: spec.label_smoothing, class_weights }
}

/// Class weights `rows / (classes * rows of the class)`, as scikit-learn's
/// `compute_class_weight("balanced")`.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
fn balanced(classes: usize, rows: &[usize]) -> Vec<f32> {
    let all: usize = rows.iter().sum();
    let count = |class: usize| rows.get(class).copied().unwrap_or(0).max(1);
    (0..classes).map(|class| (all as f64 / (classes as f64 * count(class) as f64)) as f32).collect()
}

/// Default metric that selects the best evaluation.
pub fn goal(plan: &Plan) -> Goal {
    if !plan.targets.is_single() {
        return Goal::Loss;
    }
    let target = plan.targets.first();
    match target {
        FittedTarget::Number { .. } | FittedTarget::Forecast { .. } => Goal::Rmse,
        FittedTarget::Category { .. } if target.width() == 1 => Goal::RocAuc,
        FittedTarget::Category { .. } => Goal::Accuracy,
        FittedTarget::Rank { .. } => Goal::NdcgAt10,
        FittedTarget::NextToken { .. }
        | FittedTarget::Reconstruct { .. }
        | FittedTarget::Embedding { .. } => Goal::Loss,
    }
}

/// Encoded targets of a batch on a device, in the form that `loss` compares. A reconstruction is compared
/// with `input`, the input of the network.
#[allow(clippy::cast_precision_loss)]
pub fn loss_targets(loss: Loss, targets: Targets, input: &InputBatch, device: &Device) -> LossTargets {
    match (loss, targets) {
        (Loss::CrossEntropy | Loss::Focal { .. }, Targets::Class(class)) => {
            LossTargets::classes(class, device)
        }
        (_, Targets::Class(class)) => {
            LossTargets::numbers(class.into_iter().map(|c| c as f32).collect(), device)
        }
        // Only trees learn a ranking.
        (_, Targets::Number(values) | Targets::Relevance { values, .. }) => {
            LossTargets::numbers(values, device)
        }
        (_, Targets::Vector { width, values }) => LossTargets::vectors(values, width, device),
        (_, Targets::Reconstruction { .. }) => match &input.dense {
            Some(dense) => LossTargets::Vector(dense.clone()),
            None => LossTargets::vectors(Vec::new(), 1, device),
        },
        (_, Targets::Tokens { next, .. }) => LossTargets::classes(next, device),
    }
}
