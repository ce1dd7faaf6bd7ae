//! Arguments of `cupola deploy`.

mod image;
mod target;

use clap::{Args, Subcommand};

pub use self::image::*;
pub use self::target::*;

#[derive(Args)]
pub struct DeployArgs {
    #[command(subcommand)]
    pub command: DeployCommand,
}

#[derive(Subcommand)]
pub enum DeployCommand {
    /// Write an OCI image that serves a model, without a container daemon
    Image(Box<DeployImageArgs>),
    #[command(flatten)]
    Target(Box<DeployTarget>),
}
