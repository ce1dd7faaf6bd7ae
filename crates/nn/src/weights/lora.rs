//! Low-rank adapters (Hu et al. 2022) merged into the weights that they adapt.

use super::{Array, LORA_A, LORA_B, StateDict};
use crate::architecture::Architecture;
use crate::error::Error;

/// Merges low-rank adapters into the weights; the resulting network computes the same without them.
///
/// # Errors
/// [`Error::Missing`] and [`Error::WeightShape`] for weights that are missing or have other shapes.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
pub fn merge_lora(
    architecture: &Architecture,
    mut weights: StateDict,
) -> Result<(Architecture, StateDict), Error> {
    let Some(lora) = architecture.lora else { return Ok((architecture.clone(), weights)) };
    let scale = (lora.alpha / lora.rank as f64) as f32;
    let names: Vec<String> =
        weights.names().filter(|name| name.ends_with(LORA_A)).map(str::to_owned).collect();
    for name in names {
        let module = name.trim_end_matches(LORA_A);
        let mut take = |name: String| weights.remove(&name).ok_or(Error::Missing { name });
        let (a, b) = (take(name.clone())?, take(format!("{module}{LORA_B}"))?);
        let weight_name = format!("{module}weight");
        let mut weight = take(weight_name.clone())?;
        let ([_, input], [output, _]) = (a.shape.as_slice(), b.shape.as_slice()) else {
            return Err(Error::WeightShape { name, expected: vec![lora.rank, 0], found: a.shape });
        };
        if weight.shape != [*output, *input] {
            let expected = vec![*output, *input];
            return Err(Error::WeightShape { name: weight_name, expected, found: weight.shape });
        }
        add_product(&mut weight, &a, &b, scale);
        weights.insert(weight_name, weight);
    }
    Ok((Architecture { lora: None, ..architecture.clone() }, weights))
}

/// Adds `scale * b a` to a weight `[out, in]`, for `a` `[rank, in]` and `b` `[out, rank]`.
fn add_product(weight: &mut Array, a: &Array, b: &Array, scale: f32) {
    let (rank, input) = (a.shape[0], a.shape[1]);
    for (row, values) in weight.data.chunks_mut(input).enumerate() {
        for k in 0..rank {
            let factor = scale * b.data[row * rank + k];
            let a = &a.data[k * input..(k + 1) * input];
            values.iter_mut().zip(a).for_each(|(value, a)| *value += factor * a);
        }
    }
}
