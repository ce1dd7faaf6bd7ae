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
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::nn::pool::{AvgPool2d, MaxPool2d};
use burn::tensor::{Bool, Tensor};
use cupola_spec::{Layer, ShapeError};

use crate::error::Error;
use crate::precision::{self, in_f32};
use crate::weights::{Builder, ModuleBuilder};

use self::attention::AttentionConfig;
use self::batch_norm::BatchNorm;
use self::conv::Conv1d;
use self::function::{DropoutLayer, FunctionLayer, LayerFunction};
use self::hidden::map_hidden;
use self::norm::{LayerNorm, RmsNorm};
use self::recurrent::RecurrentModule;
use self::residual::Residual;
use self::series::SeriesPatch;
use self::tabular::{BatchEnsemble, FeatureScale, FeatureTokens, MixedActivation, Periodic, PeriodicDense};
use self::tokens::{ClassToken, Patch, Position};

pub(crate) use self::attention::{AttentionModule, LayerCache, NewSteps, RopeTables};
pub(crate) use self::hidden::{Hidden, concat};

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
    Dropout(DropoutLayer),
    /// A function without weights.
    Function(FunctionLayer),
    /// The sum of two branches.
    Residual(Residual),
    /// `torch.nn.RMSNorm`
    RmsNorm(RmsNorm),
    /// `torch.nn.Conv1d` along time.
    Conv1d(Conv1d),
    /// Multi-head self-attention.
    Attention(AttentionModule),
    /// `torch.nn.LSTM` or `GRU` of one layer.
    Recurrent(RecurrentModule),
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
    /// Waves of numbers, mapped, beside the numbers.
    PeriodicDense(PeriodicDense),
    /// A factor for each feature.
    Scale(FeatureScale),
    /// A share of an activation for each feature.
    MixedActivation(MixedActivation),
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
    for (index, layer) in specs.iter().enumerate() {
        let path = format!("{prefix}.{index}");
        // The last row is the layer's own; rows before it are of the layers within a residual block.
        let mut rows = cupola_spec::trace(prefix, &shape, std::slice::from_ref(layer))?;
        let Some(row) = rows.pop() else { continue };
        let mut weights = row.weights;
        if let Some(lora) = builder.lora {
            let fail = |misfit| ShapeError { name: path.clone(), kind: layer.kind(), misfit };
            weights.extend(layer.adapters(&shape, lora).map_err(fail)?);
        }
        layers.push(LayerModule::build(&mut builder.module(&path, weights), layer, &shape)?);
        shape = row.output;
    }
    Ok((layers, shape))
}

/// Forward pass through a list of layers.
pub(crate) fn forward_all(mut layers: &[LayerModule], mut x: Hidden) -> Hidden {
    while let [layer, rest @ ..] = layers {
        (x, layers) = match (layer, rest) {
            // A linear layer and the activation after it have a common kernel.
            (LayerModule::Linear(linear), [LayerModule::Function(next), rest @ ..])
                if let Some(function) = next.activation() =>
            {
                (map_hidden!(x, x => precision::activated_linear(linear, x, function)), rest)
            }
            _ => (layer.forward(x), rest),
        };
    }
    x
}

impl LayerModule {
    fn build(module: &mut ModuleBuilder<'_, '_>, layer: &Layer, shape: &[usize]) -> Result<Self, Error> {
        Ok(match *layer {
            Layer::Linear { .. } => Self::Linear(module.linear("")?),
            Layer::Conv2d { stride, padding, .. } => Self::Conv2d(conv::conv2d(module, stride, padding)?),
            Layer::BatchNorm {} => Self::BatchNorm(BatchNorm::build(module)?),
            Layer::LayerNorm { eps } => Self::LayerNorm(LayerNorm::build(module, eps)?),
            Layer::RmsNorm { eps } => Self::RmsNorm(RmsNorm::build(module, "weight", eps)?),
            Layer::MaxPool { kernel, stride, padding } => {
                Self::MaxPool(conv::max_pool(kernel, stride.unwrap_or(kernel), padding))
            }
            Layer::AvgPool { kernel, stride } => {
                Self::AvgPool(conv::avg_pool(kernel, stride.unwrap_or(kernel)))
            }
            Layer::Dropout { p } => Self::Dropout(DropoutLayer::new(p)),
            Layer::GlobalAvgPool {} => Self::function(LayerFunction::GlobalAvgPool),
            Layer::Flatten {} => Self::function(LayerFunction::Flatten),
            Layer::Activation { function } => Self::function(LayerFunction::Activation(function)),
            Layer::Ensemble { members } => Self::function(LayerFunction::Ensemble(members)),
            Layer::Glu { function } => Self::function(LayerFunction::Glu(function)),
            Layer::Take { at, ref also } => {
                Self::function(LayerFunction::Take([&[at], also.as_slice()].concat()))
            }
            Layer::Transpose {} => Self::function(LayerFunction::Transpose),
            Layer::Decompose { kernel } => Self::function(LayerFunction::Decompose(kernel)),
            Layer::Normalize {} => Self::function(LayerFunction::Normalize),
            Layer::SeriesPatch { stride, .. } => Self::SeriesPatch(SeriesPatch::build(module, stride)?),
            Layer::Conv1d { dilation, causal, .. } => Self::Conv1d(Conv1d::build(module, dilation, causal)?),
            Layer::Attention { .. } => {
                Self::Attention(AttentionModule::build(module, AttentionConfig::new(layer, shape[1]))?)
            }
            Layer::Recurrent { cell, bidirectional, .. } => {
                Self::Recurrent(RecurrentModule::build(module, cell, bidirectional)?)
            }
            Layer::Patch { .. } => Self::Patch(Patch::build(module)?),
            Layer::ClassToken {} => Self::ClassToken(ClassToken::build(module)?),
            Layer::Position {} => Self::Position(Position::build(module)?),
            Layer::FeatureTokens { .. } => Self::FeatureTokens(FeatureTokens::build(module)?),
            Layer::Periodic { .. } => Self::Periodic(Periodic::build(module)?),
            Layer::PeriodicDense { .. } => Self::PeriodicDense(PeriodicDense::build(module)?),
            Layer::Scale {} => Self::Scale(FeatureScale::build(module)?),
            Layer::MixedActivation { function } => {
                Self::MixedActivation(MixedActivation::build(module, function)?)
            }
            Layer::BatchEnsemble { .. } => Self::BatchEnsemble(BatchEnsemble::build(module)?),
            Layer::Residual { ref layers, ref shortcut, drop_path } => {
                Self::Residual(Residual::build(module, [layers, shortcut], shape, drop_path)?)
            }
        })
    }

    /// Keeps all examples of a stochastic depth, also on an autodiff device.
    pub(crate) fn disable_drop_path(&mut self) {
        if let Self::Residual(layer) = self {
            layer.disable_drop_path();
        }
    }

    /// Sets the probabilities of `dropout` layers to a share of their configured values.
    pub(crate) fn set_dropout_share(&mut self, share: f64) {
        match self {
            Self::Dropout(layer) => layer.set_share(share),
            Self::Residual(layer) => layer.set_dropout_share(share),
            _ => {}
        }
    }

    fn function(function: LayerFunction) -> Self {
        Self::Function(FunctionLayer::new(function))
    }

    /// Forward pass.
    pub(crate) fn forward(&self, x: Hidden) -> Hidden {
        match (self, x) {
            (Self::Function(layer), x) => layer.forward(x),
            (Self::Residual(layer), x) => layer.forward(x),
            (Self::Dropout(layer), x) => map_hidden!(x, x => layer.forward(x)),
            (Self::Scale(layer), x) => map_hidden!(x, x => layer.forward(x)),
            (Self::MixedActivation(layer), x) => map_hidden!(x, x => layer.forward(x)),
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
            (Self::PeriodicDense(layer), Hidden::Flat(x)) => Hidden::Sequence(layer.forward(x), None),
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
