//! Weights of a state dict.

use cupola_spec::Init;

use super::{Array, StateDict, WeightSource};
use crate::error::Error;

/// Weights of a state dict, each of which can be taken once.
#[derive(Debug)]
pub struct LoadedWeights {
    arrays: StateDict,
}

impl LoadedWeights {
    /// Weights from a state dict.
    pub fn new(arrays: StateDict) -> Self {
        Self { arrays }
    }

    /// Checks after the build that every weight was taken.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if weights are left.
    pub fn finish(self) -> Result<(), Error> {
        let names: Vec<&str> = self.arrays.names().take(5).collect();
        if names.is_empty() { Ok(()) } else { Err(Error::Unexpected { names: names.join(", ") }) }
    }
}

impl WeightSource for LoadedWeights {
    fn take(&mut self, name: &str, shape: &[usize], _: Init) -> Result<Vec<f32>, Error> {
        let Array { shape: found, data } =
            self.arrays.remove(name).ok_or_else(|| Error::Missing { name: name.to_owned() })?;
        if found != shape {
            let expected = shape.to_vec();
            return Err(Error::WeightShape { name: name.to_owned(), expected, found });
        }
        Ok(data)
    }
}
