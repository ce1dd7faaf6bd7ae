//! Trees as an engine: there is nothing to choose, they run on the CPU.

use cupola_prep::Examples;
use cupola_trees::Trees;

use crate::engine::{Engine, EngineReport};
use crate::error::Error;

/// Trees of either kind.
pub struct TreesEngine(pub Trees);

impl Engine for TreesEngine {
    fn name(&self) -> String {
        "trees on the CPU".to_owned()
    }

    fn forward(&mut self, examples: Examples) -> Result<Vec<f32>, Error> {
        Ok(self.0.logits(&examples)?)
    }
}

impl TreesEngine {
    /// What the server says of it.
    pub fn report(&self) -> EngineReport {
        EngineReport {
            engine: self.name(),
            why: "trees have one engine".to_owned(),
            burn_us: None,
            candle_us: None,
            max_difference: None,
        }
    }
}
