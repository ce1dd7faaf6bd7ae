//! Arguments of `cupola tune`.

use clap::Args;
use cupola_spec::parse_time;

use super::{ConfigArgs, DeviceArg};

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola tune --config configs/digits.toml --trials 20
  cupola tune --config configs/diamonds.toml --time 30m --workers 2
  cupola tune --data churn.csv --target churn --time 10m
  cupola tune --config configs/digits.toml --storage sqlite://studies.db

The same command continues a study that was stopped. Ranges of keys are in the table [tune.space] of the
config; without one, the sizes and rates of the model's family are searched.")]
pub struct TuneArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Number of trials in all [default: tune.trials, or 30]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub trials: Option<u32>,
    /// Time after which no trial begins, such as 90s, 30m or 1h30m
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub time: Option<f64>,
    /// Number of processes that train trials at once
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub workers: u32,
    /// Name of the study [default: the name of the config]
    #[arg(long, value_name = "NAME")]
    pub study: Option<String>,
    /// Database of the trials: sqlite://FILE for workers of one host, postgres://me@db/studies for several [default: a file]
    #[arg(long, value_name = "URL")]
    #[allow(clippy::doc_markdown, reason = "the text of --help")]
    pub storage: Option<String>,
    /// Begin with the trials of another study, or with the runs of the same targets for `runs`
    #[arg(long, value_name = "STUDY|runs")]
    pub warm_start: Option<String>,
    #[command(flatten)]
    pub device: DeviceArg,
    /// Train trials of a study that another process shows and ends; stops at the end of the standard input
    #[arg(long, hide = true)]
    pub worker: bool,
}

pub(super) fn seconds(text: &str) -> Result<f64, String> {
    parse_time(text).ok_or_else(|| "expected a time above 0 such as 90s, 30m or 1h30m".to_owned())
}
