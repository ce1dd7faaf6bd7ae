//! Normalisation: `batch_norm`, `layer_norm`, `rms_norm` and `normalize`.

use crate::layers::contract::{Init, LayerContract, Misfit, WeightSpec, flat, last, volume};

const ONES: Init = Init::Constant(1.0);
const ZEROS: Init = Init::Constant(0.0);

fn norm(input: &[usize], weights: Vec<WeightSpec>) -> LayerContract {
    LayerContract::new(input.to_vec(), weights, volume(input))
}

/// Statistics of the batch for each channel, or for each feature of a flat input (Ioffe and Szegedy 2015).
pub(super) fn batch_norm(input: &[usize]) -> Result<LayerContract, Misfit> {
    let (&[features] | &[features, _, _]) = input else {
        return Err(Misfit::new(input, "a flat input or an image", "use `layer_norm` on a sequence"));
    };
    let shape = [features];
    let weights = vec![
        WeightSpec::new("weight", shape, ONES),
        WeightSpec::new("bias", shape, ZEROS),
        WeightSpec::buffer("running_mean", shape, ZEROS),
        WeightSpec::buffer("running_var", shape, ONES),
    ];
    Ok(norm(input, weights))
}

/// Mean and variance of the last axis (Ba et al. 2016).
pub(super) fn layer_norm(input: &[usize], eps: Option<f64>) -> Result<LayerContract, Misfit> {
    check_eps(input, eps)?;
    let shape = [last(input)];
    let weights = vec![WeightSpec::new("weight", shape, ONES), WeightSpec::new("bias", shape, ZEROS)];
    Ok(norm(input, weights))
}

fn check_eps(input: &[usize], eps: Option<f64>) -> Result<(), Misfit> {
    if eps.is_some_and(|eps| !(eps > 0.0 && eps < 1.0)) {
        return Err(Misfit::new(input, "an `eps` above 0 and below 1", "change `eps`"));
    }
    Ok(())
}

/// Mean square of the last axis (Zhang and Sennrich 2019).
pub(super) fn rms_norm(input: &[usize], eps: Option<f64>) -> Result<LayerContract, Misfit> {
    check_eps(input, eps)?;
    if input.len() > 2 {
        return Err(Misfit::new(input, "a flat input or a sequence", "use `batch_norm` on an image"));
    }
    Ok(norm(input, vec![WeightSpec::new("weight", [last(input)], ONES)]))
}

/// Length 1 along the last axis.
pub(super) fn normalize(input: &[usize]) -> Result<LayerContract, Misfit> {
    Ok(norm(&[flat(input)?], Vec::new()))
}
