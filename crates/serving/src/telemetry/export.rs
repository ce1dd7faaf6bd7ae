//! Files for Prometheus, Grafana and Alertmanager, generated from the metrics that a server registers and the rules that
//! its config declares.

mod alertmanager;
mod grafana;
mod prometheus;
mod yaml;

use cupola_monitor::alert::AlertRule;
use cupola_spec::{AlertSettings, Notify};

/// Program that files are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportTarget {
    /// Recording and alerting rules, and a config that scrapes a server.
    Prometheus,
    /// Dashboard.
    Grafana,
    /// Routes and receivers.
    Alertmanager,
}

/// A file by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportFile {
    /// Name.
    pub name: &'static str,
    /// Text.
    pub text: String,
}

/// Files for a program. `rules`, `receivers` and the times of `settings` are those of the server's config.
pub fn export_files(
    target: ExportTarget,
    rules: &[AlertRule],
    receivers: &[Notify],
    settings: &AlertSettings,
) -> Vec<ExportFile> {
    match target {
        ExportTarget::Prometheus => vec![
            ExportFile { name: "cupola.rules.yml", text: prometheus::rules(rules) },
            ExportFile { name: "prometheus.yml", text: prometheus::config() },
        ],
        ExportTarget::Grafana => {
            vec![ExportFile { name: "cupola.dashboard.json", text: grafana::dashboard() }]
        }
        ExportTarget::Alertmanager => {
            vec![ExportFile { name: "alertmanager.yml", text: alertmanager::config(receivers, settings) }]
        }
    }
}

#[cfg(test)]
mod tests;
