//! Arguments of `cupola watch`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use cupola_operate::WatchScheduler;

use super::super::DeviceArg;

/// States that a pass may end at.
const STATES: [&str; 7] = ["triggered", "collected", "validated", "prepared", "trained", "gated", "promoted"];

#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
The table [watch] of the config names the reasons to train again: a schedule, a new version of the data, drift, accuracy
on recent rows, an alert. The challenger is compared with the version behind the alias on the same rows; servers that
serve NAME@production follow the alias by themselves.

Examples:
  cupola watch --config flights.toml --dry-run   # say what would be done
  cupola watch --config flights.toml --once      # one pass, for cron
  cupola watch --config flights.toml             # a pass every `watch.every`
  cupola watch list
  cupola watch approve flights-3
  cupola watch export --config flights.toml --to airflow --out dag.py"
)]
pub struct WatchArgs {
    #[command(subcommand)]
    pub command: Option<WatchCommand>,
    #[command(flatten)]
    pub pass: WatchPassArgs,
}

#[derive(Args)]
pub struct WatchPassArgs {
    /// TOML file of the run, with a table [watch]
    #[arg(long, value_name = "FILE", required = true)]
    pub config: Option<PathBuf>,
    /// Override a key of the config, such as watch.every=30s (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// End after one pass
    #[arg(long)]
    pub once: bool,
    /// Look at data and champion once and say what a pass would do; nothing is kept
    #[arg(long, conflicts_with = "approve")]
    pub dry_run: bool,
    /// Wait for `cupola watch approve` before each promotion
    #[arg(long)]
    pub approve: bool,
    /// End the pass when a retraining has reached this state
    #[arg(long, value_name = "STATE", requires = "once", value_parser = STATES)]
    pub until: Option<String>,
    #[command(flatten)]
    pub device: DeviceArg,
}

#[derive(Subcommand)]
pub enum WatchCommand {
    /// Release a challenger that waits for a decision
    Approve {
        /// Id such as flights-3, or the name of a model for its open retraining
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Refuse a challenger that waits for a decision; the champion stays
    Reject {
        /// Id such as flights-3, or the name of a model for its open retraining
        #[arg(value_name = "ID")]
        id: String,
        /// Reason, for the journal
        #[arg(long, value_name = "TEXT", default_value = "no reason given")]
        why: String,
    },
    /// List retrainings, newest first
    List {
        /// Name of a model [default: all]
        #[arg(value_name = "MODEL")]
        model: Option<String>,
    },
    /// Show one retraining: each state with its evidence
    Show {
        /// Id such as flights-3, or the name of a model for its open or last retraining
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Write the steps as a workflow of another scheduler
    Export(WatchExportArgs),
}

#[derive(Args)]
pub struct WatchExportArgs {
    /// TOML file of the run, with a table [watch]
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Scheduler
    #[arg(long, value_name = "SCHEDULER")]
    pub to: SchedulerArg,
    /// Write into this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Image of a container with cupola, for Kubeflow
    #[arg(long, value_name = "IMAGE", default_value = "cupola:latest")]
    pub image: String,
}

/// Scheduler to export to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchedulerArg {
    /// DAG of Apache Airflow (Python)
    Airflow,
    /// Pipeline of Kubeflow (IR YAML)
    Kubeflow,
    /// Line of a crontab
    Cron,
    /// Workflow of GitHub Actions
    Github,
}

impl SchedulerArg {
    pub fn scheduler(self) -> WatchScheduler {
        match self {
            Self::Airflow => WatchScheduler::Airflow,
            Self::Kubeflow => WatchScheduler::Kubeflow,
            Self::Cron => WatchScheduler::Cron,
            Self::Github => WatchScheduler::Github,
        }
    }
}
