//! Arguments of `cupola submit`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use cupola_operate::parse_memory;
use cupola_spec::parse_time;

use crate::args::DeviceArg;

#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  cupola submit --engine slurm --config run.toml --time 8h --gpus 1 --cpus 8 \\
    --memory 32G
  cupola submit --engine slurm --config run.toml --tune --trials 200 \\
    --workers 10 --time 2h
  cupola submit --engine slurm --config run.toml --sbatch --partition=gpu \\
    --dry-run
  cupola submit --engine kubernetes --config run.toml \\
    --image registry.example.org/cupola:1 --claim ml | kubectl apply -f -
  cupola submit list
  cupola submit logs latest -f

All nodes must see the home folder (or the cache of a home in an object store), the config, the data and the program. A job that is preempted, killed or at
its time limit continues from its newest checkpoint."
)]
pub struct SubmitArgs {
    #[command(subcommand)]
    pub command: Option<SubmitCommand>,
    #[command(flatten)]
    pub job: SubmitJobArgs,
}

#[derive(Args)]
pub struct SubmitJobArgs {
    /// Scheduler of the cluster
    #[arg(long, required = true)]
    pub engine: Option<SubmitEngine>,
    /// TOML file of the run
    #[arg(long, required = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Override a key of the config, such as train.epochs=5 (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Search for good values of the config's keys instead of training it once
    #[arg(long)]
    pub tune: bool,
    /// Number of processes that train trials of --tune at once
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub workers: u32,
    /// Number of trials of --tune in all [default: tune.trials, or 30]
    #[arg(long, value_name = "N", requires = "tune", value_parser = clap::value_parser!(u32).range(1..))]
    pub trials: Option<u32>,
    /// Name of the study of --tune [default: the name of the config]
    #[arg(long, value_name = "NAME", requires = "tune")]
    pub study: Option<String>,
    #[command(flatten)]
    pub device: DeviceArg,
    /// Time limit, such as 90m or 8h: of one start under Slurm, of the whole job under Kubernetes
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub time: Option<f64>,
    /// GPUs of each process
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=64))]
    pub gpus: u32,
    /// Processor cores of each process
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub cpus: Option<u32>,
    /// Memory of each process, such as 512M or 16G
    #[arg(long, value_name = "SIZE", value_parser = mebibytes)]
    pub memory: Option<u64>,
    /// Write the script or manifest into this folder, and submit nothing
    #[arg(long, value_name = "DIR", conflicts_with = "dry_run")]
    pub out: Option<PathBuf>,
    /// Print the script or manifest, and submit nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub slurm: SubmitSlurmArgs,
    #[command(flatten)]
    pub kubernetes: SubmitKubernetesArgs,
}

#[derive(Args)]
#[command(next_help_heading = "Slurm")]
pub struct SubmitSlurmArgs {
    /// Further option of sbatch, such as --partition=gpu (may be repeated)
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    pub sbatch: Vec<String>,
    /// Starts after which a job that reaches its time limit is not requeued
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub restarts: u32,
    /// Program as the nodes see it [default: this one]
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,
}

#[derive(Args)]
#[command(next_help_heading = "Kubernetes")]
pub struct SubmitKubernetesArgs {
    /// Image whose entry point is cupola
    #[arg(long, value_name = "IMAGE", required_if_eq("engine", "kubernetes"))]
    pub image: Option<String>,
    /// Persistent volume claim of the home folder; of the checkpoints, with a home in an object store
    #[arg(long, value_name = "NAME")]
    pub claim: Option<String>,
    /// Secret whose keys become environment variables, for a home in an object store
    #[arg(long, value_name = "NAME")]
    pub secret: Option<String>,
    /// Namespace of the job [default: that of the context of kubectl]
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// User and group of the process
    #[arg(long, value_name = "UID", default_value_t = 65532)]
    pub user: u32,
    /// Failed pods after which the job fails
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub retries: u32,
    /// Create the job through kubectl instead of printing its manifest
    #[arg(long, conflicts_with_all = ["dry_run", "out"])]
    pub apply: bool,
}

#[derive(Subcommand)]
pub enum SubmitCommand {
    /// List submitted jobs, newest first, with their states
    List,
    /// Show one job: its processes, its run or study, its files
    Status {
        /// An id, the beginning of one, a number of Slurm, or `latest`
        job: String,
    },
    /// Cancel a job; its run can be resumed
    Cancel {
        /// An id, the beginning of one, a number of Slurm, or `latest`
        job: String,
    },
    /// Submit a Slurm job again, such as one that was cancelled: its run continues
    Resume {
        /// An id, the beginning of one, a number of Slurm, or `latest`
        job: String,
    },
    /// Print what the processes of a job have printed
    #[command(after_help = "Examples:\n  cupola submit logs latest\n  cupola submit logs digits-20261127 -f")]
    Logs {
        /// An id, the beginning of one, a number of Slurm, or `latest`
        job: String,
        /// Wait for more until the job ends
        #[arg(long, short)]
        follow: bool,
    },
}

/// Scheduler on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SubmitEngine {
    /// Submit a batch script through sbatch
    Slurm,
    /// Write an Indexed Job
    Kubernetes,
}

fn seconds(text: &str) -> Result<f64, String> {
    parse_time(text).ok_or_else(|| "expected a time above 0 such as 90s, 30m or 1h30m".to_owned())
}

fn mebibytes(text: &str) -> Result<u64, String> {
    parse_memory(text).ok_or_else(|| "expected a size above 0 such as 512M or 16G".to_owned())
}
