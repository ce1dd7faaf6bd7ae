//! Choosing a device without letting a broken driver take the command down.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;
use cupola_nn::{Architecture, DeviceChoice, Loss, OpenDevice, check_agreement, open_device};
use serde::{Deserialize, Serialize};

/// How long a driver may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the probing process prints.
#[derive(Debug, Serialize, Deserialize)]
pub struct Probe {
    /// Name of the physical GPU.
    pub gpu: Option<String>,
    /// Why there is none.
    pub why: Option<String>,
}

/// Opens what was asked for.
///
/// # Errors
/// A device that was named and does not open.
pub fn choose(choice: DeviceChoice) -> Result<OpenDevice> {
    Ok(open_device(choice, probe)?)
}

/// A GPU that has shown the CPU's loss and gradients for this very network: a driver or a kernel
/// that computes wrong numbers must not train on them in silence. One that has not is left for the
/// CPU, or refused if it was asked for by name.
///
/// # Errors
/// A device that was named and disagrees.
pub fn trusted(
    device: OpenDevice,
    choice: DeviceChoice,
    network: &Architecture,
    loss: Loss,
    batch: usize,
) -> Result<OpenDevice> {
    if !device.is_gpu() {
        return Ok(device);
    }
    match check_agreement(network, loss, &device.device, &device.name, batch.min(64)) {
        Ok(found) => {
            let why = format!(
                "{}; agrees with the CPU to {:.0e}",
                device.why,
                found.worst_gradient.max(found.loss)
            );
            Ok(OpenDevice { why, ..device })
        }
        Err(error) if choice == DeviceChoice::Auto => {
            Ok(open_device(DeviceChoice::Flex, || Ok(String::new()))
                .map(|cpu| OpenDevice { why: error.to_string(), ..cpu })?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Looks for a physical GPU from another process: a driver that crashes, hangs or prints crashes,
/// hangs or prints there.
///
/// # Errors
/// Why there is none.
pub fn probe() -> Result<String, String> {
    let failed = |error: std::io::Error| format!("no GPU: the probe did not run: {error}");
    let program = std::env::current_exe().map_err(failed)?;
    let mut child = Command::new(program)
        .arg("probe-vulkan")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let started = Instant::now();
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break status,
            None if started.elapsed() > PATIENCE => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("the Vulkan driver hung for {PATIENCE:?}"));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    if !status.success() {
        return Err(format!("the Vulkan driver crashed ({status})"));
    }
    let mut text = String::new();
    if let Some(mut out) = child.stdout.take() {
        out.read_to_string(&mut text).map_err(failed)?;
    }
    // A driver may print too; the answer is the last line.
    let last = text.lines().last().unwrap_or_default();
    match serde_json::from_str::<Probe>(last) {
        Ok(Probe { gpu: Some(name), .. }) => Ok(name),
        Ok(Probe { why: Some(why), .. }) => Err(format!("no GPU: {why}")),
        _ => Err("the Vulkan driver gave no answer".to_owned()),
    }
}
