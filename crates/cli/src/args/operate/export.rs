//! Arguments of `cupola monitor export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use cupola_serving::export::ExportTarget;

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
  cupola monitor export --to prometheus --config serve.toml \\
    --out /etc/prometheus
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
