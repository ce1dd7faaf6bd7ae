//! Layers of networks for tables: `feature_tokens`, `periodic`, `periodic_dense`, `ensemble` and `batch_ensemble`.

use crate::layers::contract::{Init, LayerContract, Misfit, WeightSpec, flat, sequence, volume, work};

/// Each number as a token, `x_i w_i + b_i` (Gorishniy et al. 2021, 3.3).
pub(super) fn feature_tokens(input: &[usize], width: usize) -> Result<LayerContract, Misfit> {
    let columns = flat(input)?;
    let (shape, init) = ([columns, width], Init::Uniform { fan_in: width });
    let weights = vec![WeightSpec::new("weight", shape, init), WeightSpec::new("bias", shape, init)];
    Ok(LayerContract::new(shape.to_vec(), weights, volume(&shape)))
}

/// Learned cosines and sines of each number (Gorishniy et al. 2022, 3.3).
pub(super) fn periodic(input: &[usize], frequencies: usize, sigma: f64) -> Result<LayerContract, Misfit> {
    let columns = flat(input)?;
    if !sigma.is_finite() {
        return Err(Misfit::new(input, "a finite `sigma`", "change `sigma`"));
    }
    let shape = [columns, frequencies];
    let weights = vec![WeightSpec::new("frequencies", shape, Init::Normal { deviation: sigma })];
    let output = vec![columns, frequencies.saturating_mul(2)];
    let multiply_adds = volume(&output);
    Ok(LayerContract::new(output, weights, multiply_adds))
}

/// Cosines of each number with learned frequencies and phases, a linear map of its own to `width - 1` values,
/// and the number itself (Holzmüller et al. 2024, C.1).
pub(super) fn periodic_dense(
    input: &[usize],
    frequencies: usize,
    sigma: f64,
    width: usize,
) -> Result<LayerContract, Misfit> {
    let columns = flat(input)?;
    if !sigma.is_finite() {
        return Err(Misfit::new(input, "a finite `sigma`", "change `sigma`"));
    }
    if width < 2 {
        return Err(Misfit::new(input, "a `width` of at least 2", "change `width`"));
    }
    let (mapped, uniform) = (width - 1, Init::Uniform { fan_in: frequencies });
    let weights = vec![
        WeightSpec::new("weight_1", [columns, frequencies], Init::Normal { deviation: sigma }),
        WeightSpec::new("bias_1", [columns, frequencies], Init::Angle),
        WeightSpec::new("weight_2", [columns, frequencies, mapped], uniform),
        WeightSpec::new("bias_2", [columns, mapped], uniform),
    ];
    let multiply_adds = work(&[columns as u64, frequencies as u64, width as u64 + 1]);
    Ok(LayerContract::new(vec![columns, width], weights, multiply_adds))
}

/// Copies of a vector for the members of an ensemble.
pub(super) fn ensemble(input: &[usize], members: usize) -> Result<LayerContract, Misfit> {
    Ok(LayerContract::moves(vec![members, flat(input)?]))
}

/// A linear layer that members share up to scales and a bias of their own (Wen et al. 2020, 3.1; Gorishniy
/// et al. 2024, 3.2). The scales `r` of the first such layer are random signs, which tell the members apart.
pub(super) fn batch_ensemble(input: &[usize], out: usize, signs: bool) -> Result<LayerContract, Misfit> {
    let (members, width) = sequence(input)?;
    let uniform = Init::Uniform { fan_in: width };
    let ones = Init::Constant(1.0);
    let weights = vec![
        WeightSpec::new("weight", [out, width], uniform),
        WeightSpec::new("r", [members, width], if signs { Init::Signs } else { ones }),
        WeightSpec::new("s", [members, out], ones),
        WeightSpec::new("bias", [members, out], uniform),
    ];
    let multiply_adds = work(&[members as u64, width as u64, out as u64]);
    Ok(LayerContract::new(vec![members, out], weights, multiply_adds))
}
