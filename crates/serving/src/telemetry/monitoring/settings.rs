//! Settings of live monitoring.

use std::time::Duration;

use cupola_monitor::sketch::{DriftLimits, SketchRule, SketchRules};
use cupola_monitor::window::WindowLimits;
use cupola_spec::{LiveMonitoring, StatisticNames};

use crate::error::Error;

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
    /// Statistics of the verdicts.
    pub rules: SketchRules,
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
        Self::with_rules(&LiveMonitoring::default(), SketchRules::default())
    }
}

impl MonitorSettings {
    /// Settings of `[monitor]`.
    ///
    /// # Errors
    /// [`Error::Monitor`] for a statistic that is unknown or that sketches do not compute, and for a threshold out of range.
    pub fn new(config: &LiveMonitoring) -> Result<Self, Error> {
        Ok(Self::with_rules(config, rules(config)?))
    }

    fn with_rules(config: &LiveMonitoring, rules: SketchRules) -> Self {
        Self {
            window: Duration::from_secs(60 * u64::from(config.window_minutes)),
            window_rows: config.window_rows,
            windows: config.windows as usize,
            exclude: config.exclude.clone(),
            shows_values: config.show_values,
            limits: DriftLimits { rows: config.min_rows, psi: config.psi, ..DriftLimits::default() },
            rules,
            metric_columns: config.metric_columns as usize,
            embeddings: config.embeddings,
            embedding_rows: config.embedding_rows as usize,
            logs_performance: config.performance_log.is_some(),
        }
    }

    pub(super) fn window_limits(&self) -> WindowLimits {
        let period = i64::try_from(self.window.as_millis()).unwrap_or(i64::MAX);
        WindowLimits { period, rows: self.window_rows, kept: self.windows }
    }
}

/// Statistics and thresholds of the columns.
fn rules(config: &LiveMonitoring) -> Result<SketchRules, Error> {
    let all = |error: cupola_monitor::Error| Error::Monitor(error.to_string());
    let methods = config.method.as_ref().map_or(&[][..], StatisticNames::all);
    let mut rules = SketchRules::new(methods, config.threshold).map_err(all)?;
    for (name, own) in &config.columns {
        let of_column = |error: cupola_monitor::Error| Error::Monitor(format!("column `{name}`: {error}"));
        let rule = SketchRule::new(own.method.as_deref(), own.threshold).map_err(of_column)?;
        rules = rules.with_column(name, rule).map_err(of_column)?;
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use cupola_spec::parse_serve;

    use super::*;

    #[test]
    fn statistics_are_checked_with_the_column_in_the_message() {
        let of = |text: &str| {
            let spec = parse_serve("serve.toml", &format!("[monitor]\n{text}\n")).unwrap();
            MonitorSettings::new(&spec.monitor).map_err(|error| error.to_string())
        };
        assert_eq!(of("method = ['wasserstein', 'psi']").unwrap().rules.methods.len(), 2);
        let error = of("method = 'wassertein'").unwrap_err();
        assert!(
            error.starts_with("`[monitor]`: unknown statistic") && error.contains("`wasserstein`"),
            "{error}"
        );
        let error = of("columns = { age = { method = 'mannw' } }").unwrap_err();
        assert!(error.contains("column `age`: `mannw` requires all values"), "{error}");
        assert!(of("method = 't_test'\nthreshold = 3").unwrap_err().contains("at most 1"));
    }
}
