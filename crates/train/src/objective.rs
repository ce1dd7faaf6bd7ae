//! What a target asks of training: its loss, its goal, its truth on a device.

use burn::tensor::Device;
use cupola_nn::{Input, Loss, Objective, Truth};
use cupola_prep::{FittedTarget, Targets};
use cupola_spec::{ClassWeights, Goal, LossKind, LossSpec};

/// The loss that fits a target where the config asks for none.
pub fn loss_of(target: &FittedTarget) -> Loss {
    match target {
        FittedTarget::Number { .. }
        | FittedTarget::Forecast { .. }
        | FittedTarget::Reconstruct { .. }
        | FittedTarget::Embedding { .. } => Loss::MeanSquared,
        FittedTarget::Category { .. } if target.width() == 1 => Loss::BinaryCrossEntropy,
        FittedTarget::Category { .. } | FittedTarget::NextToken { .. } => Loss::CrossEntropy,
    }
}

/// What training minimises; class weights are those of `train`, the training targets.
pub fn objective(spec: &LossSpec, target: &FittedTarget, train: &Targets) -> Objective {
    let plain = loss_of(target);
    let loss = match (spec.kind, plain) {
        (LossKind::Focal, Loss::CrossEntropy) => Loss::Focal { gamma: spec.gamma },
        (LossKind::Focal, Loss::BinaryCrossEntropy) => Loss::BinaryFocal { gamma: spec.gamma },
        (LossKind::Huber, Loss::MeanSquared) => Loss::Huber { delta: spec.delta },
        (LossKind::Quantile, Loss::MeanSquared) => Loss::Quantile { quantile: spec.quantile },
        _ => plain,
    };
    let class_weights = match (spec.class_weights, target, train) {
        (ClassWeights::Balanced, FittedTarget::Category { classes, .. }, Targets::Class(rows)) => {
            balanced(classes.len(), rows)
        }
        _ => Vec::new(),
    };
    Objective { loss, label_smoothing: spec.label_smoothing, class_weights }
}

/// `rows / (classes * rows of the class)`, as scikit-learn's `compute_class_weight("balanced")`.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
fn balanced(classes: usize, rows: &[i32]) -> Vec<f32> {
    let mut counts = vec![0_usize; classes];
    for class in rows {
        if let Some(count) = usize::try_from(*class).ok().and_then(|class| counts.get_mut(class)) {
            *count += 1;
        }
    }
    let weight = |count: usize| (rows.len() as f64 / (classes as f64 * count.max(1) as f64)) as f32;
    counts.into_iter().map(weight).collect()
}

/// The metric that picks the best evaluation where the config names none.
pub fn goal(target: &FittedTarget) -> Goal {
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
