//! Choice of a device: a GPU is used only if it agrees with the CPU.

use cupola_nn::{Architecture, DeviceChoice, Loss, OpenDevice, check_agreement, open_device};

use crate::error::Error;
use crate::machine::probe::NoGpu;
use crate::session::Session;

/// Examples of the batch on which a GPU is compared with the CPU.
const TRIAL_BATCH: usize = 64;

impl Session<'_> {
    /// Name of the physical GPU of this machine.
    ///
    /// # Errors
    /// [`NoGpu`] with the reason.
    pub fn probe_gpu(&self) -> Result<String, NoGpu> {
        self.probe.find()
    }

    /// Opens a device.
    ///
    /// # Errors
    /// A device that was named and does not open.
    pub fn open_device(&self, choice: DeviceChoice) -> Result<OpenDevice, Error> {
        Ok(open_device(choice, || self.probe_gpu())?)
    }
}

/// Compares a GPU's loss and gradients for this network with the CPU's, so that a driver or kernel with
/// wrong numbers never trains. A GPU that differs is replaced by the CPU, or refused if it was named.
pub fn verified(
    device: OpenDevice,
    choice: DeviceChoice,
    network: &Architecture,
    loss: Loss,
    batch: usize,
) -> Result<OpenDevice, Error> {
    if !device.is_gpu() {
        return Ok(device);
    }
    match check_agreement(network, loss, &device.device, &device.name, batch.min(TRIAL_BATCH)) {
        Ok(found) => {
            let why = format!(
                "{}; agrees with the CPU to {:.0e}",
                device.why,
                found.worst_gradient.max(found.loss)
            );
            Ok(OpenDevice { why, ..device })
        }
        Err(error) if choice == DeviceChoice::Auto => {
            let cpu = open_device(DeviceChoice::Flex, || Ok::<_, NoGpu>(String::new()))?;
            Ok(OpenDevice { why: error.to_string(), ..cpu })
        }
        Err(error) => Err(error.into()),
    }
}
