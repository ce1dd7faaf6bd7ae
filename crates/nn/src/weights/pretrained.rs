//! Weights of a trained network as the start of another training.

use cupola_spec::Init;

use super::{RandomWeights, StateDict, WeightSource, is_lora};
use crate::error::Error;

/// Weights of a trained network, for fine-tuning: the head and low-rank adapters are drawn anew.
#[derive(Debug)]
pub struct PretrainedWeights<'a> {
    /// Weights of the trained network, by the positions of its modules.
    pub weights: &'a StateDict,
    /// Name of the head.
    pub head: &'a str,
    /// Source of the new weights.
    pub random: RandomWeights,
}

impl WeightSource for PretrainedWeights<'_> {
    fn take(&mut self, name: &str, shape: &[usize], init: Init) -> Result<Vec<f32>, Error> {
        let of_head = name.strip_prefix(self.head).is_some_and(|rest| rest.starts_with('.'));
        if of_head || is_lora(name) {
            return self.random.take(name, shape, init);
        }
        let found = self.weights.get(name).ok_or_else(|| Error::Missing { name: name.to_owned() })?;
        // A network for shorter texts takes the first positions.
        let has_prefix = matches!((found.shape.as_slice(), shape), ([a, b], [c, d]) if a >= c && b == d);
        if found.shape == shape || has_prefix && name.ends_with(".position") {
            return Ok(found.data[..shape.iter().product()].to_vec());
        }
        let (expected, found) = (shape.to_vec(), found.shape.clone());
        Err(Error::WeightShape { name: name.to_owned(), expected, found })
    }
}
