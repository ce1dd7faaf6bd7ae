//! The whole network: sources, trunk, head.

use std::any::Any;
use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, FloatDType, Gradients, Int, Tensor};

use crate::architecture::{Architecture, met};
use crate::builder::{Builder, Entry, Order, transpose};
use crate::error::Error;
use crate::head::Head;
use crate::input::{Flow, Input};
use crate::layer::{Layer, build_all, run_all};
use crate::series::Level;
use crate::source::SourceModule;
use crate::state_dict::{Array, StateDict};
use crate::weights::{Loaded, Weights};

/// A network with its weights on a device.
#[derive(Module, Debug)]
pub struct Network {
    sources: Vec<SourceModule>,
    #[module(skip)]
    stacked: bool,
    trunk: Vec<Layer>,
    head: Head,
    #[module(skip)]
    level: Option<usize>,
    #[module(skip)]
    trims: bool,
    #[module(skip)]
    half: Option<FloatDType>,
    #[module(skip)]
    entries: Vec<Entry>,
}

impl Network {
    /// Builds the modules on `device`; on an autodiff device the weights are trained.
    ///
    /// # Errors
    /// Shapes that do not fit, weights that the source lacks.
    pub fn build(
        architecture: &Architecture,
        weights: &mut dyn Weights,
        device: &Device,
    ) -> Result<Self, Error> {
        let mut builder = Builder::new(device, weights, &architecture.names, architecture.lora);
        let mut sources = Vec::new();
        let mut shapes = Vec::new();
        let several = architecture.sources.len() > 1;
        for source in &architecture.sources {
            let prefix = if several { source.prefix() } else { String::new() };
            let (module, out) = SourceModule::build(&mut builder, &prefix, source)?;
            shapes.push(out);
            sources.push(module);
        }
        let shape = match shapes.as_slice() {
            [only] => only.clone(),
            many => met(many, architecture.stacked)?,
        };
        let (trunk, shape) = build_all(&mut builder, "trunk", &architecture.trunk, shape)?;
        let head = Head::build(&mut builder, architecture.head, &shape, architecture.logit_parts())?;
        let entries = builder.entries;
        let (level, trims) = (architecture.level, architecture.trims());
        let stacked = architecture.stacked;
        Ok(Self { sources, stacked, trunk, head, level, trims, half: None, entries })
    }

    /// Builds the modules with the weights of a state dict, all of which must fit.
    ///
    /// # Errors
    /// Missing, unexpected or misshapen weights.
    pub fn load(architecture: &Architecture, weights: StateDict, device: &Device) -> Result<Self, Error> {
        let mut weights = Loaded::new(weights);
        let network = Self::build(architecture, &mut weights, device)?;
        weights.finish()?;
        Ok(network)
    }

    /// The same network with activations in 16 bits, see [`crate::half`]; `None` for 32.
    #[must_use]
    pub fn in_half(self, half: Option<FloatDType>) -> Self {
        Self { half, ..self }
    }

    /// As [`Architecture::trims`].
    pub fn trims(&self) -> bool {
        self.trims
    }

    /// Logits `[batch, output]`; the members of an ensemble are averaged.
    pub fn forward(&self, input: &Input) -> Tensor<2> {
        self.head.average(self.each(input))
    }

    /// Logits `[batch * members, output]`, for a loss of each member.
    pub fn each(&self, input: &Input) -> Tensor<2> {
        let entry = self.enter(input);
        let Some(channel) = self.level else { return self.logits(entry) };
        match entry {
            Flow::Sequence(x, mask) => {
                let (level, rest) = Level::take_out(x);
                level.put_back(self.logits(Flow::Sequence(rest, mask)), channel)
            }
            // `Architecture::table` has seen that it is a series.
            other => unreachable!("a level of {:?}", other.shape()),
        }
    }

    /// Trunk and head.
    fn logits(&self, entry: Flow) -> Tensor<2> {
        let entry = match self.half {
            Some(half) => entry.cast(half),
            None => entry,
        };
        self.head.each(run_all(&self.trunk, entry)).cast(FloatDType::F32)
    }

    /// What enters the trunk.
    pub(crate) fn enter(&self, input: &Input) -> Flow {
        let (mut dense, mut index) = (0, 0);
        let mut flows = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            flows.push(source.forward(input, dense, index));
            let block = source.block();
            dense += block.dense_width();
            index += block.index_width();
        }
        if flows.len() == 1 { flows.remove(0) } else { meet(flows, self.stacked) }
    }

    /// Vectors `[1, tokens, width]` of tokens `[1, tokens]` of a text, of any number.
    pub(crate) fn embed(&self, tokens: Tensor<2, Int>) -> Option<Tensor<3>> {
        self.sources.first()?.embed(tokens)
    }

    pub(crate) fn trunk(&self) -> &[Layer] {
        &self.trunk
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// Steps that the first source takes at most.
    pub(crate) fn length(&self) -> usize {
        self.sources.first().map_or(0, |source| source.block().index_width())
    }

    /// Ids of the trained weights and running statistics with their names, in the order of the build.
    pub fn ids(&self) -> impl Iterator<Item = (ParamId, &str)> {
        self.entries.iter().map(|entry| (entry.id, entry.name.as_str()))
    }

    /// Ids of the trained weights whose name tells a matrix or a kernel (`weight...` with two axes or
    /// more): what weight decay is for. Biases, norms, scales, tokens and positions are not among
    /// them.
    pub fn decayed(&self) -> Vec<ParamId> {
        self.matching(|entry| entry.rank >= 2 && entry.is_weight())
    }

    /// Ids of the matrices of the trunk: what Muon is for.
    pub fn hidden_matrices(&self) -> Vec<ParamId> {
        self.matching(|entry| entry.rank == 2 && entry.is_weight() && entry.place.starts_with("trunk."))
    }

    /// Moves every weight and running statistic by `1 - decay` of the way to those of `live`, which
    /// is one for inference on the same device.
    #[must_use]
    pub fn follow(self, live: &Self, decay: f64) -> Self {
        let mut held = Held::default();
        live.visit(&mut held);
        self.map(&mut Blend { held, decay })
    }

    fn matching(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<ParamId> {
        self.entries.iter().filter(|entry| wanted(entry)).map(|entry| entry.id).collect()
    }

    /// All weights and running statistics in `PyTorch`'s names and layouts.
    ///
    /// # Errors
    /// [`Error::Device`] when the device fails to give them back.
    pub fn state_dict(&self) -> Result<StateDict, Error> {
        let mut reader = Reader::default();
        self.visit(&mut reader);
        let out = self.named(reader)?;
        match self.entries.iter().find(|entry| out.get(&entry.name).is_none()) {
            Some(entry) => Err(Error::Missing { name: entry.name.clone() }),
            None => Ok(out),
        }
    }

    /// Gradients of all trained weights, under the weights' names and layouts.
    ///
    /// # Errors
    /// As [`Network::state_dict`].
    pub fn gradients(&self, grads: &Gradients) -> Result<StateDict, Error> {
        let mut reader = Reader { grads: Some(grads), ..Reader::default() };
        self.visit(&mut reader);
        self.named(reader)
    }

    fn named(&self, mut reader: Reader<'_>) -> Result<StateDict, Error> {
        if let Some(why) = reader.failed {
            return Err(Error::Device { device: "of the network".into(), why });
        }
        let mut out = StateDict::default();
        for Entry { name, id, order, .. } in &self.entries {
            if let Some(mut array) = reader.arrays.remove(id) {
                if *order == Order::Transposed {
                    let (rows, columns) = (array.shape[0], array.shape[1]);
                    array = Array { shape: vec![columns, rows], data: transpose(&array.data, rows, columns) };
                }
                out.insert(name.clone(), array);
            }
        }
        Ok(out)
    }
}

/// Flat outputs of several sources side by side, or stacked as tokens.
fn meet(flows: Vec<Flow>, stacked: bool) -> Flow {
    let flat = flows.into_iter().filter_map(|flow| if let Flow::Flat(x) = flow { Some(x) } else { None });
    if stacked {
        return Flow::Sequence(Tensor::stack(flat.collect(), 1), None);
    }
    Flow::Flat(Tensor::cat(flat.collect(), 1))
}

/// Reads parameters, or their gradients, back to the host.
#[derive(Default)]
struct Reader<'a> {
    grads: Option<&'a Gradients>,
    arrays: HashMap<ParamId, Array>,
    failed: Option<String>,
}

impl ModuleVisitor for Reader<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = match self.grads {
            None => Some(param.val()),
            // Running statistics have none, and asking for it would panic.
            Some(grads) if param.is_require_grad() => param.val().grad(grads),
            Some(_) => None,
        };
        let Some(tensor) = tensor else { return };
        let shape = tensor.dims().to_vec();
        match tensor.try_into_vec_as::<f32>() {
            Ok(data) => {
                self.arrays.insert(param.id, Array { shape, data });
            }
            Err(error) => self.failed = Some(error.to_string()),
        }
    }
}

/// Every float tensor of a network by its id.
#[derive(Default)]
struct Held(HashMap<ParamId, Box<dyn Any>>);

impl ModuleVisitor for Held {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.insert(param.id, Box::new(param.val()));
    }
}

struct Blend {
    held: Held,
    decay: f64,
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let live = self.held.0.remove(&param.id).and_then(|held| held.downcast::<Tensor<D>>().ok());
        let decay = self.decay;
        match live {
            Some(live) => param.map(|old| old.mul_scalar(decay) + live.mul_scalar(1.0 - decay)),
            None => param,
        }
    }
}

#[cfg(test)]
mod tests;
