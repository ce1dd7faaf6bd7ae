//! One file for each command: arguments in, a call of the workflow, its result drawn.

pub mod data;
pub mod inference;
pub mod record;
pub mod server;
pub mod tools;
pub mod training;

use std::path::Path;

use anyhow::Result;
use cupola_registry::Home;
use cupola_workflow::{ConfigSource, DraftRequest, GpuProbe, ModelSelection, Observer, Session};

use crate::args::{ConfigArgs, DraftArgs, DraftTargetKind, ModelArgs, PROBE_COMMAND};
use crate::draw::{Ui, show_draft};
use crate::failure::UserError;

/// Session that looks for GPUs from a child process, which a broken driver may crash.
fn session<'a>(home: &Home, observer: &'a dyn Observer) -> Session<'a> {
    let program = std::env::current_exe().unwrap_or_else(|_| "cupola".into());
    let probe = GpuProbe::Command { program, args: vec![PROBE_COMMAND.to_owned()] };
    Session::new(home.clone(), observer).with_probe(probe)
}

impl ConfigArgs {
    /// The config of the file, or one that is drafted from the data and shown.
    fn source(&self, session: &Session<'_>, ui: Ui) -> Result<ConfigSource> {
        self.draft.source(self.config.as_deref(), &self.set, session, ui)
    }

    /// Arguments that name the same config again.
    fn arguments(&self) -> String {
        match (&self.config, &self.draft.data) {
            (Some(config), _) => format!("--config {}", config.display()),
            (None, data) => {
                let kind = self.draft.kind.map(|kind| kind.name().to_owned());
                let each = [("data", data), ("target", &self.draft.target), ("kind", &kind)];
                let each =
                    each.iter().filter_map(|(key, value)| Some(format!("--{key} {}", value.as_ref()?)));
                each.collect::<Vec<_>>().join(" ")
            }
        }
    }
}

impl DraftArgs {
    /// The config of `file`, or one that is drafted from the data and shown; `set` overrides its keys.
    fn source(
        &self,
        file: Option<&Path>,
        set: &[String],
        session: &Session<'_>,
        ui: Ui,
    ) -> Result<ConfigSource> {
        let config = match (file, &self.data) {
            (Some(file), _) => ConfigSource::file(file),
            (None, Some(data)) => {
                let draft = session.draft(&DraftRequest {
                    source: data.clone(),
                    target: self.target.clone(),
                    kind: self.kind.map(DraftTargetKind::kind),
                    name: None,
                })?;
                show_draft(ui, &draft);
                draft.config()
            }
            (None, None) => return Err(UserError::new("nothing to train", "give --config or --data").into()),
        };
        Ok(config.with_overrides(set))
    }
}

impl ModelArgs {
    fn selection(&self) -> ModelSelection {
        ModelSelection { reference: self.model.clone(), engine: self.engine, device: self.device.device }
    }
}
