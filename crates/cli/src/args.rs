//! Arguments of the command line.

mod cv;
mod data;
mod gate;
mod inference;
mod init;
mod invalid;
mod models;
mod operate;
mod rows;
mod serve;
mod train;
mod tune;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use cupola_nn::DeviceChoice;
use cupola_runtime::EngineChoice;

pub use self::cv::*;
pub use self::data::*;
pub use self::gate::*;
pub use self::inference::*;
pub use self::init::*;
pub use self::invalid::{parse, report};
pub use self::models::*;
pub use self::operate::*;
pub use self::serve::*;
pub use self::train::*;
pub use self::tune::*;

/// Home folder where neither `--home` nor the environment names one.
pub const DEFAULT_HOME: &str = ".cupola";
/// Environment variable with the home folder.
pub const HOME_VARIABLE: &str = "CUPOLA_HOME";
/// Name of the hidden command that looks for a GPU.
pub const PROBE_COMMAND: &str = "probe-vulkan";

/// From raw data to a served model: one binary, without Python.
#[derive(Parser)]
#[command(
    name = "cupola",
    version,
    arg_required_else_help = true,
    after_help = "\
Examples:
  cupola train --data churn.csv --target churn    # train without a config
  cupola init --data churn.csv --target churn     # write a config, with reasons
  cupola train --config configs/digits.toml       # train from a config
  cupola tune --config configs/digits.toml        # search for better values
  cupola serve --model digits                     # answer predictions over HTTP
  cupola predict --model digits --input rows.csv  # the same without a server
  cupola --home s3://team/ml models list          # a home in an object store"
)]
pub struct Cli {
    /// Folder or URL of runs, models, data
    #[arg(long, global = true, env = HOME_VARIABLE, default_value = DEFAULT_HOME, value_name = "DIR")]
    pub home: PathBuf,
    /// Print the result as JSON on standard output, everything else on standard error
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Write a config for your data, with the reason of each decision
    Init(InitArgs),
    /// Train a model from a config or from data alone, evaluate it on the test split and publish it
    Train(TrainArgs),
    /// Cross-validate a config: a run for each fold, their average as one package
    Cv(CvArgs),
    /// Publish several models of the same data as one, weighted by their predictions
    Ensemble(EnsembleArgs),
    /// Search for good values of the config's keys: train trials, publish the best one
    Tune(TuneArgs),
    /// Train a published model again when there is a reason, and promote what is better
    Watch(Box<WatchArgs>),
    /// Train or tune on a cluster: submit jobs to Slurm, or write them for Kubernetes
    Submit(Box<SubmitArgs>),
    /// Find a learning rate: train a few steps with a rising rate; nothing is kept
    Rate(RateArgs),
    /// Check config and data, show shapes, parameters and memory, without training
    Check(CheckArgs),
    /// Evaluate a published model on data that has the target
    Evaluate(EvaluateArgs),
    /// Judge a published model by conditions on its metrics; exit with 1 if one is broken
    Gate(GateArgs),
    /// Predict the rows of a file with a published model
    Predict(PredictArgs),
    /// Generate text with a language model
    Generate(GenerateArgs),
    /// Talk with a language model in the terminal
    Chat(ChatArgs),
    /// Serve published models over HTTP
    Serve(ServeArgs),
    /// Watch models in production: drift of their data, files for Prometheus, Grafana and Alertmanager
    Monitor(MonitorArgs),
    /// Write an image or manifests that serve a model: OCI, Compose, Kubernetes, systemd and others
    Deploy(Box<DeployArgs>),
    /// Manage the server's keys: who may request what, and how often
    Keys(KeysArgs),
    /// Run a scheduler or executor of a cluster that prepares data (cargo feature ballista)
    Worker(WorkerArgs),
    /// Manage named datasets: add, pull, list, show, compare, validate, profile, push
    Data(DataArgs),
    /// Collect, check, split and transform the data of a config once, so that training starts at once
    Prepare(PrepareArgs),
    /// Show the stages of a config and which of them are up to date
    Graph(GraphArgs),
    /// List, compare and show runs
    Runs(RunsArgs),
    /// List, show, alias, verify, import and export published models
    Models(ModelsArgs),
    /// Show devices and the home folder, with what is left over or odd in it; rebuild the index
    Doctor(DoctorArgs),
    /// Print the JSON Schema of the config, for editors
    Schema(SchemaArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Look for a physical GPU in a process that a broken driver may crash
    #[command(hide = true, name = PROBE_COMMAND)]
    ProbeVulkan,
}

#[derive(Args, Clone)]
pub struct DeviceArg {
    /// auto, vulkan, flex (CPU) or ndarray (CPU, cargo feature)
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
}

impl DeviceArg {
    /// Words that choose the same device again; none for the default.
    pub fn words(&self) -> Vec<String> {
        match self.device {
            DeviceChoice::Auto => Vec::new(),
            device => vec!["--device".to_owned(), device.name().to_owned()],
        }
    }
}

#[derive(Args)]
pub struct ConfigArgs {
    /// TOML file of the run
    #[arg(long, required_unless_present = "data", conflicts_with = "data", value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub draft: DraftArgs,
    /// Override a key of the config, such as train.epochs=5 (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

#[derive(Args)]
pub struct ModelArgs {
    /// NAME, NAME@ALIAS, NAME:VERSION or a folder
    #[arg(long, value_name = "MODEL")]
    pub model: String,
    #[command(flatten)]
    pub device: DeviceArg,
    /// auto (the faster one, measured), burn, candle, or int8 (candle in 8 bits: faster, not exact)
    #[arg(long, default_value = "auto")]
    pub engine: EngineChoice,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola doctor
  cupola doctor --rebuild     # after runs or models were copied into the home")]
pub struct DoctorArgs {
    /// Rebuild the index from the files and remove what killed processes left behind: staged files older
    /// than 10 minutes and partial downloads older than a day
    #[arg(long, visible_alias = "fix")]
    pub rebuild: bool,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola schema > cupola.schema.json
  cupola schema --serve > serve.schema.json")]
pub struct SchemaArgs {
    /// Print the schema of architecture files instead of run configs
    #[arg(long, conflicts_with = "serve")]
    pub model: bool,
    /// Print the schema of server configs (serve.toml)
    #[arg(long)]
    pub serve: bool,
}

#[derive(Args)]
#[command(
    after_help = "Example:\n  cupola completions bash > ~/.local/share/bash-completion/completions/cupola"
)]
pub struct CompletionsArgs {
    /// Shell to complete in
    pub shell: clap_complete::Shell,
}
