//! Layers as Burn modules, one variant of [`LayerModule`] for each `type` of a declared layer.
//!
//! Each kind has a file: its weights, and the forward pass on the [`Hidden`] representation that it takes. The shapes
//! were traced before a network is built, so a layer never meets another kind of representation.

mod attention;
mod batch_norm;
mod conv;
mod function;
mod hidden;
mod linear;
mod norm;
mod recurrent;
mod residual;
mod series;
mod tabular;
mod tokens;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::{AvgPool2d, MaxPool2d};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, Linear, RmsNorm};
use burn::tensor::{Bool, Tensor};
use cupola_spec::Layer;

use crate::error::Error;
use crate::precision::{self, in_f32};
use crate::weights::Builder;

use self::attention::AttentionConfig;
use self::batch_norm::BatchNorm;
use self::conv::Conv1d;
use self::function::{Function, FunctionLayer};
use self::hidden::map_hidden;
use self::recurrent::Recurrent;
use self::residual::Residual;
use self::series::SeriesPatch;
use self::tabular::{BatchEnsemble, FeatureTokens, Periodic};
use self::tokens::{ClassToken, Patch, Position};

pub(crate) use self::attention::{Attention, LayerCache, NewSteps, RopeTables};
pub(crate) use self::hidden::{Hidden, concat};
pub(crate) use self::linear::linear;

/// A layer with its weights.
#[derive(Module, Debug)]
pub enum LayerModule {
    /// `torch.nn.Linear`
    Linear(Linear),
    /// `torch.nn.Conv2d`
    Conv2d(Conv2d),
    /// `torch.nn.BatchNorm1d` or `BatchNorm2d`
    BatchNorm(BatchNorm),
    /// `torch.nn.LayerNorm`
    LayerNorm(LayerNorm),
    /// `torch.nn.MaxPool2d`
    MaxPool(MaxPool2d),
    /// `torch.nn.AvgPool2d`
    AvgPool(AvgPool2d),
    /// `torch.nn.Dropout`
    Dropout(Dropout),
    /// A function without weights.
    Function(FunctionLayer),
    /// The sum of two branches.
    Residual(Residual),
    /// `torch.nn.RMSNorm`
    RmsNorm(RmsNorm),
    /// `torch.nn.Conv1d` along time.
    Conv1d(Conv1d),
    /// Multi-head self-attention.
    Attention(Attention),
    /// `torch.nn.LSTM` or `GRU` of one layer.
    Recurrent(Recurrent),
    /// Patches of an image as tokens.
    Patch(Patch),
    /// A learned first token.
    ClassToken(ClassToken),
    /// Learned position embeddings.
    Position(Position),
    /// Numbers as tokens.
    FeatureTokens(FeatureTokens),
    /// Cosines and sines of numbers.
    Periodic(Periodic),
    /// A linear layer that the members of an ensemble share.
    BatchEnsemble(BatchEnsemble),
    /// Patches of a series as tokens.
    SeriesPatch(SeriesPatch),
}

/// Builds a list of layers for an input of `shape`; returns them and the shape of their output.
pub(crate) fn build_all(
    builder: &mut Builder<'_>,
    prefix: &str,
    specs: &[Layer],
    mut shape: Vec<usize>,
) -> Result<(Vec<LayerModule>, Vec<usize>), Error> {
    let mut layers = Vec::with_capacity(specs.len());
    for (index, spec) in specs.iter().enumerate() {
        let name = format!("{prefix}.{index}");
        layers.push(LayerModule::build(builder, &name, spec, &shape)?);
        let rows = cupola_spec::trace(prefix, &shape, std::slice::from_ref(spec))?;
        shape = rows.last().map_or(shape, |row| row.output.clone());
    }
    Ok((layers, shape))
}

/// Forward pass through a list of layers.
pub(crate) fn forward_all(layers: &[LayerModule], x: Hidden) -> Hidden {
    layers.iter().fold(x, |x, layer| layer.forward(x))
}

impl LayerModule {
    fn build(builder: &mut Builder<'_>, name: &str, spec: &Layer, shape: &[usize]) -> Result<Self, Error> {
        let last = shape[shape.len() - 1];
        Ok(match *spec {
            Layer::Linear { out, bias } => Self::Linear(linear(builder, name, last, out, bias)?),
            Layer::Conv2d { out, kernel, stride, padding, bias } => {
                let channels = [shape[0], out];
                Self::Conv2d(conv::conv2d(builder, name, channels, [kernel, stride, padding], bias)?)
            }
            Layer::BatchNorm {} => Self::BatchNorm(BatchNorm::build(builder, name, shape[0])?),
            Layer::LayerNorm { eps } => Self::LayerNorm(norm::layer_norm(builder, name, last, eps)?),
            Layer::RmsNorm { eps } => Self::RmsNorm(norm::rms_norm(builder, name, last, eps)?),
            Layer::MaxPool { kernel, stride, padding } => {
                Self::MaxPool(conv::max_pool(kernel, stride.unwrap_or(kernel), padding))
            }
            Layer::AvgPool { kernel, stride } => {
                Self::AvgPool(conv::avg_pool(kernel, stride.unwrap_or(kernel)))
            }
            Layer::Dropout { p } => Self::Dropout(DropoutConfig::new(p).init()),
            Layer::GlobalAvgPool {} => Self::function(Function::GlobalAvgPool),
            Layer::Flatten {} => Self::function(Function::Flatten),
            Layer::Activation { function } => Self::function(Function::Activation(function)),
            Layer::Ensemble { members } => Self::function(Function::Ensemble(members)),
            Layer::Glu { function } => Self::function(Function::Glu(function)),
            Layer::Take { at } => Self::function(Function::Take(at)),
            Layer::Transpose {} => Self::function(Function::Transpose),
            Layer::Decompose { kernel } => Self::function(Function::Decompose(kernel)),
            Layer::Normalize {} => Self::function(Function::Normalize),
            Layer::SeriesPatch { length, stride, width } => {
                Self::SeriesPatch(SeriesPatch::build(builder, name, shape[1], [length, stride], width)?)
            }
            Layer::Conv1d { out, kernel, dilation, causal } => {
                Self::Conv1d(Conv1d::build(builder, name, [shape[1], out], [kernel, dilation], causal)?)
            }
            Layer::Attention { .. } => {
                Self::Attention(Attention::build(builder, name, AttentionConfig::new(spec, shape[1]))?)
            }
            Layer::Recurrent { cell, width, bidirectional } => {
                Self::Recurrent(Recurrent::build(builder, name, cell, [shape[1], width], bidirectional)?)
            }
            Layer::Patch { size, width } => Self::Patch(Patch::build(builder, name, shape[0], size, width)?),
            Layer::ClassToken {} => Self::ClassToken(ClassToken::build(builder, name, shape[1])?),
            Layer::Position {} => Self::Position(Position::build(builder, name, shape[0], shape[1])?),
            Layer::FeatureTokens { width } => {
                Self::FeatureTokens(FeatureTokens::build(builder, name, shape[0], width)?)
            }
            Layer::Periodic { frequencies, sigma } => {
                Self::Periodic(Periodic::build(builder, name, shape[0], frequencies, sigma)?)
            }
            Layer::BatchEnsemble { out, signs } => {
                Self::BatchEnsemble(BatchEnsemble::build(builder, name, [shape[0], shape[1], out], signs)?)
            }
            Layer::Residual { ref layers, ref shortcut, drop_path } => {
                Self::Residual(Residual::build(builder, name, [layers, shortcut], shape, drop_path)?)
            }
        })
    }

    fn function(function: Function) -> Self {
        Self::Function(FunctionLayer::new(function))
    }

    /// Forward pass.
    pub(crate) fn forward(&self, x: Hidden) -> Hidden {
        match (self, x) {
            (Self::Function(layer), x) => layer.forward(x),
            (Self::Residual(layer), x) => layer.forward(x),
            (Self::Dropout(layer), x) => map_hidden!(x, x => layer.forward(x)),
            (Self::LayerNorm(layer), x) => map_hidden!(x, x => in_f32(x, |x| layer.forward(x))),
            (Self::RmsNorm(layer), x) => map_hidden!(x, x => in_f32(x, |x| layer.forward(x))),
            (Self::BatchNorm(layer), x) => map_hidden!(x, x => in_f32(x, |x| layer.forward(x))),
            (Self::Linear(layer), x) => map_hidden!(x, x => precision::linear(layer, x)),
            (Self::Conv2d(layer), Hidden::Image(x)) => Hidden::Image(precision::conv2d(layer, x)),
            (Self::MaxPool(layer), Hidden::Image(x)) => Hidden::Image(layer.forward(x)),
            (Self::AvgPool(layer), Hidden::Image(x)) => Hidden::Image(layer.forward(x)),
            (Self::Patch(layer), Hidden::Image(x)) => Hidden::Sequence(layer.forward(x), None),
            (Self::FeatureTokens(layer), Hidden::Flat(x)) => Hidden::Sequence(layer.forward(x), None),
            (Self::Periodic(layer), Hidden::Flat(x)) => Hidden::Sequence(layer.forward(x), None),
            (layer, Hidden::Sequence(x, mask)) => layer.forward_sequence(x, mask),
            (layer, x) => unreachable!("{layer:?} after a traced shape {:?}", x.shape()),
        }
    }

    /// Forward pass of the layers that take sequences only.
    fn forward_sequence(&self, x: Tensor<3>, mask: Option<Tensor<2, Bool>>) -> Hidden {
        match self {
            Self::Conv1d(layer) => Hidden::Sequence(layer.forward(x), mask),
            Self::Attention(layer) => Hidden::Sequence(layer.forward(x, mask.clone()), mask),
            Self::Recurrent(layer) => Hidden::Sequence(layer.forward(x), mask),
            Self::ClassToken(layer) => layer.forward(x, mask),
            Self::Position(layer) => Hidden::Sequence(layer.forward(x), mask),
            Self::BatchEnsemble(layer) => Hidden::Sequence(layer.forward(x), mask),
            Self::SeriesPatch(layer) => Hidden::Sequence(layer.forward(x), None),
            layer => unreachable!("{layer:?} after a sequence {:?}", x.dims()),
        }
    }
}
