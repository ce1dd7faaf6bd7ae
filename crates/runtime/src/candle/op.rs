//! Layers with their weights as candle tensors.

use candle_core::{D, Device, Error as CandleError, Tensor};
use cupola_kernels::pointwise::activate;
use cupola_kernels::{Conv2dKernel, LinearKernel, Pointwise, elementwise, rows};
use cupola_spec::{Layer, ROPE_BASE, Rope, Take};

use super::Named;
use super::attention::Attention;
use super::recurrent::Recurrent;
use super::series;
use super::tensors::{self, pointwise};
use crate::error::Error;

const EPSILON: f64 = 1e-5;

/// A tensor between two layers, batch first; `mask` `[batch, time]` is 1 at padding.
#[derive(Clone)]
pub struct Flow {
    pub x: Tensor,
    pub mask: Option<Tensor>,
}

impl Flow {
    /// Without padding.
    pub fn plain(x: Tensor) -> Self {
        Self { x, mask: None }
    }
}

/// A layer with its weights.
pub enum Op {
    Linear(LinearKernel),
    Conv2d(Conv2dKernel),
    /// `[out, in, k]` and `[1, out, 1]`
    Conv1d {
        weight: Tensor,
        bias: Tensor,
        dilation: usize,
        causal: bool,
    },
    /// Batch norm with running statistics is one multiplication and one addition.
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
    AvgPool(usize, usize),
    GlobalAvgPool,
    Activation(Pointwise),
    Flatten,
    Residual(Vec<Op>, Vec<Op>),
    Attention(Attention),
    Recurrent(Recurrent),
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
    /// Steps of the moving average.
    Decompose(usize),
    /// `[width, in, length]`, `[1, width, 1]` and the stride.
    SeriesPatch(Tensor, Tensor, usize),
    Normalize,
    /// Dropout does nothing in inference.
    Nothing,
}

/// The layers at `prefix.0`, `prefix.1` and so on.
pub fn ops(named: &Named<'_>, prefix: &str, layers: &[Layer]) -> Result<Vec<Op>, Error> {
    let mut ops = Vec::with_capacity(layers.len());
    for (index, layer) in layers.iter().enumerate() {
        let op = op(named, &format!("{prefix}.{index}"), layer)?;
        // What can be done while the values are near, or by other weights.
        match (op, ops.last_mut()) {
            (
                Op::Activation(function),
                Some(
                    Op::Linear(LinearKernel { activation, .. }) | Op::Conv2d(Conv2dKernel { activation, .. }),
                ),
            ) if activation.is_none() => {
                *activation = Some(function);
            }
            (Op::Affine { scale, shift }, Some(Op::Conv2d(conv))) if conv.activation.is_none() => {
                conv.fold_affine(&scale, &shift);
            }
            (op, _) => ops.push(op),
        }
    }
    Ok(ops)
}

fn op(named: &Named<'_>, place: &str, layer: &Layer) -> Result<Op, Error> {
    let get = |part: &str| named.get(place, part);
    Ok(match *layer {
        Layer::Linear { bias, .. } => Op::Linear(named.linear(&[place], bias)?),
        Layer::Conv2d { out, kernel, stride, padding, bias } => {
            let bias = bias.then(|| Ok::<_, Error>(get("bias")?.to_vec1()?)).transpose()?;
            let weight = get("weight")?.flatten_all()?.to_vec1()?;
            Op::Conv2d(Conv2dKernel::new(weight, out, bias, kernel, [stride, padding]))
        }
        Layer::Conv1d { out, dilation, causal, .. } => {
            Op::Conv1d { weight: get("weight")?, bias: get("bias")?.reshape((1, out, 1))?, dilation, causal }
        }
        Layer::BatchNorm {} => {
            let deviation = (get("running_var")? + EPSILON)?.sqrt()?;
            let scale = get("weight")?.div(&deviation)?;
            let shift = (get("bias")? - get("running_mean")?.mul(&scale)?)?;
            Op::Affine { scale: scale.to_vec1()?, shift: shift.to_vec1()? }
        }
        // What is smaller than a float can tell is nothing.
        #[allow(clippy::cast_possible_truncation)]
        Layer::LayerNorm { eps } => Op::LayerNorm {
            weight: get("weight")?.to_vec1()?,
            bias: get("bias")?.to_vec1()?,
            eps: eps.unwrap_or(EPSILON) as f32,
        },
        #[allow(clippy::cast_possible_truncation)]
        Layer::RmsNorm { eps } => {
            Op::RmsNorm { weight: get("weight")?.to_vec1()?, eps: eps.unwrap_or(EPSILON) as f32 }
        }
        Layer::MaxPool { kernel, stride, padding } => {
            Op::MaxPool { kernel, stride: stride.unwrap_or(kernel), padding }
        }
        Layer::AvgPool { kernel, stride } => Op::AvgPool(kernel, stride.unwrap_or(kernel)),
        Layer::GlobalAvgPool {} => Op::GlobalAvgPool,
        Layer::Dropout { .. } => Op::Nothing,
        Layer::Activation { function } => Op::Activation(pointwise(function)),
        Layer::Flatten {} => Op::Flatten,
        Layer::Attention { heads, kv_heads, causal, rope, rope_base, rope_scaling, bias, .. } => {
            Op::Attention(Attention::new(
                named,
                place,
                [heads, kv_heads.unwrap_or(heads)],
                causal,
                rope.then(|| Rope { base: rope_base.unwrap_or(ROPE_BASE), scaling: rope_scaling }),
                bias,
            )?)
        }
        Layer::Recurrent { cell, width, bidirectional } => {
            Op::Recurrent(Recurrent::new(named, place, cell, width, bidirectional)?)
        }
        Layer::Patch { width, .. } => Op::Patch(get("weight")?, get("bias")?.reshape((1, width, 1, 1))?),
        Layer::ClassToken {} => Op::ClassToken(get("token")?),
        Layer::Position {} => Op::Position(get("position")?),
        Layer::FeatureTokens { .. } => Op::FeatureTokens(get("weight")?, get("bias")?),
        Layer::Periodic { .. } => Op::Periodic(get("frequencies")?),
        Layer::Ensemble { members } => Op::Ensemble(members),
        Layer::BatchEnsemble { .. } => Op::BatchEnsemble {
            weight: get("weight")?.t()?.contiguous()?,
            r: get("r")?,
            s: get("s")?,
            bias: get("bias")?,
        },
        Layer::Glu { function } => Op::Glu(pointwise(function)),
        Layer::Take { at } => Op::Take(at),
        Layer::Transpose {} => Op::Transpose,
        Layer::Decompose { kernel } => Op::Decompose(kernel),
        Layer::SeriesPatch { stride, width, .. } => {
            Op::SeriesPatch(get("weight")?, get("bias")?.reshape((1, width, 1))?, stride)
        }
        Layer::Normalize {} => Op::Normalize,
        Layer::Residual { ref layers, ref shortcut, .. } => Op::Residual(
            ops(named, &format!("{place}.layers"), layers)?,
            ops(named, &format!("{place}.shortcut"), shortcut)?,
        ),
    })
}

pub fn run(ops: &[Op], flow: Flow) -> Result<Flow, CandleError> {
    ops.iter().try_fold(flow, |flow, op| op.forward(flow))
}

impl Op {
    /// Runs the layer; padding goes along.
    pub fn forward(&self, flow: Flow) -> Result<Flow, CandleError> {
        let Flow { x, mask } = flow;
        let x = match self {
            Self::Residual(layers, shortcut) => {
                let body = run(layers, Flow { x: x.clone(), mask: mask.clone() })?;
                let short = run(shortcut, Flow { x, mask })?;
                return Ok(Flow { x: tensors::add(&body.x, &short.x)?, mask: body.mask });
            }
            Self::ClassToken(token) => {
                let (batch, _, width) = x.dims3()?;
                let first = token.reshape((1, 1, width))?.expand((batch, 1, width))?;
                let mask = mask.map(|mask| Tensor::cat(&[&mask.narrow(1, 0, 1)?.zeros_like()?, &mask], 1));
                return Ok(Flow { x: Tensor::cat(&[&first, &x], 1)?, mask: mask.transpose()? });
            }
            Self::Take(at) => return Ok(Flow::plain(take(*at, &x, mask.as_ref())?)),
            Self::Attention(attention) => attention.forward(&x, mask.as_ref())?,
            _ => self.plain(x)?,
        };
        Ok(Flow { x, mask })
    }

    fn plain(&self, x: Tensor) -> Result<Tensor, CandleError> {
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
            // Those that need the padding are in `forward`.
            Self::Nothing | Self::Residual(..) | Self::ClassToken(_) | Self::Take(_) | Self::Attention(_) => {
                Ok(x)
            }
        }
    }
}

pub fn sigmoid(x: &Tensor) -> Result<Tensor, CandleError> {
    tensors::update(x, |values| activate(Pointwise::Sigmoid, values))
}

/// Over the last axis.
pub fn softmax(x: &Tensor) -> Result<Tensor, CandleError> {
    tensors::update(x, |values| rows::softmax(values, x.dims().last().copied().unwrap_or(1)))
}

/// Places around an image that no maximum falls on.
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
