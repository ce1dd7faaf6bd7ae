//! Losses on the host, for metrics.

use cupola_eval::RankedGroups;
use cupola_nn::Loss;
use cupola_prep::{NumberOutputs, Targets};

use crate::objective::TargetObjective;

/// Mean loss of the logits `[rows, width]` of a target, without label smoothing and class weights: of quantiles the sum of
/// their losses and that of the number, of several models that of their mean. `inputs` are as for [`mean_loss`]. `None` without examples.
pub fn mean_target_loss(
    objective: &TargetObjective,
    logits: &[f32],
    targets: &Targets,
    inputs: &[f32],
) -> Option<f64> {
    let (loss, width) = (objective.criterion.loss, objective.width);
    let levels = match objective.outputs {
        NumberOutputs::Value => return mean_loss(loss, width, logits, targets, inputs),
        NumberOutputs::Folds(folds) => {
            #[allow(clippy::cast_precision_loss)]
            let mean = |row: &[f32]| row.iter().sum::<f32>() / folds as f32;
            let means: Vec<f32> = logits.chunks_exact(width).map(mean).collect();
            return mean_loss(loss, 1, &means, targets, inputs);
        }
        NumberOutputs::Quantiles(levels) => levels,
    };
    let losses = std::iter::once(loss).chain(levels.map(|quantile| Loss::Quantile { quantile }));
    let each = losses.enumerate().map(|(at, loss)| {
        let own: Vec<f32> = logits.chunks_exact(width).map(|row| row[at]).collect();
        mean_loss(loss, 1, &own, targets, inputs)
    });
    each.sum()
}

/// Mean loss of logits on the host; `inputs` are the numbers that a reconstruction is compared with. `None`
/// without examples.
#[allow(clippy::cast_precision_loss)]
fn mean_loss(loss: Loss, width: usize, logits: &[f32], targets: &Targets, inputs: &[f32]) -> Option<f64> {
    let losses: Vec<f64> = match targets {
        Targets::Relevance { groups, values } => return ranking_loss(groups, values, logits),
        // A row's loss is the mean over its values, so the mean over all values is the mean over the rows.
        Targets::Number(y) | Targets::Vector { values: y, .. } => differences(loss, logits, y),
        Targets::Reconstruction { .. } => differences(loss, logits, inputs),
        Targets::Class(class) if width == 1 => logits
            .iter()
            .zip(class)
            .map(|(&x, &y)| {
                let (x, y) = (f64::from(x), f64::from(y));
                let plain = x.max(0.0) - x * y + (-x.abs()).exp().ln_1p();
                plain * focus(loss, (-plain).exp())
            })
            .collect(),
        Targets::Class(class) | Targets::Tokens { next: class, .. } => logits
            .chunks(width)
            .zip(class)
            .filter_map(|(row, &class)| {
                let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f64 = row.iter().map(|x| f64::from(x - most).exp()).sum();
                let logit = row.get(usize::try_from(class).ok()?)?;
                let plain = sum.ln() - f64::from(logit - most);
                Some(plain * focus(loss, (-plain).exp()))
            })
            .collect(),
    };
    (!losses.is_empty()).then(|| losses.iter().sum::<f64>() / losses.len() as f64)
}

/// One less the mean NDCG of the first ten rows of each group; `None` without a relevant row.
fn ranking_loss(groups: &[u64], grades: &[f32], scores: &[f32]) -> Option<f64> {
    let [grades, scores] =
        [grades, scores].map(|list| list.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
    let ranked = RankedGroups::of_grades(groups, &grades, &scores).ok()?;
    ranked.ndcg(Some(10), None).ok().map(|ndcg| 1.0 - ndcg)
}

fn differences(loss: Loss, logits: &[f32], y: &[f32]) -> Vec<f64> {
    logits.iter().zip(y).map(|(x, y)| loss_of_difference(loss, f64::from(x - y))).collect()
}

/// Loss of a prediction that is too large by `off`.
fn loss_of_difference(loss: Loss, off: f64) -> f64 {
    match loss {
        Loss::Huber { delta } if off.abs() > delta => delta * (off.abs() - 0.5 * delta),
        Loss::Huber { .. } => 0.5 * off * off,
        Loss::Quantile { quantile } => (-quantile * off).max((1.0 - quantile) * off),
        _ => off * off,
    }
}

/// Factor of the focal loss for a class of probability `p`.
fn focus(loss: Loss, p: f64) -> f64 {
    match loss {
        Loss::Focal { gamma } | Loss::BinaryFocal { gamma } => (1.0 - p).max(0.0).powf(gamma),
        _ => 1.0,
    }
}
