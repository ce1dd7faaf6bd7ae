//! Arguments of `cupola monitor`.

use clap::{Args, Subcommand};

use super::MonitorExportArgs;

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
