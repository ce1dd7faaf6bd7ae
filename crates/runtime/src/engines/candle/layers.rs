//! Layers of a network with their weights, as operations on candle tensors.

mod build;
mod convolution;
mod functions;
pub(super) use self::functions::take;

use candle_core::{D, Error as CandleError, Tensor};
use cupola_kernels::pointwise::activate;
use cupola_kernels::{Conv2dKernel, LinearKernel, Pointwise, elementwise, rows};
use cupola_spec::Take;

use super::attention::AttentionLayer;
use super::recurrent::RecurrentLayer;
use super::{series, tensors};
use convolution::TimeConvolution;

pub use build::build;

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
#[allow(clippy::large_enum_variant, reason = "a network has a few of them, in one list")]
pub enum LayerOp {
    Linear(LinearKernel),
    Conv2d(Conv2dKernel),
    Conv1d(TimeConvolution),
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
    /// Frequencies `[n, f]`, phases `[n, f]`, matrices `[n, f, width - 1]` and shifts `[n, width - 1]`.
    PeriodicDense([Tensor; 4]),
    /// Factor of each feature.
    Scale(Tensor),
    /// Share of the function for each feature.
    MixedActivation(Pointwise, Tensor),
    Ensemble(usize),
    BatchEnsemble {
        weight: Tensor,
        r: Tensor,
        s: Tensor,
        bias: Tensor,
    },
    Glu(Pointwise),
    /// Vectors that are put side by side.
    Take(Vec<Take>),
    Transpose,
    /// Number of steps of the moving average.
    Decompose(usize),
    /// Weight `[width, in, length]`, bias `[1, width, 1]` and stride.
    SeriesPatch(Tensor, Tensor, usize),
    Normalize,
    /// Dropout, which inference leaves out.
    Identity,
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
            Self::Take(at) => {
                let each = at.iter().map(|at| functions::take(*at, &x, mask.as_ref()));
                let each = each.collect::<Result<Vec<_>, _>>()?;
                return Ok(MaskedTensor::unmasked(Tensor::cat(&each, 1)?));
            }
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
            Self::Conv1d(convolution) => convolution.forward(&x),
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
                functions::pad(&x, *padding)?.max_pool2d_with_stride(*kernel, *stride)
            }
            Self::AvgPool(kernel, stride) => x.avg_pool2d_with_stride(*kernel, *stride),
            Self::GlobalAvgPool => x.flatten_from(2)?.mean(2),
            Self::Flatten => x.flatten_from(1),
            Self::Activation(function) => tensors::update(&x, |values| activate(*function, values)),
            Self::Recurrent(layer) => layer.forward(&x),
            Self::Patch(weight, bias) => functions::patch(&x, weight, bias),
            Self::Position(position) => {
                tensors::add(&x, &position.narrow(0, 0, x.dim(1)?)?.broadcast_as(x.dims())?)
            }
            Self::FeatureTokens(weight, bias) => x.unsqueeze(2)?.broadcast_mul(weight)?.broadcast_add(bias),
            Self::Periodic(frequencies) => functions::periodic(&x, frequencies),
            Self::PeriodicDense(weights) => functions::periodic_dense(&x, weights),
            Self::Scale(scale) => x.broadcast_mul(scale),
            Self::MixedActivation(function, mix) => {
                let bent = tensors::update(&x, |values| activate(*function, values))?;
                (bent - &x)?.broadcast_mul(mix)? + x
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
            // `forward` runs the layers that read the mask.
            Self::Identity
            | Self::Residual(..)
            | Self::ClassToken(_)
            | Self::Take(_)
            | Self::Attention(_) => Ok(x),
        }
    }
}
