//! One file for each command: arguments in, a call of the workflow, its result drawn.

pub mod check;
pub mod completions;
pub mod data;
pub mod doctor;
pub mod evaluate;
pub mod generate;
pub mod graph;
pub mod keys;
pub mod models;
pub mod predict;
pub mod prepare;
pub mod rate;
pub mod runs;
pub mod schema;
pub mod serve;
pub mod train;
pub mod worker;

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
