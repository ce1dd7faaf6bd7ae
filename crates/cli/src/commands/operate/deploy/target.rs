//! `cupola deploy` for an orchestrator or an init system: the files that serve a model there.

use anyhow::Result;
use cupola_registry::Home;

use crate::args::DeployTarget;
use crate::draw::Ui;

pub fn run(_home: &Home, ui: Ui, target: &DeployTarget) -> Result<()> {
    match target {
        DeployTarget::Systemd(args) => ui.line(&args.model),
    }
    Ok(())
}
