//! Low-rank adaptation (Hu et al. 2022): `x W + (alpha / rank) (x A) B`, of which only `A` and `B` are
//! trained.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;

use crate::architecture::Architecture;
use crate::builder::Builder;
use crate::error::Error;
use crate::layer::linear;
use crate::precision::{self, like};
use crate::state_dict::StateDict;
use crate::weights::Start;

/// Last part of the names of the two matrices.
const A: &str = "lora_a";
const B: &str = "lora_b";

/// Whether a weight of this name is one of the two matrices.
pub(crate) fn is_adapter(name: &str) -> bool {
    name.ends_with(A) || name.ends_with(B)
}

/// A linear layer with the matrices beside it, where there are any.
#[derive(Module, Debug)]
pub struct Adapted {
    linear: Linear,
    /// `[rank, in]`
    a: Option<Param<Tensor<2>>>,
    /// `[out, rank]`
    b: Option<Param<Tensor<2>>>,
    #[module(skip)]
    scale: f64,
}

impl Adapted {
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn build(
        builder: &mut Builder<'_>,
        name: &str,
        input: usize,
        output: usize,
        bias: bool,
    ) -> Result<Self, Error> {
        let linear = linear(builder, name, input, output, bias)?;
        let Some(lora) = builder.lora else { return Ok(Self { linear, a: None, b: None, scale: 0.0 }) };
        // A product of zero: the network starts as what it was.
        let start = Start::Uniform { fan_in: input };
        let a = builder.param(&format!("{name}.{A}"), [lora.rank, input], start)?;
        let b = builder.param(&format!("{name}.{B}"), [output, lora.rank], Start::Constant(0.0))?;
        Ok(Self { linear, a: Some(a), b: Some(b), scale: lora.alpha / lora.rank as f64 })
    }

    /// `[batch, time, in]` to `[batch, time, out]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let y = precision::linear(&self.linear, x.clone());
        let (Some(a), Some(b)) = (&self.a, &self.b) else { return y };
        let (a, b) = (like(a.val(), &x), like(b.val(), &x));
        let inner = x.matmul(a.transpose().unsqueeze());
        y + inner.matmul(b.transpose().unsqueeze()).mul_scalar(self.scale)
    }
}

/// The same network with the products added to the weights.
///
/// # Errors
/// Weights that are missing or of other shapes.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
pub fn merged(
    architecture: &Architecture,
    mut weights: StateDict,
) -> Result<(Architecture, StateDict), Error> {
    let Some(lora) = architecture.lora else { return Ok((architecture.clone(), weights)) };
    let scale = (lora.alpha / lora.rank as f64) as f32;
    let names: Vec<String> = weights.names().filter(|name| name.ends_with(A)).map(str::to_owned).collect();
    for name in names {
        let module = name.trim_end_matches(A);
        let mut take = |name: String| weights.remove(&name).ok_or(Error::Missing { name });
        let (a, b) = (take(name.clone())?, take(format!("{module}{B}"))?);
        let mut weight = take(format!("{module}weight"))?;
        let ([rank, input], [output, _]) = (a.shape.as_slice(), b.shape.as_slice()) else {
            return Err(Error::WeightShape { name, expected: vec![lora.rank, 0], found: a.shape });
        };
        if weight.shape != [*output, *input] {
            let (expected, found) = (vec![*output, *input], weight.shape);
            return Err(Error::WeightShape { name: format!("{module}weight"), expected, found });
        }
        for (row, values) in weight.data.chunks_mut(*input).enumerate() {
            for k in 0..*rank {
                let factor = scale * b.data[row * rank + k];
                let a = &a.data[k * input..(k + 1) * input];
                values.iter_mut().zip(a).for_each(|(value, a)| *value += factor * a);
            }
        }
        weights.insert(format!("{module}weight"), weight);
    }
    Ok((Architecture { lora: None, ..architecture.clone() }, weights))
}
