//! Arguments of configs that are drafted from data.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use cupola_spec::TargetKind;

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola init --data churn.csv --target churn
  cupola init --data photos/                               # a folder per class
  cupola init --data sales.csv --target sold --output sales.toml
  cupola init --data sensors.csv --kind reconstruct        # anomaly scores
  cupola init --data book.txt --kind next_token            # a language model
  cupola init --data hits.csv --target grade --kind rank --group query
                                                           the order of rows
  cupola init --data churn.csv --target churn --output -   # print the config
  cupola init --project churn --data churn.csv \\
    --target churn                                         a repository with CI")]
pub struct InitArgs {
    /// File, glob, folder, URL or dataset of the rows
    #[arg(long, value_name = "SOURCE")]
    pub data: String,
    /// Column to predict [default: the classes of a folder]
    #[arg(long, value_name = "COLUMN")]
    pub target: Option<String>,
    /// Kind of the target [default: inferred from its values]
    #[arg(long, value_name = "KIND")]
    pub kind: Option<DraftTargetKind>,
    /// Column of the groups that --kind rank orders the rows of, such as the query
    #[arg(long, value_name = "COLUMN")]
    pub group: Option<String>,
    /// Name of the run and the model [default: that of the file]
    #[arg(long)]
    pub name: Option<String>,
    /// File to write; - prints the config
    #[arg(long, value_name = "FILE", default_value = "run.toml")]
    pub output: PathBuf,
    /// Write a repository instead: config, data contract, gate, tests, one script with every step, and workflows for
    /// GitHub, GitLab and Bitbucket
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    pub project: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    pub force: bool,
}

// A doc comment would become the description of the command that these arguments are flattened into.
#[derive(Args)]
pub struct DraftArgs {
    /// File, glob, folder, URL or dataset of the rows, in place of --config: the config is drafted from them, as by
    /// `cupola init`
    #[arg(long, value_name = "SOURCE")]
    pub data: Option<String>,
    /// Column of --data to predict [default: the classes of a folder]
    #[arg(long, value_name = "COLUMN", requires = "data")]
    pub target: Option<String>,
    /// Kind of --target [default: inferred from its values]
    #[arg(long, value_name = "KIND", requires = "data")]
    pub kind: Option<DraftTargetKind>,
    /// Column of the groups that --kind rank orders the rows of, such as the query
    #[arg(long, value_name = "COLUMN", requires = "data")]
    pub group: Option<String>,
}

/// Kind of a target on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum DraftTargetKind {
    /// One of several classes
    Category,
    /// A number of each row
    Number,
    /// The next rows of a series
    Forecast,
    /// Anomaly scores
    Reconstruct,
    /// The next token of a text
    NextToken,
    /// A score that orders the rows of each --group
    Rank,
}

impl DraftTargetKind {
    /// Kind as a config declares it.
    pub fn kind(self) -> TargetKind {
        match self {
            Self::Category => TargetKind::Category,
            Self::Number => TargetKind::Number,
            Self::Forecast => TargetKind::Forecast,
            Self::Reconstruct => TargetKind::Reconstruct,
            Self::NextToken => TargetKind::NextToken,
            Self::Rank => TargetKind::Rank,
        }
    }

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Category => "category",
            Self::Number => "number",
            Self::Forecast => "forecast",
            Self::Reconstruct => "reconstruct",
            Self::NextToken => "next_token",
            Self::Rank => "rank",
        }
    }
}
