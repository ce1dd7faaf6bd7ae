//! `cupola deploy`: images and manifests that serve a model.

pub mod image;
pub mod target;

use anyhow::Result;
use clap::Parser;
use cupola_registry::Home;

use crate::args::{Cli, Command, DeployArgs, DeployCommand};
use crate::draw::Ui;
use crate::failure::UserError;

pub fn run(home: &Home, ui: Ui, args: &DeployArgs) -> Result<()> {
    match &args.command {
        DeployCommand::Image(args) => image::run(home, ui, args),
        DeployCommand::Target(target) => target::run(home, ui, target),
    }
}

/// Command `cupola serve` with these options. Mistakes show up here and not where the server runs.
fn parse_serve_options(options: &[String]) -> Result<Command> {
    let words = ["cupola", "serve"].into_iter().chain(options.iter().map(String::as_str));
    let parsed = Cli::try_parse_from(words).map_err(|error| {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        UserError::new(line, "see `cupola serve --help`")
    })?;
    Ok(parsed.command)
}
