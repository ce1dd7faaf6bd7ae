//! Settings of live monitoring.

use std::time::Duration;

use cupola_monitor::sketch::DriftLimits;
use cupola_monitor::window::WindowLimits;
use cupola_spec::LiveMonitoring;

/// Settings of live monitoring.
#[derive(Debug, Clone, PartialEq)]
pub struct MonitorSettings {
    /// Length of a window.
    pub window: Duration,
    /// Rows after which a window is closed before its time; `None` for windows by time alone.
    pub window_rows: Option<u64>,
    /// Closed windows that are kept.
    pub windows: usize,
    /// Columns that are not watched.
    pub exclude: Vec<String>,
    /// `true` to keep a few unseen values of categories by name.
    pub shows_values: bool,
    /// Limits of the verdicts.
    pub limits: DriftLimits,
    /// Columns of each version that have Prometheus metrics.
    pub metric_columns: usize,
    /// `true` to watch the embeddings of rows with texts or pictures.
    pub embeddings: bool,
    /// Rows of a window that are embedded.
    pub embedding_rows: usize,
    /// `true` to count requests for the performance log too.
    pub logs_performance: bool,
}

impl Default for MonitorSettings {
    fn default() -> Self {
        Self::from(&LiveMonitoring::default())
    }
}

impl From<&LiveMonitoring> for MonitorSettings {
    fn from(config: &LiveMonitoring) -> Self {
        Self {
            window: Duration::from_secs(60 * u64::from(config.window_minutes)),
            window_rows: config.window_rows,
            windows: config.windows as usize,
            exclude: config.exclude.clone(),
            shows_values: config.show_values,
            limits: DriftLimits { rows: config.min_rows, psi: config.psi, ..DriftLimits::default() },
            metric_columns: config.metric_columns as usize,
            embeddings: config.embeddings,
            embedding_rows: config.embedding_rows as usize,
            logs_performance: config.performance_log.is_some(),
        }
    }
}

impl MonitorSettings {
    pub(super) fn window_limits(&self) -> WindowLimits {
        let period = i64::try_from(self.window.as_millis()).unwrap_or(i64::MAX);
        WindowLimits { period, rows: self.window_rows, kept: self.windows }
    }
}
