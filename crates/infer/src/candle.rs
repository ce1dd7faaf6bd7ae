//! The candle engine: the same layers on the same weights, CPU only.

use candle_core::{D, Device, Tensor};
use cupola_nn::{Architecture, StateDict};
use cupola_prep::Examples;
use cupola_spec::{Activation, Layer};

use crate::engine::Engine;
use crate::error::Error;

const EPSILON: f64 = 1e-5;

/// A layer with its weights as candle tensors.
enum Op {
    /// `[in, out]` and `[out]`
    Linear(Tensor, Option<Tensor>),
    /// `[out, in, k, k]` and `[1, out, 1, 1]`
    Conv2d {
        weight: Tensor,
        bias: Option<Tensor>,
        stride: usize,
        padding: usize,
    },
    /// Batch norm with running statistics is one multiplication and one addition.
    Affine {
        scale: Tensor,
        shift: Tensor,
    },
    LayerNorm {
        weight: Tensor,
        bias: Tensor,
    },
    MaxPool(usize, usize),
    AvgPool(usize, usize),
    GlobalAvgPool,
    Activation(Activation),
    Flatten,
    Residual(Vec<Op>, Vec<Op>),
    /// Dropout does nothing in inference.
    Nothing,
}

/// The network as a list of candle operations.
pub struct CandleEngine {
    embeddings: Vec<Tensor>,
    ops: Vec<Op>,
}

impl CandleEngine {
    /// Reads the weights in `PyTorch`'s names and layouts.
    pub fn new(architecture: &Architecture, weights: &StateDict) -> Result<Self, Error> {
        let embeddings = (0..architecture.embeddings.len())
            .map(|index| tensor(weights, &format!("embeddings.{index}.weight")))
            .collect::<Result<_, _>>()?;
        let mut ops = ops(weights, "trunk", &architecture.trunk)?;
        ops.push(linear(weights, "head", true)?);
        Ok(Self { embeddings, ops })
    }
}

impl Engine for CandleEngine {
    fn name(&self) -> String {
        "candle on the CPU".to_owned()
    }

    fn forward(&mut self, examples: Examples) -> Result<Vec<f32>, Error> {
        let Examples { layout, rows, dense, indices } = examples;
        let mut shape = vec![rows];
        shape.extend(&layout.dense);
        let mut x = Tensor::from_vec(dense, shape, &Device::Cpu)?;
        if !self.embeddings.is_empty() {
            let width = self.embeddings.len();
            let mut parts = vec![x];
            for (column, table) in self.embeddings.iter().enumerate() {
                let index: Vec<u32> = indices
                    .iter()
                    .skip(column)
                    .step_by(width)
                    .map(|&i| u32::try_from(i).unwrap_or_default())
                    .collect();
                parts.push(table.index_select(&Tensor::from_vec(index, rows, &Device::Cpu)?, 0)?);
            }
            x = Tensor::cat(&parts, 1)?;
        }
        Ok(run(&self.ops, x)?.flatten_all()?.to_vec1()?)
    }
}

fn tensor(weights: &StateDict, name: &str) -> Result<Tensor, Error> {
    let missing = || cupola_nn::Error::Missing { name: name.to_owned() };
    let array = weights.get(name).ok_or_else(missing)?;
    Ok(Tensor::from_vec(array.data.clone(), array.shape.clone(), &Device::Cpu)?)
}

fn linear(weights: &StateDict, name: &str, bias: bool) -> Result<Op, Error> {
    let weight = tensor(weights, &format!("{name}.weight"))?.t()?.contiguous()?;
    let bias = bias.then(|| tensor(weights, &format!("{name}.bias"))).transpose()?;
    Ok(Op::Linear(weight, bias))
}

fn ops(weights: &StateDict, prefix: &str, layers: &[Layer]) -> Result<Vec<Op>, Error> {
    let each =
        layers.iter().enumerate().map(|(index, layer)| op(weights, &format!("{prefix}.{index}"), layer));
    each.collect()
}

fn op(weights: &StateDict, name: &str, layer: &Layer) -> Result<Op, Error> {
    let get = |part: &str| tensor(weights, &format!("{name}.{part}"));
    Ok(match layer {
        Layer::Linear { bias, .. } => linear(weights, name, *bias)?,
        Layer::Conv2d { out, stride, padding, bias, .. } => Op::Conv2d {
            weight: get("weight")?,
            bias: bias.then(|| Ok::<_, Error>(get("bias")?.reshape((1, *out, 1, 1))?)).transpose()?,
            stride: *stride,
            padding: *padding,
        },
        Layer::BatchNorm {} => {
            let deviation = (get("running_var")? + EPSILON)?.sqrt()?;
            let scale = get("weight")?.div(&deviation)?;
            let shift = (get("bias")? - get("running_mean")?.mul(&scale)?)?;
            Op::Affine { scale, shift }
        }
        Layer::LayerNorm {} => Op::LayerNorm { weight: get("weight")?, bias: get("bias")? },
        Layer::MaxPool { kernel, stride } => Op::MaxPool(*kernel, stride.unwrap_or(*kernel)),
        Layer::AvgPool { kernel, stride } => Op::AvgPool(*kernel, stride.unwrap_or(*kernel)),
        Layer::GlobalAvgPool {} => Op::GlobalAvgPool,
        Layer::Dropout { .. } => Op::Nothing,
        Layer::Activation { function } => Op::Activation(*function),
        Layer::Flatten {} => Op::Flatten,
        Layer::Residual { layers, shortcut } => Op::Residual(
            ops(weights, &format!("{name}.layers"), layers)?,
            ops(weights, &format!("{name}.shortcut"), shortcut)?,
        ),
    })
}

fn run(ops: &[Op], x: Tensor) -> Result<Tensor, candle_core::Error> {
    ops.iter().try_fold(x, |x, op| op.forward(x))
}

impl Op {
    fn forward(&self, x: Tensor) -> Result<Tensor, candle_core::Error> {
        match self {
            Self::Linear(weight, bias) => {
                let y = x.matmul(weight)?;
                bias.as_ref().map_or(Ok(y.clone()), |bias| y.broadcast_add(bias))
            }
            Self::Conv2d { weight, bias, stride, padding } => {
                let y = x.conv2d(weight, *padding, *stride, 1, 1)?;
                bias.as_ref().map_or(Ok(y.clone()), |bias| y.broadcast_add(bias))
            }
            Self::Affine { scale, shift } => {
                let mut shape = vec![1; x.rank()];
                shape[1] = scale.elem_count();
                let scale = scale.reshape(shape.as_slice())?;
                x.broadcast_mul(&scale)?.broadcast_add(&shift.reshape(shape)?)
            }
            Self::LayerNorm { weight, bias } => {
                let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
                let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
                let y = centred.broadcast_div(&(variance + EPSILON)?.sqrt()?)?;
                y.broadcast_mul(weight)?.broadcast_add(bias)
            }
            Self::MaxPool(kernel, stride) => x.max_pool2d_with_stride(*kernel, *stride),
            Self::AvgPool(kernel, stride) => x.avg_pool2d_with_stride(*kernel, *stride),
            Self::GlobalAvgPool => x.flatten_from(2)?.mean(2),
            Self::Flatten => x.flatten_from(1),
            Self::Nothing => Ok(x),
            Self::Activation(function) => match function {
                Activation::Relu => x.relu(),
                Activation::Gelu => x.gelu_erf(),
                Activation::Silu => x.silu(),
                Activation::Tanh => x.tanh(),
                Activation::Sigmoid => (x.neg()?.exp()? + 1.0)?.recip(),
            },
            Self::Residual(layers, shortcut) => run(layers, x.clone())? + run(shortcut, x)?,
        }
    }
}
