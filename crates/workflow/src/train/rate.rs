//! Learning-rate range test of a config.

use cupola_nn::{DeviceChoice, activation_dtype};
use cupola_registry::Home;
use cupola_train::{Job, RateTrial, Stop, range_test, suggested_rate};

use super::record;
use crate::check::network::NetworkPlan;
use crate::config::ConfigSource;
use crate::error::Error;
use crate::event::WorkflowEvent;
use crate::session::Session;
use crate::train::stop::StopSignal;

/// Settings of a learning-rate range test.
#[derive(Debug, Clone, Copy)]
pub struct RateTest {
    /// Device to train on.
    pub device: DeviceChoice,
    /// Steps, each with a larger rate.
    pub steps: u32,
}

/// Rates that were tried and the suggested one.
pub struct RateReport {
    /// Rates and losses, in order.
    pub tried: Vec<RateTrial>,
    /// Rate at which the loss falls fastest; `None` if it never falls.
    pub suggested: Option<f64>,
}

impl Session<'_> {
    /// Trains a few steps with a rising learning rate; nothing is kept.
    ///
    /// # Errors
    /// [`Error::TreesHaveNoRate`], and those of the stages before training.
    pub fn test_rates(
        &self,
        config: &ConfigSource,
        test: RateTest,
        stop: &StopSignal,
    ) -> Result<RateReport, Error> {
        let mut run = self.run_config(config)?;
        if run.trees.is_some() {
            return Err(Error::TreesHaveNoRate);
        }
        let data = self.load_data(&run, &config.roots())?;
        let network = NetworkPlan::of(&run, &data.prepared.plan)?;
        let device = self.open_device(test.device)?;
        self.size_batch(&mut run, &network, &data, device.is_gpu());
        self.emit(&WorkflowEvent::DeviceChosen(&device));
        // The loop resumes from the newest checkpoint of its folder: an empty one has none.
        let temporary =
            tempfile::tempdir().map_err(|source| Error::Io { path: std::env::temp_dir(), source })?;
        let (folder, _) = record::create(&Home::new(temporary.path().to_owned()), &run, &data)?;
        let job = Job {
            run: &run,
            prepared: &data.prepared,
            architecture: &network.architecture,
            start: data.pretrained.as_ref().map(|start| &start.weights),
            device: device.device.clone(),
            activation_dtype: activation_dtype(run.train.precision, &device.device, &device.name)?,
            folder: &folder,
            max_steps: None,
            fault: None,
        };
        let tried = range_test(&job, test.steps, &mut |tried| {
            self.emit(&WorkflowEvent::RateTried(tried));
            if stop.is_requested() { Stop::Yes } else { Stop::No }
        })?;
        let suggested = suggested_rate(&tried);
        Ok(RateReport { tried, suggested })
    }
}
