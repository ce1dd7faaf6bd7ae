//! `cupola deploy`: images and manifests that serve a model.

pub mod image;
pub mod target;

use anyhow::Result;
use cupola_registry::Home;

use crate::args::{DeployArgs, DeployCommand};
use crate::draw::Ui;

pub fn run(home: &Home, ui: Ui, args: &DeployArgs) -> Result<()> {
    match &args.command {
        DeployCommand::Image(args) => image::run(home, ui, args),
        DeployCommand::Target(target) => target::run(home, ui, target),
    }
}
