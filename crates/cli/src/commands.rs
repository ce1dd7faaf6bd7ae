//! One file for each command: arguments in, a call of the workflow, its result drawn.

pub mod data;
pub mod inference;
pub mod operate;
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
    fn words(&self) -> Vec<String> {
        self.draft.words(self.config.as_deref(), &self.set)
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
                    group: self.group.clone(),
                    name: None,
                })?;
                show_draft(ui, &draft);
                draft.config()
            }
            (None, None) => return Err(UserError::new("nothing to train", "give --config or --data").into()),
        };
        Ok(config.with_overrides(set))
    }

    /// Arguments that name the config of `file`, or the draft, with the overrides `set`.
    fn words(&self, file: Option<&Path>, set: &[String]) -> Vec<String> {
        let config = file.map(|file| file.to_string_lossy().into_owned());
        let kind = self.kind.map(|kind| kind.name().to_owned());
        let named = [
            ("--config", &config),
            ("--data", &self.data),
            ("--target", &self.target),
            ("--kind", &kind),
            ("--group", &self.group),
        ];
        let named = named.into_iter().filter_map(|(flag, value)| Some((flag, value.as_ref()?)));
        let all = named.chain(set.iter().map(|set| ("--set", set)));
        all.flat_map(|(flag, value)| [flag.to_owned(), value.clone()]).collect()
    }
}

impl ModelArgs {
    fn selection(&self) -> ModelSelection {
        ModelSelection { reference: self.model.clone(), engine: self.engine, device: self.device.device }
    }
}
