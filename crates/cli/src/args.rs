//! What can be typed.

mod data;
mod serve;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use cupola_nn::DeviceChoice;
use cupola_runtime::EngineChoice;

pub use self::data::*;
pub use self::serve::*;

/// From raw data to a served model: one binary, any GPU, no Python.
#[derive(Parser)]
#[command(
    name = "cupola",
    version,
    arg_required_else_help = true,
    after_help = "\
Examples:
  cupola train --config configs/digits.toml       train, evaluate and publish
  cupola serve --model digits                     answer predictions over HTTP
  cupola predict --model digits --input rows.csv  the same numbers without a server"
)]
pub struct Cli {
    /// Where runs and models are kept
    #[arg(long, global = true, env = "CUPOLA_HOME", default_value = ".cupola", value_name = "DIR")]
    pub home: PathBuf,
    /// Print the result as JSON on standard output, everything else on standard error
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Train a model from a config, evaluate it on the test split and publish it
    Train(TrainArgs),
    /// Look for a learning rate: a few steps with a rate that rises; nothing is kept
    Rate(RateArgs),
    /// Check config and data, show shapes, parameters and memory, without training
    Check(CheckArgs),
    /// Metrics of a published model on data that has the target
    Evaluate(EvaluateArgs),
    /// Predictions of a published model for a file
    Predict(PredictArgs),
    /// Text from a language model
    Generate(GenerateArgs),
    /// Serve published models over HTTP
    Serve(ServeArgs),
    /// Keys of the server: who may ask for what, how often
    Keys(KeysArgs),
    /// Be a part of a cluster that prepares data (cargo feature ballista)
    Worker(WorkerArgs),
    /// Named datasets: add, pull, list, show, compare, validate, profile, push
    Data(DataArgs),
    /// Collect, check, split and transform the data of a config, once; training then begins at once
    Prepare(PrepareArgs),
    /// Show the stages of a config and which of them are up to date
    Graph(GraphArgs),
    /// List and show runs
    Runs(RunsArgs),
    /// List, show, alias, verify, import and export published models
    Models(ModelsArgs),
    /// Show devices and the home folder; rebuild the index
    Doctor(DoctorArgs),
    /// Print the JSON Schema of the config, for editors
    Schema(SchemaArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Look for a physical GPU, in a process that a broken driver may take down
    #[command(hide = true)]
    ProbeVulkan,
}

#[derive(Args, Clone)]
pub struct DeviceArg {
    /// auto, vulkan, flex (CPU) or ndarray (CPU, cargo feature)
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola train --config configs/digits.toml
  cupola train --config configs/digits.toml --set train.epochs=5 --set seed=1
  cupola train --config configs/digits.toml --max-steps 20 --device flex
  cupola train --config configs/digits.toml --smoke
  cupola train --config configs/diamonds.toml --device vulkan --devices 2
  mpirun -n 4 cupola train --config configs/diamonds.toml --mpi
  cupola train --resume latest")]
pub struct TrainArgs {
    /// The run's TOML file
    #[arg(long, required_unless_present = "resume", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Override a key of the config, such as train.epochs=5 (may be repeated)
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "resume")]
    pub set: Vec<String>,
    #[command(flatten)]
    pub device: DeviceArg,
    /// Go on with a run from its newest checkpoint: an id, or `latest`
    #[arg(long, value_name = "RUN")]
    pub resume: Option<String>,
    /// End after so many steps in all, then evaluate and publish
    #[arg(long, value_name = "N")]
    pub max_steps: Option<u64>,
    /// Three steps, an evaluation and a package, all in a temporary folder: does the whole way work?
    #[arg(long, conflicts_with_all = ["resume", "max_steps"])]
    pub smoke: bool,
    /// Train on so many GPUs (or so many parts of the CPU), each with a part of every batch
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub devices: u32,
    /// Be one of the processes that mpirun has started, each with a part of every batch (cargo feature)
    #[arg(long, conflicts_with_all = ["devices", "smoke"])]
    pub mpi: bool,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  cupola rate --config configs/digits.toml --steps 100")]
pub struct RateArgs {
    /// The run's TOML file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Override a key of the config (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    #[command(flatten)]
    pub device: DeviceArg,
    /// Steps, each with a larger rate
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(10..))]
    pub steps: u32,
}

#[derive(Args)]
#[command(after_help = "Example:\n  cupola check --config configs/digits.toml --set train.batch_size=128")]
pub struct CheckArgs {
    /// The run's TOML file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Override a key of the config (may be repeated)
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
#[command(after_help = "Example:\n  cupola evaluate --model digits --data data/digits.csv.gz --out report")]
pub struct EvaluateArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// File or glob with the target's column
    #[arg(long, value_name = "SOURCE")]
    pub data: String,
    /// Also write metrics.json into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola predict --model digits --input rows.csv
  cupola predict --model digits@champion --input rows.parquet --output out.csv
  echo '{\"pixel_0\": 0, ...}' | cupola predict --model digits --input -")]
pub struct PredictArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// CSV, JSON lines or Parquet; `-` is standard input (CSV or JSON lines)
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub input: String,
    /// JSON lines, or CSV where the name ends in .csv; `-` is standard output (JSON lines)
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub output: String,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola generate --model gpt_moby --prompt 'Call me '
  cupola generate --model gpt_moby --prompt 'The whale' --tokens 500 --temperature 0.7 --top-k 40 --seed 2")]
pub struct GenerateArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// What the text begins with
    #[arg(long, default_value = "")]
    pub prompt: String,
    /// Tokens to add
    #[arg(long, default_value_t = 200)]
    pub tokens: u64,
    /// Divides the logits: below 1 the likely becomes likelier; 0 takes the likeliest token
    #[arg(long, default_value_t = 0.8)]
    pub temperature: f64,
    /// Draw from so many of the likeliest tokens; 0 means all
    #[arg(long, default_value_t = 0)]
    pub top_k: usize,
    /// Draw from the likeliest tokens whose probabilities sum to this
    #[arg(long, default_value_t = 1.0)]
    pub top_p: f64,
    /// The same seed gives the same text
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

#[derive(Args)]
pub struct RunsArgs {
    #[command(subcommand)]
    pub command: RunsCommand,
}

#[derive(Subcommand)]
pub enum RunsCommand {
    /// All runs, newest first
    List,
    /// One run: config, dataset version, checkpoints, metrics
    Show {
        /// An id, or `latest`
        run: String,
    },
}

#[derive(Args)]
pub struct ModelsArgs {
    #[command(subcommand)]
    pub command: ModelsCommand,
}

#[derive(Subcommand)]
pub enum ModelsCommand {
    /// All packages by name, newest first
    List,
    /// One package: signature, lineage, metrics
    Show {
        /// NAME, NAME@ALIAS, NAME:VERSION or a folder
        model: String,
    },
    /// Where a package came from: run, config, dataset versions, sources
    Lineage {
        /// NAME, NAME@ALIAS, NAME:VERSION or a folder
        model: String,
    },
    /// Point an alias at a version
    #[command(
        after_help = "Examples:\n  cupola models alias digits champion 3\n  cupola models alias digits champion 4 --expect 3"
    )]
    Alias {
        /// Name of the model
        name: String,
        /// Name of the alias
        alias: String,
        /// Version to point at
        version: u64,
        /// Only if it points at this version now; 0 stands for "there is none yet"
        #[arg(long, value_name = "VERSION")]
        expect: Option<u64>,
    },
    /// Point an alias back at the version that it was at before
    #[command(after_help = "Example:\n  cupola models rollback digits champion")]
    Rollback {
        /// Name of the model
        name: String,
        /// Name of the alias
        alias: String,
    },
    /// Check every file's digest, and who signed the package
    Verify {
        /// NAME, NAME@ALIAS, NAME:VERSION or a folder; all packages where left out
        model: Option<String>,
        /// A public key of minisign that has to have signed it (may be repeated)
        #[arg(long, value_name = "KEY")]
        trusted: Vec<String>,
    },
    /// Publish a model of another program, to be served and trained further
    #[command(
        after_help = "Examples:\n  cupola models import --from hf all-MiniLM-L6-v2/ --name minilm\n  cupola models import --from gguf SmolLM2-135M-Instruct.Q4_1.gguf --name smol"
    )]
    Import(ImportArgs),
    /// Write a model for other programs
    #[command(
        after_help = "Examples:\n  cupola models export minilm out/ --to hf\n  cupola models export digits out/ --to safetensors"
    )]
    Export(ExportArgs),
}

#[derive(Args)]
pub struct ImportArgs {
    /// Whose model it is
    #[arg(long, value_enum)]
    pub from: ImportFormat,
    /// Folder with config.json, model.safetensors and tokenizer.json, or a GGUF file
    pub path: PathBuf,
    /// Name of the package
    #[arg(long)]
    pub name: String,
    /// Tokens of one text; where left out, as many as the folder says or the model can take, and up to 2048 for one that
    /// goes on with texts
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub length: Option<u32>,
}

/// Where a model comes from.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum ImportFormat {
    /// Hugging Face: a BERT or a kin of it for embeddings or classes, or a Llama, Mistral or Qwen2
    Hf,
    /// llama.cpp: a Llama or Qwen2 with its tokenizer, in any of its quantisations
    Gguf,
}

#[derive(Args)]
pub struct ExportArgs {
    /// NAME, NAME@ALIAS, NAME:VERSION or a folder
    pub model: String,
    /// Folder to write into
    pub folder: PathBuf,
    /// For whom
    #[arg(long, value_enum)]
    pub to: ExportFormat,
}

/// Who is to read a model.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum ExportFormat {
    /// Hugging Face: config.json, model.safetensors, tokenizer.json; for a BERT
    Hf,
    /// The weights alone, under the names of torch.nn modules
    Safetensors,
}

#[derive(Args)]
pub struct DoctorArgs {
    /// Rebuild the index from the files and remove what killed processes left behind
    #[arg(long)]
    pub rebuild: bool,
}

#[derive(Args)]
pub struct SchemaArgs {
    /// Of an architecture file instead of a run config
    #[arg(long)]
    pub model: bool,
}

#[derive(Args)]
pub struct CompletionsArgs {
    /// Which shell
    pub shell: clap_complete::Shell,
}
