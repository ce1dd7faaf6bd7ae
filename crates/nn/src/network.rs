//! A whole network: sources, trunk, head.

mod data_start;
mod ema;
mod head;
mod input_gradient;
mod parameters;
mod source;
mod window_scale;

use burn::module::Module;
use burn::tensor::{Device, FloatDType, Int, Tensor};

use crate::architecture::{Architecture, joined_shape};
use crate::error::Error;
use crate::input::InputBatch;
use crate::layers::{Hidden, LayerModule, build_all, forward_all};
use crate::weights::{Builder, LoadedWeights, Parameter, WeightReader, WeightSource};

use self::head::HeadModule;
pub use self::input_gradient::{DifferentiableNetwork, InputGradient};
use self::source::InputModule;
use self::window_scale::WindowScale;

/// A network with its weights on a device.
#[derive(Module, Debug)]
pub struct Network {
    sources: Vec<InputModule>,
    #[module(skip)]
    stacked: bool,
    trunk: Vec<LayerModule>,
    head: HeadModule,
    #[module(skip)]
    level: Option<usize>,
    #[module(skip)]
    logit_range: Option<[f64; 2]>,
    #[module(skip)]
    trims_padding: bool,
    #[module(skip)]
    activation_dtype: Option<FloatDType>,
    #[module(skip)]
    parameters: Vec<Parameter>,
}

impl Network {
    /// Builds the modules on `device`; on an autodiff device the weights are trained.
    ///
    /// # Errors
    /// [`Error::Shape`] and its like for layers that don't fit, [`Error::Missing`] and its like for weights that the
    /// source lacks.
    pub fn build(
        architecture: &Architecture,
        weights: &mut dyn WeightSource,
        device: &Device,
    ) -> Result<Self, Error> {
        let mut builder = Builder::new(device, weights, &architecture.names, architecture.lora);
        let mut sources = Vec::new();
        let mut shapes = Vec::new();
        let several = architecture.sources.len() > 1;
        for source in &architecture.sources {
            let prefix = if several { source.prefix() } else { String::new() };
            let (module, shape) = InputModule::build(&mut builder, &prefix, source)?;
            shapes.push(shape);
            sources.push(module);
        }
        let shape = match shapes.as_slice() {
            [only] => only.clone(),
            many => joined_shape(many, architecture.stacked)?,
        };
        let (trunk, shape) = build_all(&mut builder, "trunk", &architecture.trunk, shape)?;
        let head = HeadModule::build(
            &mut builder,
            architecture.head,
            &shape,
            architecture.logit_parts(),
            architecture.logit_softcap,
        )?;
        Ok(Self {
            sources,
            stacked: architecture.stacked,
            trunk,
            head,
            level: architecture.level,
            logit_range: architecture.logit_range,
            trims_padding: architecture.trims_padding(),
            activation_dtype: None,
            parameters: builder.parameters,
        })
    }

    /// Builds the modules with trained weights, all of which must be used. Each is read when its module is built.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Unexpected`] or [`Error::WeightShape`] if the weights are of another architecture,
    /// [`Error::Read`] if their file fails.
    pub fn load(
        architecture: &Architecture,
        weights: &dyn WeightReader,
        device: &Device,
    ) -> Result<Self, Error> {
        let mut weights = LoadedWeights::new(weights);
        let network = Self::build(architecture, &mut weights, device)?;
        weights.finish()?;
        Ok(network)
    }

    /// Sets the type of the activations, see [`crate::activation_dtype`]; `None` for 32 bits.
    #[must_use]
    pub fn cast_activations(self, activation_dtype: Option<FloatDType>) -> Self {
        Self { activation_dtype, ..self }
    }

    /// [`Architecture::trims_padding`] of this network's architecture.
    pub fn trims_padding(&self) -> bool {
        self.trims_padding
    }

    /// Sets the probabilities of the trunk's `dropout` layers to a share of their configured values.
    pub fn set_dropout_share(&mut self, share: f64) {
        self.trunk.iter_mut().for_each(|layer| layer.set_dropout_share(share));
    }

    /// Logits `[batch, output]`; the members of an ensemble are averaged, and the range of the logits applies.
    pub fn forward(&self, input: &InputBatch) -> Tensor<2> {
        let logits = self.head.average(self.forward_members(input));
        match self.logit_range {
            Some([low, high]) => logits.clamp(low, high),
            None => logits,
        }
    }

    /// Logits `[batch * members, output]` without a range, for a loss of each member.
    pub fn forward_members(&self, input: &InputBatch) -> Tensor<2> {
        self.leave(self.enter(input))
    }

    /// Forward pass from the trunk to the logits of all members.
    fn leave(&self, hidden: Hidden) -> Tensor<2> {
        let Some(channel) = self.level else { return self.logits(hidden) };
        match hidden {
            Hidden::Sequence(x, mask) => {
                let (scale, x) = WindowScale::normalize(x);
                scale.restore(self.logits(Hidden::Sequence(x, mask)), channel)
            }
            // `Architecture::table` has checked that the input is a series.
            other => unreachable!("a level of an input {:?}", other.shape()),
        }
    }

    /// Forward pass of trunk and head.
    fn logits(&self, hidden: Hidden) -> Tensor<2> {
        let hidden = match self.activation_dtype {
            Some(dtype) => hidden.cast(dtype),
            None => hidden,
        };
        self.head.forward(forward_all(&self.trunk, hidden)).cast(FloatDType::F32)
    }

    /// Forward pass of the sources, up to the trunk.
    fn enter(&self, input: &InputBatch) -> Hidden {
        let (mut dense, mut index) = (0, 0);
        let mut outputs = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            outputs.push(source.forward(input, dense, index));
            let block = source.block();
            dense += block.dense_width();
            index += block.index_width();
        }
        self.joined(outputs)
    }

    /// Representation that enters the trunk.
    fn joined(&self, mut outputs: Vec<Hidden>) -> Hidden {
        if outputs.len() == 1 { outputs.remove(0) } else { join(outputs, self.stacked) }
    }

    /// Embeddings `[1, tokens, width]` of any number of tokens `[1, tokens]`; `None` if the first source has none.
    pub(crate) fn embed(&self, tokens: Tensor<2, Int>) -> Option<Tensor<3>> {
        self.sources.first()?.embed(tokens)
    }

    pub(crate) fn trunk(&self) -> &[LayerModule] {
        &self.trunk
    }

    pub(crate) fn head(&self) -> &HeadModule {
        &self.head
    }

    /// Maximum number of steps of the first source.
    pub(crate) fn max_length(&self) -> usize {
        self.sources.first().map_or(0, |source| source.block().index_width())
    }
}

/// Joins the vectors of several sources side by side, or stacks them as tokens.
fn join(outputs: Vec<Hidden>, stacked: bool) -> Hidden {
    let vectors = outputs.into_iter().filter_map(|hidden| match hidden {
        Hidden::Flat(x) => Some(x),
        _ => None,
    });
    if stacked {
        return Hidden::Sequence(Tensor::stack(vectors.collect(), 1), None);
    }
    Hidden::Flat(Tensor::cat(vectors.collect(), 1))
}

#[cfg(test)]
mod tests;
