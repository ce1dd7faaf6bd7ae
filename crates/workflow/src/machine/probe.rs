//! Search for a GPU, in a child process if asked, so that a broken driver cannot crash this one.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Time after which a silent driver counts as hung.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Place where a GPU is looked for.
#[derive(Debug, Clone)]
pub enum GpuProbe {
    /// This process, which a broken driver may crash.
    InProcess,
    /// Child process that prints a [`VulkanProbe`] as its last line.
    Command {
        /// Program to start.
        program: PathBuf,
        /// Its arguments.
        args: Vec<String>,
    },
}

impl GpuProbe {
    /// Name of the physical GPU.
    pub(crate) fn find(&self) -> Result<String, NoGpu> {
        match self {
            Self::InProcess => VulkanProbe::run().found(),
            Self::Command { program, args } => probe_by(Command::new(program).args(args)),
        }
    }
}

/// Reason for which no GPU is used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoGpu(String);

/// Result of a probing process, as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub struct VulkanProbe {
    /// Name of the physical GPU.
    gpu: Option<String>,
    /// Reason for which there is none.
    why: Option<String>,
}

impl VulkanProbe {
    /// Looks for a physical GPU in this process.
    pub fn run() -> Self {
        match cupola_nn::probe_vulkan() {
            Ok(name) => Self { gpu: Some(name), why: None },
            Err(why) => Self { gpu: None, why: Some(why.to_string()) },
        }
    }

    fn found(self) -> Result<String, NoGpu> {
        match self {
            Self { gpu: Some(name), .. } => Ok(name),
            Self { why: Some(why), .. } => Err(NoGpu(format!("no GPU: {why}"))),
            Self { .. } => Err(NoGpu("the Vulkan driver gave no answer".to_owned())),
        }
    }
}

/// Starts the probing process: a driver that crashes, hangs or prints does so there.
fn probe_by(command: &mut Command) -> Result<String, NoGpu> {
    let failed = |error: std::io::Error| NoGpu(format!("no GPU: the probe did not run: {error}"));
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(failed)?;
    let Some(status) = wait(&mut child).map_err(failed)? else {
        return Err(NoGpu(format!("the Vulkan driver hung for {TIMEOUT:?}")));
    };
    if !status.success() {
        return Err(NoGpu(format!("the Vulkan driver crashed ({status})")));
    }
    let mut text = String::new();
    if let Some(mut out) = child.stdout.take() {
        out.read_to_string(&mut text).map_err(failed)?;
    }
    // A driver may print too; the result is the last line.
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or(VulkanProbe { gpu: None, why: None }).found()
}

/// Exit status; `None` if the process was killed after the timeout.
fn wait(child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(Some(status)),
            None if started.elapsed() > TIMEOUT => {
                let _ = child.kill();
                let _ = child.wait();
                return Ok(None);
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}
