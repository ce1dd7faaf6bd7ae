//! Weights of a package under the names of an architecture.

use candle_core::{Device, Shape, Tensor};
use cupola_kernels::{LinearKernel, WeightFormat};
use cupola_nn::{Architecture, Array, StateDict};

use crate::error::Error;

/// Lookup of weights by a module's path and the parameter's name.
pub(super) struct WeightLookup<'a> {
    pub architecture: &'a Architecture,
    pub weights: &'a StateDict,
    /// Format that linear layers are packed in.
    pub format: WeightFormat,
}

impl WeightLookup<'_> {
    fn array(&self, module: &str, parameter: &str) -> Result<&Array, Error> {
        let name = format!("{}.{parameter}", self.architecture.module_name(module));
        Ok(self.weights.get(&name).ok_or(cupola_nn::Error::Missing { name })?)
    }

    /// A parameter of the module at a path.
    pub fn get(&self, module: &str, parameter: &str) -> Result<Tensor, Error> {
        let array = self.array(module, parameter)?;
        Ok(Tensor::from_vec(array.data.clone(), array.shape.clone(), &Device::Cpu)?)
    }

    /// The linear layers at these paths as one, whose output has theirs side by side.
    pub fn linear(&self, modules: &[&str], bias: bool) -> Result<LinearKernel, Error> {
        let (mut weight, mut biases, mut input) = (Vec::new(), Vec::new(), 0);
        for module in modules {
            // Without tensors in between, which would copy a large model's weights.
            let part = self.array(module, "weight")?;
            (_, input) = Shape::from(part.shape.clone()).dims2()?;
            weight.extend_from_slice(&part.data);
            if bias {
                let part = self.array(module, "bias")?;
                Shape::from(part.shape.clone()).dims1()?;
                biases.extend_from_slice(&part.data);
            }
        }
        Ok(LinearKernel::new(&weight, bias.then_some(biases), input, self.format))
    }
}
