//! Arguments of `cupola deploy` for an orchestrator or an init system.

use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub enum DeployTarget {
    /// Write a unit of systemd that serves a model
    Systemd(DeployFilesArgs),
}

#[derive(Args)]
pub struct DeployFilesArgs {
    /// NAME, NAME@ALIAS, NAME:VERSION or a folder
    #[arg(long)]
    pub model: String,
}
