//! Construction of layers from the weights of a package.

use cupola_kernels::{Conv2dKernel, LinearKernel};
use cupola_nn::pointwise;
use cupola_spec::{Layer, ROPE_BASE, Rope};

use super::LayerOp;
use super::convolution::TimeConvolution;
use crate::engines::candle::attention::{AttentionLayer, AttentionOptions};
use crate::engines::candle::recurrent::RecurrentLayer;
use crate::engines::candle::weights::WeightLookup;
use crate::error::Error;

/// Added to variances where the layer names no other value.
const EPSILON: f64 = 1e-5;

/// Builds the layers at `prefix.0`, `prefix.1` and so on, and fuses activations and batch norms with the layers before.
pub fn build(lookup: &WeightLookup<'_>, prefix: &str, layers: &[Layer]) -> Result<Vec<LayerOp>, Error> {
    let mut ops = Vec::with_capacity(layers.len());
    for (index, layer) in layers.iter().enumerate() {
        let op = layer_op(lookup, &format!("{prefix}.{index}"), layer)?;
        match (op, ops.last_mut()) {
            (
                LayerOp::Activation(function),
                Some(
                    LayerOp::Linear(LinearKernel { activation, .. })
                    | LayerOp::Conv2d(Conv2dKernel { activation, .. }),
                ),
            ) if activation.is_none() => {
                *activation = Some(function);
            }
            (LayerOp::Affine { scale, shift }, Some(LayerOp::Conv2d(conv))) if conv.activation.is_none() => {
                conv.fold_affine(&scale, &shift);
            }
            (op, _) => ops.push(op),
        }
    }
    Ok(ops)
}

fn layer_op(lookup: &WeightLookup<'_>, module: &str, layer: &Layer) -> Result<LayerOp, Error> {
    let get = |parameter: &str| lookup.get(module, parameter);
    let vector = |parameter: &str| Ok::<Vec<f32>, Error>(get(parameter)?.to_vec1()?);
    Ok(match *layer {
        Layer::Linear { bias, .. } => LayerOp::Linear(lookup.linear(&[module], bias)?),
        Layer::Conv2d { out, kernel, stride, padding, bias } => {
            let bias = bias.then(|| vector("bias")).transpose()?;
            let weight = lookup.values(module, "weight")?;
            LayerOp::Conv2d(Conv2dKernel::new(weight, out, bias, kernel, [stride, padding]))
        }
        Layer::Conv1d { out, kernel, dilation, causal } => LayerOp::Conv1d(TimeConvolution {
            weight: lookup.values(module, "weight")?,
            bias: vector("bias")?,
            output: out,
            kernel,
            dilation,
            causal,
        }),
        Layer::BatchNorm {} => batch_norm(lookup, module)?,
        Layer::LayerNorm { eps } => {
            LayerOp::LayerNorm { weight: vector("weight")?, bias: vector("bias")?, eps: epsilon(eps) }
        }
        Layer::RmsNorm { eps } => LayerOp::RmsNorm { weight: vector("weight")?, eps: epsilon(eps) },
        Layer::MaxPool { kernel, stride, padding } => {
            LayerOp::MaxPool { kernel, stride: stride.unwrap_or(kernel), padding }
        }
        Layer::AvgPool { kernel, stride } => LayerOp::AvgPool(kernel, stride.unwrap_or(kernel)),
        Layer::GlobalAvgPool {} => LayerOp::GlobalAvgPool,
        Layer::Dropout { .. } => LayerOp::Identity,
        Layer::Activation { function } => LayerOp::Activation(pointwise(function)),
        Layer::Flatten {} => LayerOp::Flatten,
        Layer::Attention {
            heads,
            kv_heads,
            causal,
            rope,
            rope_base,
            ref rope_scaling,
            bias,
            variant,
            ..
        } => {
            let rope = rope.then(|| Rope {
                base: rope_base.unwrap_or(ROPE_BASE),
                scaling: rope_scaling.clone(),
                width: variant.rope_width,
            });
            let kv_heads = kv_heads.unwrap_or(heads);
            let options = AttentionOptions { query_heads: heads, kv_heads, causal, rope, bias, variant };
            LayerOp::Attention(AttentionLayer::new(lookup, module, &options)?)
        }
        Layer::Recurrent { cell, width, bidirectional } => {
            LayerOp::Recurrent(RecurrentLayer::new(lookup, module, cell, width, bidirectional)?)
        }
        Layer::Patch { width, .. } => LayerOp::Patch(get("weight")?, get("bias")?.reshape((1, width, 1, 1))?),
        Layer::ClassToken {} => LayerOp::ClassToken(get("token")?),
        Layer::Position {} => LayerOp::Position(get("position")?),
        Layer::FeatureTokens { .. } => LayerOp::FeatureTokens(get("weight")?, get("bias")?),
        Layer::Periodic { .. } => LayerOp::Periodic(get("frequencies")?),
        Layer::PeriodicDense { .. } => {
            LayerOp::PeriodicDense([get("weight_1")?, get("bias_1")?, get("weight_2")?, get("bias_2")?])
        }
        Layer::Scale {} => LayerOp::Scale(get("scale")?),
        Layer::MixedActivation { function } => LayerOp::MixedActivation(pointwise(function), get("mix")?),
        Layer::Ensemble { members } => LayerOp::Ensemble(members),
        Layer::BatchEnsemble { .. } => batch_ensemble(lookup, module)?,
        Layer::Glu { function } => LayerOp::Glu(pointwise(function)),
        Layer::Take { at, ref also } => LayerOp::Take([&[at], also.as_slice()].concat()),
        Layer::Transpose {} => LayerOp::Transpose,
        Layer::Decompose { kernel } => LayerOp::Decompose(kernel),
        Layer::SeriesPatch { stride, width, .. } => {
            LayerOp::SeriesPatch(get("weight")?, get("bias")?.reshape((1, width, 1))?, stride)
        }
        Layer::Normalize {} => LayerOp::Normalize,
        Layer::Residual { ref layers, ref shortcut, .. } => LayerOp::Residual(
            build(lookup, &format!("{module}.layers"), layers)?,
            build(lookup, &format!("{module}.shortcut"), shortcut)?,
        ),
    })
}

fn batch_norm(lookup: &WeightLookup<'_>, module: &str) -> Result<LayerOp, Error> {
    let get = |parameter: &str| lookup.get(module, parameter);
    let deviation = (get("running_var")? + EPSILON)?.sqrt()?;
    let scale = get("weight")?.div(&deviation)?;
    let shift = (get("bias")? - get("running_mean")?.mul(&scale)?)?;
    Ok(LayerOp::Affine { scale: scale.to_vec1()?, shift: shift.to_vec1()? })
}

#[allow(clippy::cast_possible_truncation, reason = "an epsilon below the smallest float is zero")]
fn epsilon(eps: Option<f64>) -> f32 {
    eps.unwrap_or(EPSILON) as f32
}

fn batch_ensemble(lookup: &WeightLookup<'_>, module: &str) -> Result<LayerOp, Error> {
    let get = |parameter: &str| lookup.get(module, parameter);
    let weight = lookup.transposed(module, "weight")?;
    Ok(LayerOp::BatchEnsemble { weight, r: get("r")?, s: get("s")?, bias: get("bias")? })
}
