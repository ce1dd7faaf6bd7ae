//! Arguments of runs and published models.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use cupola_registry::{RunColumn, RunFilter};

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola runs list --filter name=churn --sort valid
  cupola runs compare latest churn-20260801
  cupola runs show latest")]
pub struct RunsArgs {
    #[command(subcommand)]
    pub command: RunsCommand,
}

#[derive(Subcommand)]
pub enum RunsCommand {
    /// List runs, newest first, with what each changed and its score on the valid split
    List(RunsListArgs),
    /// Compare runs: a leaderboard by the valid split, differing settings, importance of columns
    #[command(
        after_help = "Examples:\n  cupola runs compare latest churn-20260801\n  cupola --json runs compare A B C"
    )]
    Compare {
        /// Ids, beginnings of ids, or `latest`
        #[arg(num_args = 2.., required = true, value_name = "RUN")]
        runs: Vec<String>,
    },
    /// Print what a run has done so far, or the output of its cluster job
    #[command(after_help = "Examples:\n  cupola runs logs latest\n  cupola runs logs digits-20261127 -f")]
    Logs {
        /// An id, the beginning of one, or `latest`
        run: String,
        /// Wait for more until the run ends
        #[arg(long, short)]
        follow: bool,
    },
    /// Show one run: config, dataset version, checkpoints, metrics
    Show {
        /// An id, the beginning of one, or `latest`
        run: String,
    },
}

#[derive(Args)]
#[command(after_help = "\
The column `changed` has the settings that differ from the previous run of the same name, or from the defaults.

Choose runs by the valid split. A run that is chosen by its test score has no honest test score left: the
score of the best of many tries is too good by luck.

Examples:
  cupola runs list --filter name=churn --sort valid
  cupola runs list --filter state=interrupted
  cupola runs list --filter family=gbdt --filter train.epochs=20 --limit 10")]
pub struct RunsListArgs {
    /// created, id, name, family, valid (best first), time or state
    #[arg(long, value_name = "COLUMN", default_value = "created")]
    pub sort: RunColumn,
    /// List only runs with this value of id, name, state, family, device, package or a key of the config (may be
    /// repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    pub filter: Vec<RunFilter>,
    /// List at most N runs
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Also show the test metrics, which are not for choosing a run
    #[arg(long)]
    pub test: bool,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola models list
  cupola models show digits@champion
  cupola models verify")]
pub struct ModelsArgs {
    #[command(subcommand)]
    pub command: ModelsCommand,
}

#[derive(Subcommand)]
pub enum ModelsCommand {
    /// List all packages by name, newest first
    List,
    /// List the families of `[model]`: what each is for, its defaults and its cost
    #[command(after_help = "Examples:\n  cupola models families\n  cupola models families --json")]
    Families,
    /// Show one package: signature, lineage, metrics
    Show {
        /// NAME, NAME@ALIAS, NAME:VERSION or a folder
        model: String,
    },
    /// Print a request that can be run, made of a real row
    #[command(
        after_help = "Examples:\n  cupola models example digits\n  cupola models example prices --csv | cupola predict --model prices --input -"
    )]
    Example(ExampleArgs),
    /// Show the origin of a package: run, config, dataset versions, sources
    Lineage {
        /// NAME, NAME@ALIAS, NAME:VERSION or a folder
        model: String,
    },
    /// Point an alias at a version
    #[command(
        after_help = "Examples:\n  cupola models alias digits champion 3\n  cupola models alias digits champion 4 --expect 3\n  cupola models alias digits champion 5 --force"
    )]
    Alias {
        /// Name of the model
        name: String,
        /// Name of the alias
        alias: String,
        /// Version to point at
        version: u64,
        /// Fail unless the alias points at this version now; 0 expects that it does not exist
        #[arg(long, value_name = "VERSION")]
        expect: Option<u64>,
        /// Point it also at a version that broke its gate
        #[arg(long)]
        force: bool,
    },
    /// Point an alias back at its previous version
    #[command(after_help = "Example:\n  cupola models rollback digits champion")]
    Rollback {
        /// Name of the model
        name: String,
        /// Name of the alias
        alias: String,
        /// Point it also at a version that broke its gate
        #[arg(long)]
        force: bool,
    },
    /// Check the digest of every file, and the signature of the package
    Verify {
        /// NAME, NAME@ALIAS, NAME:VERSION or a folder [default: all packages]
        model: Option<String>,
        /// Public key of minisign; the package must be signed by one of them (may be repeated)
        #[arg(long, value_name = "KEY")]
        trusted: Vec<String>,
    },
    /// Publish a model of another program, to serve it or train it further
    #[command(
        after_help = "Examples:\n  cupola models import --from hf all-MiniLM-L6-v2/ --name minilm\n  cupola models import --from gguf SmolLM2-135M-Instruct.Q4_1.gguf --name smol\n  cupola models import --from xgboost model.json --name churn --target left \\\n    --classes no,yes"
    )]
    Import(ImportArgs),
    /// Write a model for other programs
    #[command(
        after_help = "Examples:\n  cupola models export minilm out/ --to hf\n  cupola models export digits out/ --to safetensors"
    )]
    Export(ExportArgs),
}

#[derive(Args)]
pub struct ExampleArgs {
    /// NAME, NAME@ALIAS, NAME:VERSION or a folder
    pub model: String,
    /// Address of the server
    #[arg(long, value_name = "ADDRESS", default_value = "localhost:8080")]
    pub server: String,
    /// A command for a shell with curl (the default)
    #[arg(long, group = "form")]
    pub curl: bool,
    /// A program for Python's standard library
    #[arg(long, group = "form")]
    pub python: bool,
    /// The row, or the rows of a window, as CSV
    #[arg(long, group = "form")]
    pub csv: bool,
}

#[allow(clippy::doc_markdown, reason = "the help shows the text as it is")]
#[derive(Args)]
pub struct ImportArgs {
    /// Format of the model
    #[arg(long, value_enum)]
    pub from: ImportFormat,
    /// Folder with config.json, model.safetensors and tokenizer.json, or a file of GGUF, XGBoost or LightGBM
    pub path: PathBuf,
    /// Name of the package
    #[arg(long)]
    pub name: String,
    /// Tokens of one text [default: as the folder says or the model allows; at most 2048 for a language model]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub length: Option<u32>,
    /// Name of the prediction of trees [default: target]
    #[arg(long)]
    pub target: Option<String>,
    /// Classes of trees in the order of their numbers, with commas [default: the numbers]
    #[arg(long, value_delimiter = ',')]
    pub classes: Vec<String>,
}

/// Format of a model to import.
#[allow(clippy::doc_markdown, reason = "the help shows the text as it is")]
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum ImportFormat {
    /// Hugging Face: BERT, DistilBERT or RoBERTa for embeddings or classes; GPT-2, Llama, Mistral or Qwen2
    Hf,
    /// llama.cpp: Llama or Qwen2 with its tokenizer, in any quantisation
    Gguf,
    /// XGBoost: trees as save_model writes them, .json or .ubj
    Xgboost,
    /// LightGBM: trees as save_model writes them, .txt
    Lightgbm,
}

#[derive(Args)]
pub struct ExportArgs {
    /// NAME, NAME@ALIAS, NAME:VERSION or a folder
    pub model: String,
    /// Folder to write into
    pub folder: PathBuf,
    /// Format to write
    #[arg(long, value_enum)]
    pub to: ExportFormat,
}

/// Format of a model to export.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum ExportFormat {
    /// Hugging Face: config.json, model.safetensors, tokenizer.json; of a BERT
    Hf,
    /// The weights alone, under the names of torch.nn modules
    Safetensors,
}
