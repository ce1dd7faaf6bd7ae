//! Layers as modules, one variant for each `type` of the declarative list.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AvgPool2d, AvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::nn::{
    Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, PaddingConfig2d, RmsNorm, RmsNormConfig,
};
use burn::tensor::{Tensor, activation};
use cupola_spec::{Activation, Layer as Spec, ROPE_BASE, Rope, Take};

use crate::attention::{Attention, Sizes};
use crate::batch_norm::BatchNorm;
use crate::builder::Builder;
use crate::error::Error;
use crate::input::Flow;
use crate::precision::{self, wide};
use crate::recurrent::Recurrent;
use crate::sequence::{ClassToken, Conv1d, Patch, Position, drop_path, take};
use crate::series::{SeriesPatch, decompose};
use crate::tabular::{BatchEnsemble, FeatureTokens, Periodic};
use crate::weights::Start;

/// A layer with its weights.
#[derive(Module, Debug)]
pub enum Layer {
    /// `torch.nn.Linear`
    Linear(Linear),
    /// `torch.nn.Conv2d`
    Conv2d(Conv2d),
    /// `torch.nn.BatchNorm1d` or `2d`
    BatchNorm(BatchNorm),
    /// `torch.nn.LayerNorm`
    LayerNorm(LayerNorm),
    /// `torch.nn.MaxPool2d`
    MaxPool(MaxPool2d),
    /// `torch.nn.AvgPool2d`
    AvgPool(AvgPool2d),
    /// `torch.nn.Dropout`
    Dropout(Dropout),
    /// Layers without weights or settings of Burn's.
    Plain(Plain),
    /// Two branches.
    Residual(Residual),
    /// `torch.nn.RMSNorm`
    RmsNorm(RmsNorm),
    /// `torch.nn.Conv1d` along time.
    Conv1d(Conv1d),
    /// Multi-head self-attention.
    Attention(Attention),
    /// `torch.nn.LSTM` or `GRU` of one layer.
    Recurrent(Recurrent),
    /// Patches of an image.
    Patch(Patch),
    /// A learned first token.
    ClassToken(ClassToken),
    /// Learned positions.
    Position(Position),
    /// Numbers as tokens.
    FeatureTokens(FeatureTokens),
    /// Cosines and sines of numbers.
    Periodic(Periodic),
    /// A linear layer that members of an ensemble share.
    BatchEnsemble(BatchEnsemble),
    /// Stretches of a series.
    SeriesPatch(SeriesPatch),
}

/// A layer that is only a function.
#[derive(Module, Debug)]
pub struct Plain {
    #[module(skip)]
    function: Function,
}

#[derive(Debug, Clone, Copy)]
enum Function {
    Activation(Activation),
    Flatten,
    GlobalAvgPool,
    Ensemble(usize),
    Glu(Activation),
    Take(Take),
    Transpose,
    Decompose(usize),
    Normalize,
}

/// `shortcut(x) + layers(x)`
#[derive(Module, Debug)]
pub struct Residual {
    pub(crate) layers: Vec<Layer>,
    pub(crate) shortcut: Vec<Layer>,
    #[module(skip)]
    drop_path: f64,
}

/// Builds a list of layers; returns them and the shape that leaves.
pub(crate) fn build_all(
    builder: &mut Builder<'_>,
    prefix: &str,
    specs: &[Spec],
    mut shape: Vec<usize>,
) -> Result<(Vec<Layer>, Vec<usize>), Error> {
    let mut layers = Vec::with_capacity(specs.len());
    for (index, spec) in specs.iter().enumerate() {
        let name = format!("{prefix}.{index}");
        layers.push(Layer::build(builder, &name, spec, &shape)?);
        let rows = cupola_spec::trace(prefix, &shape, std::slice::from_ref(spec))?;
        shape = rows.last().map_or(shape, |row| row.output.clone());
    }
    Ok((layers, shape))
}

/// Runs a list of layers.
pub(crate) fn run_all(layers: &[Layer], x: Flow) -> Flow {
    layers.iter().fold(x, |x, layer| layer.forward(x))
}

/// A linear layer under `name`.
pub(crate) fn linear(
    builder: &mut Builder<'_>,
    name: &str,
    input: usize,
    output: usize,
    bias: bool,
) -> Result<Linear, Error> {
    let weight = builder.linear(&format!("{name}.weight"), input, output)?;
    let start = Start::Uniform { fan_in: input };
    let bias = bias.then(|| builder.param(&format!("{name}.bias"), [output], start)).transpose()?;
    Ok(Linear { weight, bias })
}

impl Layer {
    fn build(builder: &mut Builder<'_>, name: &str, spec: &Spec, shape: &[usize]) -> Result<Self, Error> {
        Ok(match *spec {
            Spec::Linear { out, bias } => {
                Self::Linear(linear(builder, name, shape[shape.len() - 1], out, bias)?)
            }
            Spec::Conv2d { out, kernel, stride, padding, bias } => {
                let mut conv = Conv2dConfig::new([shape[0], out], [kernel, kernel])
                    .with_stride([stride, stride])
                    .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
                    .with_bias(bias)
                    .init(builder.device);
                let start = Start::Uniform { fan_in: shape[0] * kernel * kernel };
                conv.weight =
                    builder.param(&format!("{name}.weight"), [out, shape[0], kernel, kernel], start)?;
                conv.bias = bias.then(|| builder.param(&format!("{name}.bias"), [out], start)).transpose()?;
                Self::Conv2d(conv)
            }
            Spec::BatchNorm {} => Self::BatchNorm(BatchNorm::build(builder, name, shape[0])?),
            Spec::LayerNorm { eps } => {
                let width = shape[shape.len() - 1];
                let mut norm =
                    LayerNormConfig::new(width).with_epsilon(eps.unwrap_or(1e-5)).init(builder.device);
                norm.gamma = builder.param(&format!("{name}.weight"), [width], Start::Constant(1.0))?;
                norm.beta = Some(builder.param(&format!("{name}.bias"), [width], Start::Constant(0.0))?);
                Self::LayerNorm(norm)
            }
            Spec::MaxPool { kernel, stride, padding } => {
                let stride = stride.unwrap_or(kernel);
                let padding = PaddingConfig2d::Explicit(padding, padding, padding, padding);
                let config = MaxPool2dConfig::new([kernel, kernel]).with_strides([stride, stride]);
                Self::MaxPool(config.with_padding(padding).init())
            }
            Spec::AvgPool { kernel, stride } => {
                let stride = stride.unwrap_or(kernel);
                let config = AvgPool2dConfig::new([kernel, kernel]).with_strides([stride, stride]);
                Self::AvgPool(config.init())
            }
            Spec::Dropout { p } => Self::Dropout(DropoutConfig::new(p).init()),
            Spec::GlobalAvgPool {} => plain(Function::GlobalAvgPool),
            Spec::Flatten {} => plain(Function::Flatten),
            Spec::Activation { function } => plain(Function::Activation(function)),
            Spec::Ensemble { members } => plain(Function::Ensemble(members)),
            Spec::Glu { function } => plain(Function::Glu(function)),
            Spec::Take { at } => plain(Function::Take(at)),
            Spec::Transpose {} => plain(Function::Transpose),
            Spec::Decompose { kernel } => plain(Function::Decompose(kernel)),
            Spec::Normalize {} => plain(Function::Normalize),
            Spec::SeriesPatch { length, stride, width } => {
                Self::SeriesPatch(SeriesPatch::build(builder, name, shape[1], [length, stride], width)?)
            }
            Spec::RmsNorm { eps } => {
                let width = shape[shape.len() - 1];
                let mut norm =
                    RmsNormConfig::new(width).with_epsilon(eps.unwrap_or(1e-5)).init(builder.device);
                norm.gamma = builder.param(&format!("{name}.weight"), [width], Start::Constant(1.0))?;
                Self::RmsNorm(norm)
            }
            Spec::Conv1d { out, kernel, dilation, causal } => {
                Self::Conv1d(Conv1d::build(builder, name, shape[1], out, kernel, dilation, causal)?)
            }
            Spec::Attention { heads, kv_heads, causal, rope, rope_base, rope_scaling, bias, dropout } => {
                let kv_heads = kv_heads.unwrap_or(heads);
                let rope = rope.then(|| Rope { base: rope_base.unwrap_or(ROPE_BASE), scaling: rope_scaling });
                let sizes = Sizes { width: shape[1], heads, kv_heads, causal, rope, bias };
                Self::Attention(Attention::build(builder, name, sizes, dropout)?)
            }
            Spec::Recurrent { cell, width, bidirectional } => {
                Self::Recurrent(Recurrent::build(builder, name, cell, shape[1], width, bidirectional)?)
            }
            Spec::Patch { size, width } => Self::Patch(Patch::build(builder, name, shape[0], size, width)?),
            Spec::ClassToken {} => Self::ClassToken(ClassToken::build(builder, name, shape[1])?),
            Spec::Position {} => Self::Position(Position::build(builder, name, shape[0], shape[1])?),
            Spec::FeatureTokens { width } => {
                Self::FeatureTokens(FeatureTokens::build(builder, name, shape[0], width)?)
            }
            Spec::Periodic { frequencies, sigma } => {
                Self::Periodic(Periodic::build(builder, name, shape[0], frequencies, sigma)?)
            }
            Spec::BatchEnsemble { out, signs } => {
                Self::BatchEnsemble(BatchEnsemble::build(builder, name, [shape[0], shape[1], out], signs)?)
            }
            Spec::Residual { ref layers, ref shortcut, drop_path } => {
                let body = build_all(builder, &format!("{name}.layers"), layers, shape.to_vec())?.0;
                let short = build_all(builder, &format!("{name}.shortcut"), shortcut, shape.to_vec())?.0;
                Self::Residual(Residual { layers: body, shortcut: short, drop_path })
            }
        })
    }

    pub(crate) fn forward(&self, x: Flow) -> Flow {
        match (self, x) {
            (Self::Linear(layer), Flow::Flat(x)) => Flow::Flat(precision::linear(layer, x)),
            (Self::Conv2d(layer), Flow::Image(x)) => Flow::Image(precision::conv2d(layer, x)),
            (Self::BatchNorm(layer), Flow::Flat(x)) => Flow::Flat(wide(x, |x| layer.forward(x))),
            (Self::BatchNorm(layer), Flow::Image(x)) => Flow::Image(wide(x, |x| layer.forward(x))),
            (Self::LayerNorm(layer), Flow::Flat(x)) => Flow::Flat(wide(x, |x| layer.forward(x))),
            (Self::LayerNorm(layer), Flow::Image(x)) => Flow::Image(wide(x, |x| layer.forward(x))),
            (Self::MaxPool(layer), Flow::Image(x)) => Flow::Image(layer.forward(x)),
            (Self::AvgPool(layer), Flow::Image(x)) => Flow::Image(layer.forward(x)),
            (Self::Dropout(layer), Flow::Flat(x)) => Flow::Flat(layer.forward(x)),
            (Self::Dropout(layer), Flow::Image(x)) => Flow::Image(layer.forward(x)),
            (Self::Linear(layer), Flow::Sequence(x, mask)) => {
                Flow::Sequence(precision::linear(layer, x), mask)
            }
            (Self::LayerNorm(layer), Flow::Sequence(x, mask)) => {
                Flow::Sequence(wide(x, |x| layer.forward(x)), mask)
            }
            (Self::Dropout(layer), Flow::Sequence(x, mask)) => Flow::Sequence(layer.forward(x), mask),
            (Self::RmsNorm(layer), Flow::Flat(x)) => Flow::Flat(wide(x, |x| layer.forward(x))),
            (Self::RmsNorm(layer), Flow::Sequence(x, mask)) => {
                Flow::Sequence(wide(x, |x| layer.forward(x)), mask)
            }
            (Self::Conv1d(layer), Flow::Sequence(x, mask)) => Flow::Sequence(layer.forward(x), mask),
            (Self::Attention(layer), Flow::Sequence(x, mask)) => {
                Flow::Sequence(layer.forward(x, mask.clone()), mask)
            }
            (Self::Recurrent(layer), Flow::Sequence(x, mask)) => Flow::Sequence(layer.forward(x), mask),
            (Self::Patch(layer), Flow::Image(x)) => Flow::Sequence(layer.forward(x), None),
            (Self::ClassToken(layer), Flow::Sequence(x, mask)) => layer.forward(x, mask),
            (Self::Position(layer), Flow::Sequence(x, mask)) => Flow::Sequence(layer.forward(x), mask),
            (Self::FeatureTokens(layer), Flow::Flat(x)) => Flow::Sequence(layer.forward(x), None),
            (Self::Periodic(layer), Flow::Flat(x)) => Flow::Sequence(layer.forward(x), None),
            (Self::BatchEnsemble(layer), Flow::Sequence(x, mask)) => Flow::Sequence(layer.forward(x), mask),
            (Self::SeriesPatch(layer), Flow::Sequence(x, _)) => Flow::Sequence(layer.forward(x), None),
            (Self::Plain(layer), x) => layer.forward(x),
            (Self::Residual(layer), x) => {
                let short = run_all(&layer.shortcut, x.clone());
                drop_path(run_all(&layer.layers, x), layer.drop_path).add(short)
            }
            // `Architecture::new` has traced every shape.
            (layer, x) => unreachable!("{layer:?} after {:?}", x.shape()),
        }
    }
}

fn plain(function: Function) -> Layer {
    Layer::Plain(Plain { function })
}

impl Plain {
    fn forward(&self, x: Flow) -> Flow {
        match (self.function, x) {
            (Function::Activation(function), Flow::Flat(x)) => Flow::Flat(activate(function, x)),
            (Function::Activation(function), Flow::Sequence(x, mask)) => {
                Flow::Sequence(activate(function, x), mask)
            }
            (Function::Activation(function), Flow::Image(x)) => Flow::Image(activate(function, x)),
            (Function::Flatten, Flow::Image(x)) => Flow::Flat(x.flatten(1, 3)),
            (Function::Flatten, Flow::Sequence(x, _)) => Flow::Flat(x.flatten(1, 2)),
            (Function::GlobalAvgPool, Flow::Image(x)) => {
                let [batch, channels, height, width] = x.dims();
                let flat: Tensor<3> = x.reshape([batch, channels, height * width]);
                Flow::Flat(wide(flat, |x| x.mean_dim(2).reshape([batch, channels])))
            }
            (Function::Ensemble(members), Flow::Flat(x)) => {
                let x: Tensor<3> = x.unsqueeze_dim(1);
                Flow::Sequence(x.repeat_dim(1, members), None)
            }
            (Function::Glu(function), Flow::Flat(x)) => {
                let half = x.dims()[1] / 2;
                let gate = activate(function, x.clone().narrow(1, half, half));
                Flow::Flat(x.narrow(1, 0, half) * gate)
            }
            (Function::Glu(function), Flow::Sequence(x, mask)) => {
                let half = x.dims()[2] / 2;
                let gate = activate(function, x.clone().narrow(2, half, half));
                Flow::Sequence(x.narrow(2, 0, half) * gate, mask)
            }
            (Function::Take(at), Flow::Sequence(x, mask)) => Flow::Flat(take(at, x, mask)),
            (Function::Transpose, Flow::Sequence(x, _)) => Flow::Sequence(x.swap_dims(1, 2), None),
            (Function::Decompose(kernel), Flow::Sequence(x, _)) => Flow::Sequence(decompose(x, kernel), None),
            (Function::Normalize, Flow::Flat(x)) => {
                let unit = |x: Tensor<2>| x.clone() / x.square().sum_dim(1).sqrt().clamp_min(1e-12);
                Flow::Flat(wide(x, unit))
            }
            (_, x) => x,
        }
    }
}

fn activate<const D: usize>(function: Activation, x: Tensor<D>) -> Tensor<D> {
    match function {
        Activation::Relu => activation::relu(x),
        Activation::Gelu => activation::gelu(x),
        Activation::GeluTanh => activation::gelu_approximate(x),
        Activation::Silu => activation::silu(x),
        Activation::Tanh => activation::tanh(x),
        Activation::Sigmoid => activation::sigmoid(x),
    }
}
