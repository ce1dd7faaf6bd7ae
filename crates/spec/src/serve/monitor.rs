//! `[monitor]`: live monitoring of requests, rows and predictions.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Live monitoring: the server keeps sketches of the columns and predictions of each model version, and compares them with the
/// reference profile of its package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LiveMonitoring {
    /// `false` turns monitoring off.
    pub enabled: bool,
    /// Length of a window in minutes. Windows begin at multiples of it in UTC.
    #[schemars(range(min = 1, max = 10_080))]
    pub window_minutes: u32,
    /// Rows after which a window is closed before its time. Default: windows by time alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 1_000_000_000_000_u64))]
    pub window_rows: Option<u64>,
    /// Closed windows that are kept in memory.
    #[schemars(range(min = 1, max = 168))]
    pub windows: u32,
    /// Columns and targets that are not watched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Show values of single rows: extremes, distributions of fewer than `min_rows` rows, and a few unseen values of
    /// categories by name. Whoever may use the model sees them.
    pub show_values: bool,
    /// Rows below which there is no verdict.
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64))]
    pub min_rows: u64,
    /// Population stability index from which on a column has drifted.
    #[schemars(range(min = 0.001, max = 100.0))]
    pub psi: f64,
    /// Statistic of the verdicts as `cupola monitor report --method` names it, or several: each is used for the columns that it
    /// takes, an earlier one first. Default: the index of `psi` with a test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<StatisticNames>,
    /// Threshold of every column. Default: that of its statistic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Statistics and thresholds of single columns, which take precedence.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, ColumnStatistic>,
    /// Columns of each version that have Prometheus metrics, predictions first.
    #[schemars(range(min = 0, max = 2000))]
    pub metric_columns: u32,
    /// Embed a sample of the rows of each window, of models that read texts or pictures, and compare it with the embeddings that
    /// training sealed in the package.
    pub embeddings: bool,
    /// Rows of a window that are embedded.
    #[schemars(range(min = 20, max = 2000))]
    pub embedding_rows: u32,
    /// Log of requests, times, errors, accuracy and use of the machine by interval. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performance_log: Option<PerformanceLog>,
}

/// One statistic or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum StatisticNames {
    /// One statistic.
    One(String),
    /// Several statistics; each is used for the columns that it takes, an earlier one first.
    Several(Vec<String>),
}

impl StatisticNames {
    /// All names.
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

/// Statistic and threshold of a column.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ColumnStatistic {
    /// Statistic. Default: that of all columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Threshold. Default: that of all columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

/// Log of the performance of each version: a folder of JSON lines, one file for each model and day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PerformanceLog {
    /// Folder, relative to the home.
    pub folder: String,
    /// Length of an interval in seconds.
    #[schemars(range(min = 1, max = 86_400))]
    pub seconds: u32,
    /// Days after which files are deleted.
    #[schemars(range(min = 1, max = 36_500))]
    pub keep_days: u32,
}

impl Default for PerformanceLog {
    fn default() -> Self {
        Self { folder: "performance".to_owned(), seconds: 60, keep_days: 90 }
    }
}

impl Default for LiveMonitoring {
    fn default() -> Self {
        Self {
            enabled: true,
            window_minutes: 60,
            window_rows: None,
            windows: 24,
            exclude: Vec::new(),
            show_values: false,
            min_rows: 100,
            psi: 0.2,
            method: None,
            threshold: None,
            columns: BTreeMap::new(),
            metric_columns: 50,
            embeddings: true,
            embedding_rows: 256,
            performance_log: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_serve;

    #[test]
    fn a_table_sets_what_it_names_and_a_mistake_is_told() {
        let serve =
            parse_serve("serve.toml", "[monitor]\nwindow_minutes = 5\nexclude = ['email']\n").unwrap();
        let expected = LiveMonitoring {
            window_minutes: 5,
            exclude: vec!["email".to_owned()],
            ..LiveMonitoring::default()
        };
        assert_eq!(serve.monitor, expected);
        assert!(parse_serve("serve.toml", "").unwrap().monitor.enabled);
        assert!(!parse_serve("serve.toml", "monitor = { enabled = false }").unwrap().monitor.enabled);
        let log = parse_serve("serve.toml", "[monitor.performance_log]\nseconds = 10\n").unwrap().monitor;
        let log = log.performance_log.unwrap();
        assert_eq!((log.folder.as_str(), log.seconds, log.keep_days), ("performance", 10, 90));
        let text =
            "[monitor]\nmethod = 'psi'\n[monitor.columns]\nage = { method = 't_test', threshold = 0.01 }\n";
        let monitor = parse_serve("serve.toml", text).unwrap().monitor;
        assert_eq!(monitor.method.unwrap().all(), ["psi"]);
        assert_eq!(monitor.columns["age"].threshold, Some(0.01));
        let monitor = parse_serve("serve.toml", "monitor = { method = ['psi', 'z'] }\n").unwrap().monitor;
        assert_eq!(monitor.method.unwrap().all().len(), 2);
        for wrong in [
            "window_minutes = 0",
            "windows = 1000",
            "psi = 0",
            "excluded = ['a']",
            "min_rows = -1",
            "embedding_rows = 5",
        ] {
            let error = parse_serve("serve.toml", &format!("[monitor]\n{wrong}\n")).unwrap_err().to_string();
            assert!(error.contains("serve.toml:2"), "{error}");
        }
    }
}
