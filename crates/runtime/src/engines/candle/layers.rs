//! Layers of a network with their weights, as operations on candle tensors.

use candle_core::{D, Device, Error as CandleError, Tensor};
use cupola_kernels::pointwise::activate;
use cupola_kernels::{Conv2dKernel, LinearKernel, Pointwise, elementwise, rows};
use cupola_spec::{Layer, ROPE_BASE, Rope, Take};

use super::attention::{AttentionLayer, AttentionOptions};
use super::recurrent::RecurrentLayer;
use super::series;
use super::tensors::{self, pointwise};
use super::weights::WeightLookup;
use crate::error::Error;

/// Added to variances where the layer names no other value.
const EPSILON: f64 = 1e-5;

/// Tensor between two layers, batch first.
#[derive(Clone)]
pub struct MaskedTensor {
    pub x: Tensor,
    /// `[batch, time]`, 1 at padding; `None` without padding.
    pub mask: Option<Tensor>,
}

impl MaskedTensor {
    pub fn unmasked(x: Tensor) -> Self {
        Self { x, mask: None }
    }
}

/// A layer with its weights.
pub enum LayerOp {
    Linear(LinearKernel),
    Conv2d(Conv2dKernel),
    /// Weight `[out, in, k]` and bias `[1, out, 1]`.
    Conv1d {
        weight: Tensor,
        bias: Tensor,
        dilation: usize,
        causal: bool,
    },
    /// Batch norm with running statistics, as one scale and one shift for each channel.
    Affine {
        scale: Vec<f32>,
        shift: Vec<f32>,
    },
    LayerNorm {
        weight: Vec<f32>,
        bias: Vec<f32>,
        eps: f32,
    },
    RmsNorm {
        weight: Vec<f32>,
        eps: f32,
    },
    MaxPool {
        kernel: usize,
        stride: usize,
        padding: usize,
    },
    /// Kernel and stride.
    AvgPool(usize, usize),
    GlobalAvgPool,
    Activation(Pointwise),
    Flatten,
    /// Body and shortcut.
    Residual(Vec<LayerOp>, Vec<LayerOp>),
    Attention(AttentionLayer),
    Recurrent(RecurrentLayer),
    Patch(Tensor, Tensor),
    ClassToken(Tensor),
    Position(Tensor),
    FeatureTokens(Tensor, Tensor),
    Periodic(Tensor),
    Ensemble(usize),
    BatchEnsemble {
        weight: Tensor,
        r: Tensor,
        s: Tensor,
        bias: Tensor,
    },
    Glu(Pointwise),
    Take(Take),
    Transpose,
    /// Number of steps of the moving average.
    Decompose(usize),
    /// Weight `[width, in, length]`, bias `[1, width, 1]` and stride.
    SeriesPatch(Tensor, Tensor, usize),
    Normalize,
    /// Dropout, which inference leaves out.
    Identity,
}

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
    Ok(match *layer {
        Layer::Linear { bias, .. } => LayerOp::Linear(lookup.linear(&[module], bias)?),
        Layer::Conv2d { out, kernel, stride, padding, bias } => {
            let bias = bias.then(|| Ok::<_, Error>(get("bias")?.to_vec1()?)).transpose()?;
            let weight = get("weight")?.flatten_all()?.to_vec1()?;
            LayerOp::Conv2d(Conv2dKernel::new(weight, out, bias, kernel, [stride, padding]))
        }
        Layer::Conv1d { out, dilation, causal, .. } => LayerOp::Conv1d {
            weight: get("weight")?,
            bias: get("bias")?.reshape((1, out, 1))?,
            dilation,
            causal,
        },
        Layer::BatchNorm {} => {
            let deviation = (get("running_var")? + EPSILON)?.sqrt()?;
            let scale = get("weight")?.div(&deviation)?;
            let shift = (get("bias")? - get("running_mean")?.mul(&scale)?)?;
            LayerOp::Affine { scale: scale.to_vec1()?, shift: shift.to_vec1()? }
        }
        #[allow(clippy::cast_possible_truncation, reason = "an epsilon below the smallest float is zero")]
        Layer::LayerNorm { eps } => LayerOp::LayerNorm {
            weight: get("weight")?.to_vec1()?,
            bias: get("bias")?.to_vec1()?,
            eps: eps.unwrap_or(EPSILON) as f32,
        },
        #[allow(clippy::cast_possible_truncation, reason = "an epsilon below the smallest float is zero")]
        Layer::RmsNorm { eps } => {
            LayerOp::RmsNorm { weight: get("weight")?.to_vec1()?, eps: eps.unwrap_or(EPSILON) as f32 }
        }
        Layer::MaxPool { kernel, stride, padding } => {
            LayerOp::MaxPool { kernel, stride: stride.unwrap_or(kernel), padding }
        }
        Layer::AvgPool { kernel, stride } => LayerOp::AvgPool(kernel, stride.unwrap_or(kernel)),
        Layer::GlobalAvgPool {} => LayerOp::GlobalAvgPool,
        Layer::Dropout { .. } => LayerOp::Identity,
        Layer::Activation { function } => LayerOp::Activation(pointwise(function)),
        Layer::Flatten {} => LayerOp::Flatten,
        Layer::Attention { heads, kv_heads, causal, rope, rope_base, rope_scaling, bias, .. } => {
            let rope = rope.then(|| Rope { base: rope_base.unwrap_or(ROPE_BASE), scaling: rope_scaling });
            let kv_heads = kv_heads.unwrap_or(heads);
            let options = AttentionOptions { query_heads: heads, kv_heads, causal, rope, bias };
            LayerOp::Attention(AttentionLayer::new(lookup, module, options)?)
        }
        Layer::Recurrent { cell, width, bidirectional } => {
            LayerOp::Recurrent(RecurrentLayer::new(lookup, module, cell, width, bidirectional)?)
        }
        Layer::Patch { width, .. } => LayerOp::Patch(get("weight")?, get("bias")?.reshape((1, width, 1, 1))?),
        Layer::ClassToken {} => LayerOp::ClassToken(get("token")?),
        Layer::Position {} => LayerOp::Position(get("position")?),
        Layer::FeatureTokens { .. } => LayerOp::FeatureTokens(get("weight")?, get("bias")?),
        Layer::Periodic { .. } => LayerOp::Periodic(get("frequencies")?),
        Layer::Ensemble { members } => LayerOp::Ensemble(members),
        Layer::BatchEnsemble { .. } => LayerOp::BatchEnsemble {
            weight: get("weight")?.t()?.contiguous()?,
            r: get("r")?,
            s: get("s")?,
            bias: get("bias")?,
        },
        Layer::Glu { function } => LayerOp::Glu(pointwise(function)),
        Layer::Take { at } => LayerOp::Take(at),
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

/// Runs layers one after another.
pub fn run(layers: &[LayerOp], flow: MaskedTensor) -> Result<MaskedTensor, CandleError> {
    layers.iter().try_fold(flow, |flow, layer| layer.forward(flow))
}

impl LayerOp {
    /// Runs the layer and passes the mask on.
    pub fn forward(&self, flow: MaskedTensor) -> Result<MaskedTensor, CandleError> {
        let MaskedTensor { x, mask } = flow;
        let x = match self {
            Self::Residual(layers, shortcut) => {
                let body = run(layers, MaskedTensor { x: x.clone(), mask: mask.clone() })?;
                let short = run(shortcut, MaskedTensor { x, mask })?;
                return Ok(MaskedTensor { x: tensors::add(&body.x, &short.x)?, mask: body.mask });
            }
            Self::ClassToken(token) => {
                let (batch, _, width) = x.dims3()?;
                let first = token.reshape((1, 1, width))?.expand((batch, 1, width))?;
                let mask = mask.map(|mask| Tensor::cat(&[&mask.narrow(1, 0, 1)?.zeros_like()?, &mask], 1));
                return Ok(MaskedTensor { x: Tensor::cat(&[&first, &x], 1)?, mask: mask.transpose()? });
            }
            Self::Take(at) => return Ok(MaskedTensor::unmasked(take(*at, &x, mask.as_ref())?)),
            Self::Attention(attention) => attention.forward(&x, mask.as_ref())?,
            _ => self.forward_unmasked(x)?,
        };
        Ok(MaskedTensor { x, mask })
    }

    /// Runs a layer that reads no mask.
    fn forward_unmasked(&self, x: Tensor) -> Result<Tensor, CandleError> {
        match self {
            Self::Linear(linear) => tensors::map_rows(&x, linear.output, |x| linear.forward(x)),
            Self::Conv2d(conv) => {
                let (batch, channels, height, width) = x.dims4()?;
                let shape = [channels, height, width];
                let [out, high, wide] = conv.output_shape(shape);
                tensors::map_to_shape(&x, (batch, out, high, wide), |x| conv.forward(x, shape))
            }
            Self::Conv1d { weight, bias, dilation, causal } => {
                let reach = (weight.dim(2)? - 1) * dilation;
                let (left, right) = if *causal { (reach, 0) } else { (reach / 2, reach / 2) };
                let x = x.transpose(1, 2)?.contiguous()?.pad_with_zeros(2, left, right)?;
                x.conv1d(weight, 0, 1, *dilation, 1)?.broadcast_add(bias)?.transpose(1, 2)?.contiguous()
            }
            Self::Affine { scale, shift } => {
                let inner = x.dims().iter().skip(2).product();
                tensors::update(&x, |values| elementwise::affine(values, scale, shift, inner))
            }
            Self::LayerNorm { weight, bias, eps } => {
                tensors::update(&x, |values| rows::layer_norm(values, weight, bias, *eps))
            }
            Self::RmsNorm { weight, eps } => {
                tensors::update(&x, |values| rows::rms_norm(values, weight, *eps))
            }
            Self::MaxPool { kernel, stride, padding } => {
                pad(&x, *padding)?.max_pool2d_with_stride(*kernel, *stride)
            }
            Self::AvgPool(kernel, stride) => x.avg_pool2d_with_stride(*kernel, *stride),
            Self::GlobalAvgPool => x.flatten_from(2)?.mean(2),
            Self::Flatten => x.flatten_from(1),
            Self::Activation(function) => tensors::update(&x, |values| activate(*function, values)),
            Self::Recurrent(layer) => layer.forward(&x),
            Self::Patch(weight, bias) => {
                let y = x.conv2d(weight, 0, weight.dim(2)?, 1, 1)?.broadcast_add(bias)?;
                y.flatten_from(2)?.transpose(1, 2)?.contiguous()
            }
            Self::Position(position) => {
                tensors::add(&x, &position.narrow(0, 0, x.dim(1)?)?.broadcast_as(x.dims())?)
            }
            Self::FeatureTokens(weight, bias) => x.unsqueeze(2)?.broadcast_mul(weight)?.broadcast_add(bias),
            Self::Periodic(frequencies) => {
                let angle = (x.unsqueeze(2)?.broadcast_mul(frequencies)? * std::f64::consts::TAU)?;
                Tensor::cat(&[angle.cos()?, angle.sin()?], 2)
            }
            Self::Ensemble(members) => {
                let (batch, width) = x.dims2()?;
                x.unsqueeze(1)?.expand((batch, *members, width))?.contiguous()
            }
            Self::BatchEnsemble { weight, r, s, bias } => {
                let y = x.broadcast_mul(r)?.broadcast_matmul(weight)?;
                y.broadcast_mul(s)?.broadcast_add(bias)
            }
            Self::Glu(function) => {
                let half = x.dim(D::Minus1)? / 2;
                tensors::map_rows(&x, half, |x| elementwise::glu(*function, x, half))
            }
            Self::Transpose => x.transpose(1, 2)?.contiguous(),
            Self::Decompose(kernel) => series::decompose(&x, *kernel),
            Self::SeriesPatch(weight, bias, stride) => series::patch(&x, weight, bias, *stride),
            Self::Normalize => x.broadcast_div(&x.sqr()?.sum_keepdim(1)?.sqrt()?.maximum(1e-12)?),
            // Those that read the mask are in `forward`.
            Self::Identity
            | Self::Residual(..)
            | Self::ClassToken(_)
            | Self::Take(_)
            | Self::Attention(_) => Ok(x),
        }
    }
}

/// Sigmoid of each value.
pub fn sigmoid(x: &Tensor) -> Result<Tensor, CandleError> {
    tensors::update(x, |values| activate(Pointwise::Sigmoid, values))
}

/// Softmax over the last axis.
pub fn softmax(x: &Tensor) -> Result<Tensor, CandleError> {
    tensors::update(x, |values| rows::softmax(values, x.dims().last().copied().unwrap_or(1)))
}

/// Pads an image with the smallest float, which no maximum falls on.
fn pad(x: &Tensor, padding: usize) -> Result<Tensor, CandleError> {
    if padding == 0 {
        return Ok(x.clone());
    }
    let around = |x: &Tensor, axis: usize| {
        let mut shape = x.dims().to_vec();
        shape[axis] = padding;
        let edge = Tensor::full(f32::MIN, shape, &Device::Cpu)?;
        Tensor::cat(&[&edge, x, &edge], axis)
    };
    around(&around(x, 2)?, 3)
}

fn take(at: Take, x: &Tensor, mask: Option<&Tensor>) -> Result<Tensor, CandleError> {
    let (batch, time, width) = x.dims3()?;
    match (at, mask) {
        (Take::First, _) => x.narrow(1, 0, 1)?.squeeze(1),
        (Take::Last, None) => x.narrow(1, time - 1, 1)?.squeeze(1),
        (Take::Last, Some(mask)) => {
            let lengths: Vec<f32> = (mask.neg()? + 1.0)?.sum(1)?.to_vec1()?;
            let mut rows = Vec::with_capacity(batch);
            for (row, length) in lengths.into_iter().enumerate() {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let last = (length as usize).max(1) - 1;
                rows.push(x.narrow(0, row, 1)?.narrow(1, last, 1)?.reshape((1, width))?);
            }
            Tensor::cat(&rows, 0)
        }
        (Take::Mean, mask) => {
            let padding = mask.map(|mask| mask.flatten_all()?.to_vec1::<f32>()).transpose()?;
            tensors::map_to_shape(x, (batch, width), |x| {
                rows::masked_mean(x, time, width, padding.as_deref())
            })
        }
    }
}
