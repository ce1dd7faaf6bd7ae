//! Arguments of `cupola deploy image`.

use clap::Args;

#[derive(Args)]
pub struct DeployImageArgs {
    /// NAME, NAME@ALIAS, NAME:VERSION or a folder
    #[arg(long)]
    pub model: String,
}
