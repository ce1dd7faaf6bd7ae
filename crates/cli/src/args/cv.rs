//! Arguments of cross-validation and ensembles.

use clap::Args;
use cupola_workflow::EnsembleMethod;

use super::{ConfigArgs, DeviceArg};

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola cv --config configs/digits.toml --folds 5
  cupola cv --data churn.csv --target churn --folds 5 --repeat 3
  cupola cv --config configs/digits.toml --folds 3 --nested --set tune.trials=10
  cupola cv --config sales.toml --set split.by=time --set split.column=day \\
    --set split.gap='7 days'

A command that was stopped or killed goes on where it was when it is given again.")]
pub struct CvArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Number of folds, each of which is the test split of one run (default: split.folds, or 5)
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub folds: Option<u32>,
    /// Divide the rows into folds N times, each time by another seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub repeat: u32,
    /// Search the settings of [tune] anew within each fold: the means are those of the whole search
    #[arg(long)]
    pub nested: bool,
    #[command(flatten)]
    pub device: DeviceArg,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola ensemble configs/trees.toml configs/network.toml --name both
  cupola ensemble trees:3 network:7 network:8 --name both --method stacking

The members must be trained on the same data with the same split and seed.")]
pub struct EnsembleArgs {
    /// Runs, packages or config files; a config is trained unless a finished run has the same config and data
    #[arg(required = true, num_args = 2.., value_name = "MEMBER")]
    pub members: Vec<String>,
    /// Name of the published package
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// Choice of the weights on the valid rows: greedy, stacking or average
    #[arg(long, value_name = "METHOD", default_value = "greedy")]
    pub method: EnsembleMethod,
    #[command(flatten)]
    pub device: DeviceArg,
}
