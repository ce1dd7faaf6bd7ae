//! Layers that rearrange values or add to a sequence: `class_token`, `position`, `take`, `transpose`,
//! `flatten` and `decompose`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::layers::contract::{Init, LayerContract, Misfit, WeightSpec, sequence, volume};

/// Standard deviation of learned tokens and positions before training, as in BERT.
const LEARNED: Init = Init::Normal { deviation: 0.02 };

/// One vector of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Take {
    /// The first step, such as a class token.
    First,
    /// The last step that is not padding.
    Last,
    /// The mean of all steps that are not padding.
    Mean,
    /// The largest value of each column over all steps that are not padding.
    Max,
    /// The sum of all steps that are not padding, divided by the square root of their number.
    MeanSqrt,
    /// The mean of all steps that are not padding, step `i` with the weight `i + 1` (Muennighoff 2022).
    WeightedMean,
}

/// A learned token before the others.
pub(super) fn class_token(input: &[usize]) -> Result<LayerContract, Misfit> {
    let (time, width) = sequence(input)?;
    let token = WeightSpec::new("token", [width], LEARNED);
    Ok(LayerContract::new(vec![time + 1, width], vec![token], 0))
}

/// A learned vector for each step, which is added.
pub(super) fn position(input: &[usize]) -> Result<LayerContract, Misfit> {
    let (time, width) = sequence(input)?;
    let position = WeightSpec::new("position", [time, width], LEARNED);
    Ok(LayerContract::new(input.to_vec(), vec![position], volume(input)))
}

/// One vector of the sequence, or `count` vectors side by side.
pub(super) fn take(input: &[usize], count: usize) -> Result<LayerContract, Misfit> {
    let (_, width) = sequence(input)?;
    Ok(LayerContract::moves(vec![width.saturating_mul(count)]))
}

/// Time and width exchanged.
pub(super) fn transpose(input: &[usize]) -> Result<LayerContract, Misfit> {
    let (time, width) = sequence(input)?;
    Ok(LayerContract::moves(vec![width, time]))
}

/// All axes in one.
pub(super) fn flatten(input: &[usize]) -> LayerContract {
    LayerContract::moves(vec![input.iter().product()])
}

/// A moving average and the rest beside it.
pub(super) fn decompose(input: &[usize], kernel: usize) -> Result<LayerContract, Misfit> {
    let (time, width) = sequence(input)?;
    if kernel.is_multiple_of(2) {
        return Err(Misfit::new(input, "an odd kernel", "change `kernel`"));
    }
    let multiply_adds = volume(input).saturating_mul(kernel as u64);
    Ok(LayerContract::new(vec![time, 2 * width], Vec::new(), multiply_adds))
}
