//! Parameters of one module, created from its contract.

use burn::module::{Param, ParamId};
use burn::nn::Linear;
use burn::tensor::Tensor;
use cupola_spec::WeightSpec;

use super::Builder;
use crate::error::Error;

/// Factory of the parameters that a layer's contract states. Names are those within the module, such as `weight`.
pub struct ModuleBuilder<'b, 'a> {
    /// Factory of the whole network's parameters.
    pub builder: &'b mut Builder<'a>,
    /// Position of the module, such as `trunk.0`.
    pub path: &'b str,
    weights: Vec<WeightSpec>,
}

impl<'b, 'a> ModuleBuilder<'b, 'a> {
    pub fn new(builder: &'b mut Builder<'a>, path: &'b str, weights: Vec<WeightSpec>) -> Self {
        Self { builder, path, weights }
    }

    /// Creates a trained parameter.
    pub fn param<const D: usize>(&mut self, name: &str) -> Result<Param<Tensor<D>>, Error> {
        let (path, shape, spec) = self.find(name)?;
        self.builder.param(&path, shape, spec.init)
    }

    /// Creates a trained parameter; `None` if the contract doesn't state it.
    pub fn optional<const D: usize>(&mut self, name: &str) -> Result<Option<Param<Tensor<D>>>, Error> {
        let is_stated = self.weights.iter().any(|weight| weight.name == name);
        is_stated.then(|| self.param(name)).transpose()
    }

    /// Creates a linear weight, `[out, in]` in `PyTorch` and `[in, out]` in memory.
    pub fn transposed(&mut self, name: &str) -> Result<Param<Tensor<2>>, Error> {
        let (path, shape, spec) = self.find(name)?;
        self.builder.transposed(&path, shape, spec.init)
    }

    /// Creates a tensor that is saved but not trained.
    pub fn buffer<const D: usize>(&mut self, name: &str) -> Result<(ParamId, Tensor<D>), Error> {
        let (path, shape, spec) = self.find(name)?;
        self.builder.buffer(&path, shape, spec.init)
    }

    /// Builds `torch.nn.Linear`, with a bias if the contract states one; `prefix` is empty or ends with a dot.
    pub fn linear(&mut self, prefix: &str) -> Result<Linear, Error> {
        let weight = self.transposed(&format!("{prefix}weight"))?;
        let bias = self.optional(&format!("{prefix}bias"))?;
        Ok(Linear { weight, bias })
    }

    /// Path, shape and contract of a weight with `D` axes.
    fn find<const D: usize>(&self, name: &str) -> Result<(String, [usize; D], WeightSpec), Error> {
        let path = format!("{}.{name}", self.path);
        let found = self.weights.iter().find(|weight| weight.name == name);
        let Some(spec) = found.cloned() else { return Err(Error::Missing { name: path }) };
        match <[usize; D]>::try_from(spec.shape.as_slice()) {
            Ok(shape) => Ok((path, shape, spec)),
            Err(_) => Err(Error::WeightShape { name: path, expected: vec![0; D], found: spec.shape }),
        }
    }
}
