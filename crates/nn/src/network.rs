//! The whole network: embeddings, trunk, head.

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::nn::{Embedding, EmbeddingConfig, Linear};
use burn::tensor::{Device, Gradients, Int, Tensor};
use std::collections::HashMap;

use crate::architecture::Architecture;
use crate::builder::{Builder, Entry, Order, transpose};
use crate::error::Error;
use crate::input::{Flow, Input};
use crate::layer::{Layer, build_all, linear, run_all};
use crate::state_dict::{Array, StateDict};
use crate::weights::{Loaded, Start, Weights};

/// A network with its weights on a device.
#[derive(Module, Debug)]
pub struct Network {
    embeddings: Vec<Embedding>,
    trunk: Vec<Layer>,
    head: Linear,
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
        let mut builder = Builder::new(device, weights);
        let mut embeddings = Vec::new();
        for (index, &[values, width]) in architecture.embeddings.iter().enumerate() {
            let mut embedding = EmbeddingConfig::new(values, width).init(device);
            embedding.weight =
                builder.param(&format!("embeddings.{index}.weight"), [values, width], Start::Normal)?;
            embeddings.push(embedding);
        }
        let input = architecture.trunk_input();
        let (trunk, shape) = build_all(&mut builder, "trunk", &architecture.trunk, input)?;
        let [width] = *shape else { return Err(Error::NotFlat { found: shape }) };
        let head = linear(&mut builder, "head", width, architecture.output, true)?;
        let entries = builder.entries;
        Ok(Self { embeddings, trunk, head, entries })
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

    /// Logits `[batch, output]`.
    pub fn forward(&self, input: Input) -> Tensor<2> {
        let dense = match (input.dense, input.indices) {
            (Flow::Flat(dense), Some(indices)) => Flow::Flat(self.embed(dense, &indices)),
            (dense, _) => dense,
        };
        match run_all(&self.trunk, dense) {
            Flow::Flat(x) => self.head.forward(x),
            Flow::Image(x) => self.head.forward(x.flatten::<2>(1, 3)),
        }
    }

    fn embed(&self, dense: Tensor<2>, indices: &Tensor<2, Int>) -> Tensor<2> {
        let batch = dense.dims()[0];
        let mut parts = vec![dense];
        for (column, embedding) in self.embeddings.iter().enumerate() {
            let index = indices.clone().narrow(1, column, 1);
            let rows: Tensor<3> = embedding.forward(index);
            let width = rows.dims()[2];
            parts.push(rows.reshape([batch, width]));
        }
        Tensor::cat(parts, 1)
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
        for Entry { name, id, order } in &self.entries {
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

#[cfg(test)]
mod tests;
