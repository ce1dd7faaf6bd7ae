//! Arguments of training and of the checks before it.

use std::path::PathBuf;

use clap::Args;
use cupola_workflow::Preset;

use super::tune::seconds;
use super::{ConfigArgs, DeviceArg, DraftArgs};

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola train --data churn.csv --target churn
  cupola train --data churn.csv --target churn --preset good --time 5m
  cupola train --data photos/ --set train.epochs=5     # a folder for each class
  cupola train --config configs/digits.toml
  cupola train --config configs/digits.toml --set train.epochs=5 --set seed=1
  cupola train --config configs/digits.toml --max-steps 20 --device flex
  cupola train --config configs/digits.toml --smoke
  cupola train --config configs/diamonds.toml --device vulkan --devices 2
  mpirun -n 4 cupola train --config configs/diamonds.toml --mpi
  cupola train --resume latest")]
pub struct TrainArgs {
    /// TOML file of the run
    #[arg(
        long,
        required_unless_present_any = ["resume", "data"],
        conflicts_with = "data",
        value_name = "FILE"
    )]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub draft: DraftArgs,
    /// Override a key of the config, such as train.epochs=5 (may be repeated)
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "resume")]
    pub set: Vec<String>,
    #[command(flatten)]
    pub device: DeviceArg,
    /// Continue a run from its newest checkpoint: an id, the beginning of one, or `latest`
    #[arg(long, value_name = "RUN", conflicts_with = "data")]
    pub resume: Option<String>,
    /// Begin the run of this id, or continue it by its own config if it exists
    #[arg(long, value_name = "ID", conflicts_with_all = ["resume", "smoke"])]
    pub run: Option<String>,
    /// End training after N steps in all, then evaluate and publish
    #[arg(long, value_name = "N")]
    pub max_steps: Option<u64>,
    /// Try the whole way in a temporary folder: three steps, an evaluation and a package
    #[arg(long, conflicts_with_all = ["resume", "max_steps"])]
    pub smoke: bool,
    /// Train on N GPUs (or N parts of the CPU), each with a part of every batch
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub devices: u32,
    /// Train as one of the processes that mpirun started, each with a part of every batch (cargo feature mpi)
    #[arg(long, conflicts_with_all = ["devices", "smoke"])]
    pub mpi: bool,
    /// Train several families and publish their ensemble: fast (trees, linear), good (and networks) or best (and
    /// further copies of the best ones)
    #[arg(
        long,
        value_name = "PRESET",
        conflicts_with_all = ["resume", "smoke", "max_steps", "devices", "mpi"]
    )]
    pub preset: Option<Preset>,
    /// Time of --preset, such as 90s, 5m or 1h [default: 2m, 10m or 1h by preset]
    #[arg(long, value_name = "TIME", value_parser = seconds, requires = "preset")]
    pub time: Option<f64>,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  cupola rate --config configs/digits.toml --steps 100")]
pub struct RateArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    #[command(flatten)]
    pub device: DeviceArg,
    /// Steps, each with a larger rate
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(10..))]
    pub steps: u32,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  cupola check --config configs/digits.toml --set train.batch_size=128\n  cupola check --data churn.csv --target churn"
)]
pub struct CheckArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
}
