//! `cupola completions`: completion scripts for shells.

use anyhow::Result;
use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs};

#[allow(clippy::unnecessary_wraps)]
pub fn run(args: &CompletionsArgs) -> Result<()> {
    clap_complete::generate(args.shell, &mut Cli::command(), "cupola", &mut std::io::stdout());
    Ok(())
}
