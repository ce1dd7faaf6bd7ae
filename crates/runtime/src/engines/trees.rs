//! The engine of boosted trees and random forests, on the CPU.

use std::sync::Arc;

use cupola_prep::Examples;
use cupola_trees::Trees;

use super::{Engine, EngineCapabilities, EngineReport};
use crate::error::Error;

/// Trees of either kind.
pub(crate) struct TreesEngine(pub Arc<Trees>);

impl Engine for TreesEngine {
    fn name(&self) -> String {
        "trees on the CPU".to_owned()
    }

    fn capabilities(&self) -> EngineCapabilities {
        EngineCapabilities { any_thread: true, decodes: false }
    }

    fn forward(&mut self, examples: Examples) -> Result<Vec<f32>, Error> {
        Ok(self.0.logits(&examples)?)
    }
}

impl TreesEngine {
    /// Report of the only choice there is.
    pub fn report(&self) -> EngineReport {
        EngineReport::untimed(self.name(), "trees have one engine")
    }
}
