//! Arguments of `cupola monitor`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use cupola_serving::export::ExportTarget;

use super::{MonitorCheckArgs, MonitorPerformanceArgs, MonitorReportArgs};

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
}

/// Program that files are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportTo {
    Prometheus,
    Grafana,
    Alertmanager,
}

impl From<ExportTo> for ExportTarget {
    fn from(to: ExportTo) -> Self {
        match to {
            ExportTo::Prometheus => Self::Prometheus,
            ExportTo::Grafana => Self::Grafana,
            ExportTo::Alertmanager => Self::Alertmanager,
        }
    }
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola monitor export --out monitoring
  cupola monitor export --to prometheus --config serve.toml --out /etc/prometheus
  cupola monitor export --to grafana > dashboard.json

The dashboard has a panel for each metric of the server. The rules are those of [[alert]] in the server's config.")]
pub struct MonitorExportArgs {
    /// Program to write for (may be repeated) [default: all of them]
    #[arg(long, value_enum, value_name = "PROGRAM")]
    pub to: Vec<ExportTo>,
    /// TOML file of the server, for its rules and receivers [default: rules that suit most servers]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder to write to [default: standard output, for a single file]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
