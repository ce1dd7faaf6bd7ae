//! Trained weights as the source of a network.

use std::collections::BTreeSet;

use cupola_spec::Init;

use super::{WeightReader, WeightSource};
use crate::error::Error;

/// Trained weights, each of which can be taken once.
pub struct LoadedWeights<'a> {
    weights: &'a dyn WeightReader,
    /// Names of the weights that have not been taken.
    remaining: BTreeSet<String>,
}

impl<'a> LoadedWeights<'a> {
    /// Source of all weights of a reader.
    pub fn new(weights: &'a dyn WeightReader) -> Self {
        Self { weights, remaining: weights.names().into_iter().map(str::to_owned).collect() }
    }

    /// Checks after the build that every weight was taken.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if weights are left.
    pub fn finish(self) -> Result<(), Error> {
        let names: Vec<&str> = self.remaining.iter().take(5).map(String::as_str).collect();
        if names.is_empty() { Ok(()) } else { Err(Error::Unexpected { names: names.join(", ") }) }
    }

    /// Marks a weight as taken and checks its shape.
    fn claim(&mut self, name: &str, shape: &[usize]) -> Result<(), Error> {
        let missing = || Error::Missing { name: name.to_owned() };
        if !self.remaining.remove(name) {
            return Err(missing());
        }
        let found = self.weights.shape(name).ok_or_else(missing)?;
        if found == shape {
            return Ok(());
        }
        let (expected, found) = (shape.to_vec(), found.to_vec());
        Err(Error::WeightShape { name: name.to_owned(), expected, found })
    }
}

impl WeightSource for LoadedWeights<'_> {
    fn take(&mut self, name: &str, shape: &[usize], _: Init) -> Result<Vec<f32>, Error> {
        self.claim(name, shape)?;
        Ok(self.weights.read(name)?.data)
    }

    fn take_transposed(&mut self, name: &str, shape: [usize; 2], _: Init) -> Result<Vec<f32>, Error> {
        self.claim(name, &shape)?;
        Ok(self.weights.read_transposed(name)?.data)
    }
}
