//! One file for each command: arguments in, a call of the workflow, its result drawn.

pub mod data;
pub mod inference;
pub mod record;
pub mod server;
pub mod tools;
pub mod training;

use cupola_registry::Home;
use cupola_workflow::{ConfigSource, GpuProbe, ModelSelection, Observer, Session};

use crate::args::{ConfigArgs, ModelArgs, PROBE_COMMAND};

/// Session that looks for GPUs from a child process, which a broken driver may crash.
fn session<'a>(home: &Home, observer: &'a dyn Observer) -> Session<'a> {
    let program = std::env::current_exe().unwrap_or_else(|_| "cupola".into());
    let probe = GpuProbe::Command { program, args: vec![PROBE_COMMAND.to_owned()] };
    Session::new(home.clone(), observer).with_probe(probe)
}

impl ConfigArgs {
    fn source(&self) -> ConfigSource {
        ConfigSource::file(&self.config).with_overrides(self.set.clone())
    }
}

impl ModelArgs {
    fn selection(&self) -> ModelSelection {
        ModelSelection { reference: self.model.clone(), engine: self.engine, device: self.device.device }
    }
}
