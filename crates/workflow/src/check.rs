//! `check`: everything but the training, and the plan of a network.

use cupola_nn::Architecture;
use cupola_prep::Plan;
use cupola_spec::{Run, ShapeRow};

use crate::config::ConfigSource;
use crate::data::LoadedData;
use crate::error::Error;
use crate::event::WorkflowEvent;
use crate::machine::memory::MemoryEstimate;
use crate::session::Session;

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
    /// Layers that do not fit each other or the examples.
    pub fn of(run: &Run, plan: &Plan) -> Result<Self, Error> {
        let architecture = cupola_train::architecture(run, plan)?;
        let (layers, parameters) = (architecture.table()?, architecture.parameters()?);
        Ok(Self { architecture, layers, parameters })
    }

    /// Memory that training this network takes.
    pub fn memory(&self, run: &Run) -> MemoryEstimate {
        MemoryEstimate::of(run, &self.layers, self.parameters)
    }
}

/// Result of [`Session::check`].
pub struct CheckReport {
    /// The run, with its batch size.
    pub run: Run,
    /// Its data.
    pub data: LoadedData,
    /// Its network and the memory that training takes; `None` for trees.
    pub network: Option<(NetworkPlan, MemoryEstimate)>,
}

impl Session<'_> {
    /// Checks config, data and network without training.
    ///
    /// # Errors
    /// Errors of [`Session::run_config`] and [`Session::load_data`]; layers that do not fit.
    pub fn check(&self, config: &ConfigSource) -> Result<CheckReport, Error> {
        let mut run = self.run_config(config)?;
        let data = self.load_data(&run, &config.roots())?;
        if run.trees.is_some() {
            return Ok(CheckReport { run, data, network: None });
        }
        let network = NetworkPlan::of(&run, &data.prepared.plan)?;
        self.emit(&WorkflowEvent::NetworkPlanned(&network));
        self.size_batch(&mut run, &network, &data, false);
        let memory = network.memory(&run);
        Ok(CheckReport { run, data, network: Some((network, memory)) })
    }

    /// Replaces `batch_size = "auto"`; `false` if the run has a size already.
    pub(crate) fn size_batch(
        &self,
        run: &mut Run,
        network: &NetworkPlan,
        data: &LoadedData,
        gpu: bool,
    ) -> bool {
        let sized = network.memory(run).size_batch(run, data.train_rows(), gpu);
        if sized {
            self.emit(&WorkflowEvent::BatchSized { examples: run.train.batch_size });
        }
        sized
    }
}
