//! Arguments of data: datasets, preparation, stages.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ConfigArgs;

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola prepare --config configs/diamonds.toml
  cupola prepare --config configs/diamonds.toml --dry-run   # only show the plan
  cupola prepare --config configs/diamonds.toml --force     # without a change")]
pub struct PrepareArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Prepare even if nothing has changed
    #[arg(long)]
    pub force: bool,
    /// Only show what would be done
    #[arg(long, conflicts_with = "force")]
    pub dry_run: bool,
}

#[derive(Args)]
#[command(after_help = "Example:\n  cupola graph --config configs/digits.toml")]
pub struct GraphArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola data add diamonds data/diamonds.csv.gz
  cupola data show diamonds
  cupola data list")]
pub struct DataArgs {
    #[command(subcommand)]
    pub command: DataCommand,
}

#[derive(Subcommand)]
pub enum DataCommand {
    /// Collect a source and keep it as an immutable version
    Add(DataAddArgs),
    /// Collect a dataset's source again, or get a version from a remote
    Pull(DataPullArgs),
    /// List all versions of all datasets, newest first
    List,
    /// Show one version: source, files, expectations, profile of its columns
    Show {
        /// NAME or NAME:VERSION
        dataset: String,
    },
    /// Compare two versions: columns, rows, distributions
    #[command(after_help = "Examples:\n  cupola data diff flights\n  cupola data diff flights:1 flights:3")]
    Diff {
        /// NAME:VERSION; NAME alone compares its newest version with the previous one
        from: String,
        /// NAME:VERSION
        to: Option<String>,
    },
    /// Check the digests of a version and the expectations of its rows
    Validate(DataValidateArgs),
    /// Show the profile of a dataset or a source: types, missing values, distributions
    #[command(
        after_help = "Examples:\n  cupola data profile data/diamonds.csv.gz\n  cupola data profile flights:2"
    )]
    Profile {
        /// NAME, NAME:VERSION, or any source
        source: String,
    },
    /// Copy a version to a folder or an S3-compatible store, or to a remote of DVC
    Push(DataPushArgs),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola data add diamonds data/diamonds.csv.gz --licence 'CC BY 4.0' \\
    --updates never
  cupola data add photos photos/                           # a folder per class
  cupola data add orders sqlite:shop.db --sql 'SELECT * FROM orders' \\
    --watermark id
  cupola data add trips 's3://bucket/trips/2024-*.parquet'
  cupola data add census --config configs/census_nano.toml # with its [[expect]]")]
pub struct DataAddArgs {
    /// Name of the dataset
    pub name: String,
    /// Files, globs, a folder, URLs or a database, read as one table
    pub source: Vec<String>,
    /// TOML file with `[data]` and `[[expect]]`
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// SQL query over the table `data`, whose result is kept (cargo feature sql)
    #[arg(long, value_name = "SQL")]
    pub query: Option<String>,
    /// SQL query that the database runs
    #[arg(long, value_name = "SQL")]
    pub sql: Option<String>,
    /// Increasing column: later pulls fetch only rows beyond its largest value
    #[arg(long, value_name = "COLUMN")]
    pub watermark: Option<String>,
    /// Licence of the data
    #[arg(long)]
    pub licence: Option<String>,
    /// Frequency at which the source changes, such as `daily`
    #[arg(long)]
    pub updates: Option<String>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola data pull orders                             # collect its source again
  cupola data pull flights --from s3://team/datasets  # get a pushed version")]
pub struct DataPullArgs {
    /// Name of the dataset
    pub name: String,
    /// Folder, or s3://, gs:// or az:// URL that versions were pushed to
    #[arg(long, value_name = "REMOTE")]
    pub from: Option<String>,
    /// Version to get [default: the newest one]
    #[arg(long, requires = "from")]
    pub version: Option<u64>,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  cupola data validate flights:2\n  cupola data validate --config configs/diamonds.toml"
)]
pub struct DataValidateArgs {
    /// NAME or NAME:VERSION
    pub dataset: Option<String>,
    /// TOML file with the `[[expect]]` to check; its `[data]` is the source if no dataset is named
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola data push flights --to s3://team/datasets
  cupola data push flights:2 --to /mnt/dvc-remote --dvc data/flights.csv")]
pub struct DataPushArgs {
    /// NAME or NAME:VERSION
    pub dataset: String,
    /// Folder, or s3://, gs:// or az:// URL
    #[arg(long, value_name = "REMOTE")]
    pub to: String,
    /// Treat the remote as DVC's and write PATH.dvc, so that `dvc pull` creates PATH
    #[arg(long, value_name = "PATH")]
    pub dvc: Option<PathBuf>,
}
