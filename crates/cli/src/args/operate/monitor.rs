//! Arguments of `cupola monitor`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{MonitorCheckArgs, MonitorExportArgs, MonitorPerformanceArgs, MonitorReportArgs};

#[derive(Args)]
pub struct MonitorArgs {
    #[command(subcommand)]
    pub command: MonitorCommand,
}

#[derive(Subcommand)]
pub enum MonitorCommand {
    /// Compare data with that of the training, column by column
    Report(Box<MonitorReportArgs>),
    /// Exit with 1 if data has drifted from that of the training
    Check(Box<MonitorCheckArgs>),
    /// Show how good predictions are: realised where targets are known, estimated where not
    Performance(Box<MonitorPerformanceArgs>),
    /// Write rules for Prometheus, a dashboard for Grafana, and a config for Alertmanager
    Export(MonitorExportArgs),
    /// Merge the states of several servers of one model version
    Merge(MonitorMergeArgs),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  curl -s 'http://a:8080/v1/models/churn/monitor?state=1' > a.json
  curl -s 'http://b:8080/v1/models/churn/monitor?state=1' > b.json
  cupola monitor merge a.json b.json > all.json
  cupola monitor merge --model churn a.json b.json | jq .embeddings")]
pub struct MonitorMergeArgs {
    /// Answers of `GET /v1/models/NAME/monitor?state=1`, one file for each server
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Also compare the sampled embeddings of all servers with those of this package: NAME, NAME@ALIAS, NAME:VERSION or a folder
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
}
