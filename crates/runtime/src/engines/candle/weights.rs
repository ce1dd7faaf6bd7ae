//! Weights of a package under the names of an architecture.

use candle_core::{Device, Shape, Tensor};
use cupola_kernels::{LinearBuilder, LinearKernel, WeightFormat};
use cupola_nn::{Architecture, Array, WeightReader};

use crate::error::Error;

/// Lookup of weights by a module's path and the parameter's name. Each weight is read when a layer takes it.
pub(super) struct WeightLookup<'a> {
    pub architecture: &'a Architecture,
    pub weights: &'a dyn WeightReader,
    /// Format that linear layers are packed in.
    pub format: WeightFormat,
}

impl WeightLookup<'_> {
    /// Name of a parameter in the file.
    fn name(&self, module: &str, parameter: &str) -> String {
        format!("{}.{parameter}", self.architecture.module_name(module))
    }

    /// `[rows, columns]` of a matrix.
    fn matrix_shape(&self, name: &str) -> Result<(usize, usize), Error> {
        let missing = || cupola_nn::Error::Missing { name: name.to_owned() };
        let shape = self.weights.shape(name).ok_or_else(missing)?;
        Ok(Shape::from(shape.to_vec()).dims2()?)
    }

    /// A parameter of the module at a path.
    pub fn get(&self, module: &str, parameter: &str) -> Result<Tensor, Error> {
        let Array { shape, data } = self.weights.read(&self.name(module, parameter))?;
        Ok(Tensor::from_vec(data, shape, &Device::Cpu)?)
    }

    /// Values of a parameter in row-major order.
    pub fn values(&self, module: &str, parameter: &str) -> Result<Vec<f32>, Error> {
        Ok(self.weights.read(&self.name(module, parameter))?.data)
    }

    /// A matrix `[out, in]` as a tensor `[in, out]`.
    pub fn transposed(&self, module: &str, parameter: &str) -> Result<Tensor, Error> {
        let name = self.name(module, parameter);
        self.matrix_shape(&name)?;
        let Array { shape, data } = self.weights.read_transposed(&name)?;
        Ok(Tensor::from_vec(data, shape, &Device::Cpu)?)
    }

    /// The linear layers at these paths as one, whose output has theirs side by side.
    pub fn linear(&self, modules: &[&str], bias: bool) -> Result<LinearKernel, Error> {
        let names: Vec<String> = modules.iter().map(|module| self.name(module, "weight")).collect();
        let mut shape: Option<(usize, usize)> = None;
        for name in &names {
            let (rows, columns) = self.matrix_shape(name)?;
            let (others, input) = shape.unwrap_or((0, columns));
            if columns != input {
                let (expected, found) = (vec![rows, input], vec![rows, columns]);
                return Err(cupola_nn::Error::WeightShape { name: name.clone(), expected, found }.into());
            }
            shape = Some((others + rows, input));
        }
        // A file may state any number of rows that have no values.
        let (output, input) = shape.filter(|(_, input)| *input > 0).unwrap_or_default();
        // Packed part by part: floats and packed weights of a large model would not fit side by side.
        let mut builder = LinearBuilder::new(input, output, self.format);
        for name in &names {
            self.weights.visit(name, &mut |rows| builder.push_rows(rows))?;
        }
        let mut biases = Vec::new();
        for module in modules.iter().filter(|_| bias) {
            let part = self.weights.read(&self.name(module, "bias"))?;
            Shape::from(part.shape).dims1()?;
            biases.extend(part.data);
        }
        Ok(builder.finish(bias.then_some(biases)))
    }
}
