//! What a target asks of training: its loss, its goal, its truth on a device.

use burn::tensor::Device;
use cupola_nn::{Input, Loss, Objective, Truth};
use cupola_prep::{FittedTarget, Part, Plan, Prepared, Targets};
use cupola_spec::{ClassWeights, Goal, LossKind, LossSpec, Run};

/// The loss that fits a target where the config asks for none.
fn loss_of(target: &FittedTarget) -> Loss {
    match target {
        FittedTarget::Number { .. }
        | FittedTarget::Forecast { .. }
        | FittedTarget::Reconstruct { .. }
        | FittedTarget::Embedding { .. } => Loss::MeanSquared,
        FittedTarget::Category { .. } if target.width() == 1 => Loss::BinaryCrossEntropy,
        FittedTarget::Category { .. } | FittedTarget::NextToken { .. } => Loss::CrossEntropy,
    }
}

/// What training asks of one of the plan's targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Aim {
    /// Of one example.
    pub objective: Objective,
    /// What it counts beside the others.
    pub weight: f64,
    /// First of its logits.
    pub at: usize,
    /// Its logits.
    pub width: usize,
}

/// What a run asks of its targets, in their order.
pub fn aims(run: &Run, prepared: &Prepared) -> Vec<Aim> {
    let train = prepared.part(Part::Train);
    let objectives = prepared.plan.targets.iter().enumerate();
    let objectives =
        objectives.map(|(index, target)| objective(&run.train.loss, target, &train.classes(index)));
    let weights = run.targets.iter().map(|target| target.weight.unwrap_or(1.0));
    placed(&prepared.plan, objectives.zip(weights))
}

/// The aims of a plan whose run is not known: plain losses that count alike.
pub fn plain_aims(plan: &Plan) -> Vec<Aim> {
    placed(plan, plan.targets.iter().map(|target| (Objective::from(loss_of(target)), 1.0)))
}

fn placed(plan: &Plan, asked: impl Iterator<Item = (Objective, f64)>) -> Vec<Aim> {
    let mut at = 0;
    let aims = plan.targets.iter().zip(asked).map(|(target, (objective, weight))| {
        let width = target.width();
        at += width;
        Aim { objective, weight, at: at - width, width }
    });
    aims.collect()
}

/// The loss by which a device shows that it computes what the CPU computes: that of the only target,
/// the mean square of all logits where there are several.
pub fn trial_loss(aims: &[Aim]) -> Loss {
    match aims {
        [only] => only.objective.loss,
        _ => Loss::MeanSquared,
    }
}

/// What training minimises; class weights are those of `rows`, the training rows of each class.
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

/// `rows / (classes * rows of the class)`, as scikit-learn's `compute_class_weight("balanced")`.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
fn balanced(classes: usize, rows: &[usize]) -> Vec<f32> {
    let all: usize = rows.iter().sum();
    let count = |class: usize| rows.get(class).copied().unwrap_or(0).max(1);
    (0..classes).map(|class| (all as f64 / (classes as f64 * count(class) as f64)) as f32).collect()
}

/// The metric that picks the best evaluation where the config names none.
pub fn goal(plan: &Plan) -> Goal {
    if !plan.targets.is_single() {
        return Goal::Loss;
    }
    let target = plan.targets.first();
    match target {
        FittedTarget::Number { .. } | FittedTarget::Forecast { .. } => Goal::Rmse,
        FittedTarget::Category { .. } if target.width() == 1 => Goal::RocAuc,
        FittedTarget::Category { .. } => Goal::Accuracy,
        FittedTarget::NextToken { .. }
        | FittedTarget::Reconstruct { .. }
        | FittedTarget::Embedding { .. } => Goal::Loss,
    }
}

/// A batch's targets on a device, the way `loss` compares them; `input` is what the network sees.
#[allow(clippy::cast_precision_loss)]
pub fn truth(loss: Loss, targets: Targets, input: &Input, device: &Device) -> Truth {
    match (loss, targets) {
        (Loss::CrossEntropy | Loss::Focal { .. }, Targets::Class(class)) => Truth::classes(class, device),
        (_, Targets::Class(class)) => Truth::numbers(class.into_iter().map(|c| c as f32).collect(), device),
        (_, Targets::Number(values)) => Truth::numbers(values, device),
        (_, Targets::Vector { width, values }) => Truth::vectors(values, width, device),
        (_, Targets::Own { .. }) => match &input.dense {
            Some(dense) => Truth::Vector(dense.clone()),
            None => Truth::vectors(Vec::new(), 1, device),
        },
        (_, Targets::Tokens { next, .. }) => Truth::classes(next, device),
    }
}
