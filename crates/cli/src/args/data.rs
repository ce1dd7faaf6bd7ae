//! What can be typed of data: datasets, preparation, stages.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola prepare --config configs/diamonds.toml
  cupola prepare --config configs/diamonds.toml --dry-run     what would be done, and why
  cupola prepare --config configs/diamonds.toml --force       even if nothing has changed")]
pub struct PrepareArgs {
    /// The run's TOML file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Override a key of the config (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Do it even if nothing has changed
    #[arg(long)]
    pub force: bool,
    /// Only say what would be done
    #[arg(long, conflicts_with = "force")]
    pub dry_run: bool,
}

#[derive(Args)]
#[command(after_help = "Example:\n  cupola graph --config configs/digits.toml")]
pub struct GraphArgs {
    /// The run's TOML file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Override a key of the config (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

#[derive(Args)]
pub struct DataArgs {
    #[command(subcommand)]
    pub command: DataCommand,
}

#[derive(Subcommand)]
pub enum DataCommand {
    /// Collect a source and keep it as a version that never changes
    Add(DataAddArgs),
    /// Collect a dataset's source again, or get a version from a remote
    Pull(DataPullArgs),
    /// All versions of all datasets, newest first
    List,
    /// One version: source, files, what was expected, what its columns hold
    Show {
        /// NAME or NAME:VERSION
        dataset: String,
    },
    /// What is different between two versions: columns, rows, distributions
    #[command(after_help = "Examples:\n  cupola data diff flights\n  cupola data diff flights:1 flights:3")]
    Diff {
        /// NAME:VERSION; NAME alone compares its newest version with the one before
        from: String,
        /// NAME:VERSION
        to: Option<String>,
    },
    /// Check a version's digests and what is expected of its rows
    Validate(DataValidateArgs),
    /// What the columns of a dataset or a source hold
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
  cupola data add diamonds data/diamonds.csv.gz --licence 'CC BY 4.0' --updates never
  cupola data add photos photos/                          a folder of pictures, one folder a class
  cupola data add orders sqlite:shop.db --sql 'SELECT * FROM orders' --watermark id
  cupola data add trips 's3://bucket/trips/2024-*.parquet'
  cupola data add census --config configs/census_nano.toml   its [data] and [[expect]]")]
pub struct DataAddArgs {
    /// Name of the dataset
    pub name: String,
    /// Files, globs, a folder, URLs or a database, read as one table
    pub source: Vec<String>,
    /// A TOML file with `[data]` and `[[expect]]`
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// SQL over the table `data`, whose answer is kept
    #[arg(long, value_name = "SQL")]
    pub query: Option<String>,
    /// SQL that the database runs
    #[arg(long, value_name = "SQL")]
    pub sql: Option<String>,
    /// A column that grows: later pulls ask only for rows beyond its largest value
    #[arg(long, value_name = "COLUMN")]
    pub watermark: Option<String>,
    /// Whose it is to use, and how
    #[arg(long)]
    pub licence: Option<String>,
    /// How often the source changes, such as `daily`
    #[arg(long)]
    pub updates: Option<String>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola data pull orders                                 ask its source again
  cupola data pull flights --from s3://team/datasets      get it from where it was pushed")]
pub struct DataPullArgs {
    /// Name of the dataset
    pub name: String,
    /// A folder or an s3:// URL that versions were pushed to
    #[arg(long, value_name = "REMOTE")]
    pub from: Option<String>,
    /// A version there; the newest one where left out
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
    /// A TOML file whose `[[expect]]` hold; with its `[data]`, where no dataset is named
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
    /// A folder or an s3:// URL
    #[arg(long, value_name = "REMOTE")]
    pub to: String,
    /// The remote is DVC's: write PATH.dvc, so that `dvc pull` makes PATH
    #[arg(long, value_name = "PATH")]
    pub dvc: Option<PathBuf>,
}
