//! Arguments of `cupola monitor`.

use clap::{Args, Subcommand};

use super::MonitorExportArgs;

#[derive(Args)]
pub struct MonitorArgs {
    #[command(subcommand)]
    pub command: MonitorCommand,
}

#[derive(Subcommand)]
pub enum MonitorCommand {
    /// Write rules for Prometheus, a dashboard for Grafana, and a config for Alertmanager
    Export(MonitorExportArgs),
}
