//! Rules of `[model]` and `[combine]`.

use crate::config::Config;
use crate::families::NumberLoss;
use crate::layers::{Layer, trace};
use crate::model::{Family, Model, PackageRef};
use crate::validate::Findings;
use crate::validate::inputs::kinds_meet;

pub(super) fn check_lora(config: &Config, family: &Family, found: &mut Findings) {
    let Model::Package(PackageRef { lora: Some(lora), .. }) = &config.model else { return };
    if lora.rank == 0 || lora.alpha <= 0.0 {
        found.add("/model/lora", "`rank` must be at least 1 and `alpha` above 0");
    } else if !has_attention(&family.design().layers) {
        found.add("/model/lora", "the package has no attention layers to adapt; remove `lora`");
    }
}

fn has_attention(layers: &[Layer]) -> bool {
    layers.iter().any(|layer| match layer {
        Layer::Attention { .. } => true,
        Layer::Residual { layers, shortcut, .. } => has_attention(layers) || has_attention(shortcut),
        _ => false,
    })
}

pub(super) fn check_combine(config: &Config, found: &mut Findings) {
    let Some(combine) = config.combine else { return };
    if !kinds_meet(&config.inputs) {
        found.add("/combine", "`combine` requires inputs of several kinds; remove it");
    } else if let Some((layers, width)) = combine.stacked()
        && let Err(error) = trace("combine", &[config.inputs.len(), width], &layers)
    {
        found.add("/combine", error.to_string());
    }
}

/// Values of leaves that are quantiles are not bounded by the constraints of their splits.
pub(super) fn check_boosting(family: &Family, found: &mut Findings) {
    if let Family::Gbdt(spec) = family {
        found.add_if(
            spec.loss == NumberLoss::Absolute && !spec.monotone.is_empty(),
            "/model/monotone",
            "`monotone` does not hold for `loss = \"absolute\"`; write `huber`, or remove `monotone`",
        );
    }
}

/// Shapes of the trunk, if the config alone determines the shape of its input.
pub(super) fn check_shapes(config: &Config, family: &Family, found: &mut Findings) {
    if let [only] = config.inputs.as_slice()
        && family.trees().is_none()
        && let Some(shape) = only.shape
        && !shape.contains(&0)
        && let Err(error) = trace("trunk", &shape, &family.design().layers)
    {
        found.add("/model", error.to_string());
    }
}
