//! Arguments of `cupola deploy`.

mod image;
mod target;

use clap::{Args, Subcommand};

pub use self::image::*;
pub use self::target::*;

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola deploy image --model digits
  cupola deploy kubernetes --model digits \\
    --image registry.example.org/ml/digits:3 --out deploy/k8s
  cupola deploy systemd --model digits --out deploy/systemd")]
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
