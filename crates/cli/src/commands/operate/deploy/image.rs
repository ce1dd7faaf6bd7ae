//! `cupola deploy image`: an OCI image that serves a model.

use anyhow::Result;
use cupola_registry::Home;

use crate::args::DeployImageArgs;
use crate::draw::Ui;

pub fn run(_home: &Home, ui: Ui, args: &DeployImageArgs) -> Result<()> {
    ui.line(&args.model);
    Ok(())
}
