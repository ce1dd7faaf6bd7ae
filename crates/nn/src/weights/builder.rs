//! Creation of parameters under their names.

use std::collections::BTreeMap;

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use cupola_spec::{Init, Lora, WeightSpec};
use xxhash_rust::xxh3::xxh3_64;

use super::{ModuleBuilder, WeightSource, is_lora};
use crate::error::Error;

/// Memory layout of a parameter relative to `PyTorch`'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AxisOrder {
    /// The layout of `PyTorch`.
    Same,
    /// Burn's `[in, out]` of a linear weight, which is `[out, in]` in `PyTorch`.
    Transposed,
}

/// Names within their modules of decayed parameters that are no matrices.
const DECAYED: [&str; 4] = ["scale", "mix", "bias_1", "bias_2"];

/// A parameter's identity and names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Name on disk; a module may have one that is not its position, such as `layer1.0.conv1.weight`.
    pub name: String,
    /// Hash of the name: equal in every process, so that optimiser state finds its parameter.
    pub id: ParamId,
    /// Memory layout.
    pub order: AxisOrder,
    /// Name by the position of its module, such as `trunk.0.weight`.
    pub path: String,
    /// Number of axes.
    pub rank: usize,
    /// Number of inputs of a linear weight; 1 for other parameters.
    pub inputs: usize,
}

impl Parameter {
    /// `true` for weights proper: not for biases, scales, tokens and positions.
    pub(crate) fn is_weight(&self) -> bool {
        self.part().starts_with("weight")
    }

    /// `true` if weight decay applies: to matrices and kernels, and to the learned scales, activations and number
    /// embeddings of `realmlp`, whose authors let them decay.
    pub(crate) fn decays(&self) -> bool {
        (self.rank >= 2 && self.is_weight()) || DECAYED.contains(&self.part())
    }

    /// Name within the module.
    fn part(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }
}

/// Factory of the parameters of one network.
pub struct Builder<'a> {
    pub(crate) device: &'a Device,
    weights: &'a mut dyn WeightSource,
    names: &'a BTreeMap<String, String>,
    pub(crate) lora: Option<Lora>,
    pub(crate) parameters: Vec<Parameter>,
}

impl<'a> Builder<'a> {
    /// `names` maps positions of modules to their names on disk, where these differ.
    pub(crate) fn new(
        device: &'a Device,
        weights: &'a mut dyn WeightSource,
        names: &'a BTreeMap<String, String>,
        lora: Option<Lora>,
    ) -> Self {
        Self { device, weights, names, lora, parameters: Vec::new() }
    }

    /// Factory of the parameters of the module at `path`, whose contract states `weights`.
    pub(crate) fn module<'b>(&'b mut self, path: &'b str, weights: Vec<WeightSpec>) -> ModuleBuilder<'b, 'a> {
        ModuleBuilder::new(self, path, weights)
    }

    /// Name on disk of a parameter.
    fn named(&self, name: &str) -> String {
        let Some((module, part)) = name.rsplit_once('.') else { return name.to_owned() };
        self.names.get(module).map_or_else(|| name.to_owned(), |module| format!("{module}.{part}"))
    }

    /// `true` if a parameter is trained; with low-rank adapters only these and the head are.
    fn is_trained(&self, name: &str) -> bool {
        self.device.is_autodiff() && (self.lora.is_none() || is_lora(name) || name.starts_with("head."))
    }

    /// A trained parameter in `PyTorch`'s layout.
    pub(super) fn param<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
        init: Init,
    ) -> Result<Param<Tensor<D>>, Error> {
        let tensor = self.tensor(name, shape, init)?.set_require_grad(self.is_trained(name));
        Ok(Param::initialized(self.register(name, [D, 1], AxisOrder::Same), tensor))
    }

    /// A trained linear weight, `[out, in]` in `PyTorch` and `[in, out]` in memory.
    pub(super) fn transposed(
        &mut self,
        name: &str,
        [output, input]: [usize; 2],
        init: Init,
    ) -> Result<Param<Tensor<2>>, Error> {
        let data = self.weights.take_transposed(&self.named(name), [output, input], init)?;
        let tensor = Tensor::from_data(TensorData::new(data, [input, output]), self.device)
            .set_require_grad(self.is_trained(name));
        Ok(Param::initialized(self.register(name, [2, input], AxisOrder::Transposed), tensor))
    }

    /// A tensor that is saved but not trained, and its id.
    pub(super) fn buffer<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
        init: Init,
    ) -> Result<(ParamId, Tensor<D>), Error> {
        let tensor = self.tensor(name, shape, init)?;
        Ok((self.register(name, [D, 1], AxisOrder::Same), tensor))
    }

    fn tensor<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
        init: Init,
    ) -> Result<Tensor<D>, Error> {
        let data = self.weights.take(&self.named(name), &shape, init)?;
        Ok(Tensor::from_data(TensorData::new(data, shape), self.device))
    }

    fn register(&mut self, path: &str, [rank, inputs]: [usize; 2], order: AxisOrder) -> ParamId {
        let name = self.named(path);
        let id = ParamId::from(xxh3_64(name.as_bytes()));
        self.parameters.push(Parameter { name, id, order, path: path.to_owned(), rank, inputs });
        id
    }
}

/// `[rows, columns]` to `[columns, rows]`.
pub(crate) fn transpose(data: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(data.len());
    for column in 0..columns {
        out.extend((0..rows).map(|row| data[row * columns + column]));
    }
    out
}
