//! `check`: everything but the training.

pub(crate) mod network;

use cupola_spec::Run;

pub use self::network::NetworkPlan;

use crate::config::ConfigSource;
use crate::data::loaded::LoadedData;
use crate::error::Error;
use crate::event::WorkflowEvent;
use crate::machine::memory::MemoryEstimate;
use crate::session::Session;

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
        if let Some(undefined) = cupola_train::Selection::of(&run, &data.prepared)?.replaced {
            self.emit(&WorkflowEvent::Warning(&undefined.to_string()));
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
