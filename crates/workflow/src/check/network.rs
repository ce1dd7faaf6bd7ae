//! Plan of a network and the memory that it takes.

use cupola_nn::Architecture;
use cupola_prep::Plan;
use cupola_spec::{Run, ShapeRow};

use crate::error::Error;
use crate::machine::memory::MemoryEstimate;

/// Network of a run before it is built: layers, shapes, parameters.
pub struct NetworkPlan {
    /// The architecture.
    pub architecture: Architecture,
    /// Layers with their shapes and parameters.
    pub layers: Vec<ShapeRow>,
    /// Parameters in all.
    pub parameters: usize,
}

impl NetworkPlan {
    /// Network of a run on examples of this plan.
    ///
    /// # Errors
    /// Layers that do not fit each other, the examples or the size of a batch.
    pub fn of(run: &Run, plan: &Plan) -> Result<Self, Error> {
        let architecture = cupola_train::architecture(run, plan)?;
        cupola_train::check_batch_norm(&run.train, &architecture, None)?;
        let (layers, parameters) = (architecture.table()?, architecture.parameters()?);
        Ok(Self { architecture, layers, parameters })
    }

    /// Memory that training this network takes.
    pub fn memory(&self, run: &Run) -> MemoryEstimate {
        MemoryEstimate::of(run, &self.layers, self.parameters)
    }
}
