//! Parameters of a network: their ids, values and gradients.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Gradients, Tensor};

use super::Network;
use crate::error::Error;
use crate::weights::{Array, AxisOrder, Parameter, StateDict, transpose};

impl Network {
    /// Ids and names of the trained weights and running statistics, in the order of the build.
    pub fn parameter_ids(&self) -> impl Iterator<Item = (ParamId, &str)> {
        self.parameters.iter().map(|parameter| (parameter.id, parameter.name.as_str()))
    }

    /// Ids of the weights that weight decay applies to: matrices and kernels (`weight...` with two axes or more) and the
    /// scales, activations and number embeddings of `realmlp`, but not biases, norms, tokens and positions.
    pub fn decayed_parameters(&self) -> Vec<ParamId> {
        self.matching(Parameter::decays)
    }

    /// Number of inputs of each linear weight; 1 for other parameters. In the order of [`Network::parameter_ids`].
    pub fn parameter_inputs(&self) -> impl Iterator<Item = usize> {
        self.parameters.iter().map(|parameter| parameter.inputs)
    }

    /// Ids of the trunk's matrices, which Muon optimises.
    pub fn hidden_matrices(&self) -> Vec<ParamId> {
        self.matching(|parameter| {
            parameter.rank == 2 && parameter.is_weight() && parameter.path.starts_with("trunk.")
        })
    }

    fn matching(&self, predicate: impl Fn(&Parameter) -> bool) -> Vec<ParamId> {
        self.parameters
            .iter()
            .filter(|parameter| predicate(parameter))
            .map(|parameter| parameter.id)
            .collect()
    }

    /// All weights and running statistics in `PyTorch`'s names and layouts.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub fn state_dict(&self) -> Result<StateDict, Error> {
        let mut reader = Reader::default();
        self.visit(&mut reader);
        let out = self.named(reader)?;
        match self.parameters.iter().find(|parameter| out.get(&parameter.name).is_none()) {
            Some(parameter) => Err(Error::Missing { name: parameter.name.clone() }),
            None => Ok(out),
        }
    }

    /// Gradients of all trained weights under the weights' names and layouts.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
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
        for Parameter { name, id, order, .. } in &self.parameters {
            if let Some(mut array) = reader.arrays.remove(id) {
                if *order == AxisOrder::Transposed {
                    let (rows, columns) = (array.shape[0], array.shape[1]);
                    array = Array { shape: vec![columns, rows], data: transpose(&array.data, rows, columns) };
                }
                out.insert(name.clone(), array);
            }
        }
        Ok(out)
    }
}

/// Copies parameters, or their gradients, to the host.
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
            // Burn panics if it is asked for the gradient of running statistics, which have none.
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
