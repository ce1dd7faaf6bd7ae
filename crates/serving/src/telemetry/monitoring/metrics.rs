//! Prometheus metrics of live monitoring.

use std::fmt;
use std::sync::Arc;

use cupola_monitor::ColumnRole;
use cupola_monitor::sketch::{LiveDrift, LiveVerdict, SketchColumn};
use cupola_monitor::window::{MonitorWindow, WindowRing};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::LiveMonitor;
use super::embeddings::{COLUMN, EmbeddingMonitor, EmbeddingState};
use super::version::VersionMonitor;
use super::windows::WindowChoice;

/// Gauge of the verdict on a column.
const DRIFTED: &str = "cupola_monitor_column_drifted";

/// Computes the metrics of all loaded versions when they are read.
pub(crate) struct MonitorCollector(pub Arc<LiveMonitor>);

impl fmt::Debug for MonitorCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MonitorCollector")
    }
}

#[derive(EncodeLabelSet, Clone, Debug, Hash, PartialEq, Eq)]
struct VersionLabels {
    model: String,
    version: String,
}

#[derive(EncodeLabelSet, Clone, Debug, Hash, PartialEq, Eq)]
struct ColumnLabels {
    model: String,
    version: String,
    column: String,
    role: &'static str,
}

/// Judged windows of one version.
struct JudgedVersion {
    labels: VersionLabels,
    window: MonitorWindow,
    drift: Vec<LiveDrift>,
    columns: Vec<ColumnLabels>,
    /// `true` for columns that count in the share of drifted ones.
    counts: Vec<bool>,
    clock_jumps: u64,
    /// Verdict on the embeddings; `None` if they are not watched.
    embeddings: Option<EmbeddingState>,
}

type VersionMetric = (&'static str, &'static str, fn(&JudgedVersion) -> Option<f64>);
type EmbeddingMetric = (&'static str, &'static str, fn(&EmbeddingState) -> Option<f64>);
type ColumnMetric = (&'static str, &'static str, fn(&LiveDrift) -> Option<f64>);

/// Gauges of a version.
const VERSION_METRICS: [VersionMetric; 6] = [
    ("cupola_monitor_rows", "Rows in the latest windows that are judged", |one| {
        Some(one.window.table.rows as f64)
    }),
    ("cupola_monitor_observed_share", "Share of the answered requests whose rows were observed", |one| {
        one.window.traffic.observed_share()
    }),
    ("cupola_monitor_judged_columns", "Columns with a verdict", |one| {
        Some((one.count(LiveVerdict::Drift) + one.count(LiveVerdict::Stable)) as f64)
    }),
    ("cupola_monitor_drifted_columns", "Columns that have drifted", |one| {
        Some(one.count(LiveVerdict::Drift) as f64)
    }),
    ("cupola_monitor_drifted_share", "Share of the judged columns that have drifted", |one| {
        let (drifted, stable) = (one.count(LiveVerdict::Drift), one.count(LiveVerdict::Stable));
        (drifted + stable > 0).then(|| drifted as f64 / (drifted + stable) as f64)
    }),
    ("cupola_monitor_clock_jumps", "Times that the clock was set back", |one| Some(one.clock_jumps as f64)),
];

/// Gauges of the embeddings.
const EMBEDDING_METRICS: [EmbeddingMetric; 2] = [
    ("cupola_monitor_embedding_rows", "Embedded rows in the latest windows that are judged", |one| {
        Some(one.rows as f64)
    }),
    (
        "cupola_monitor_embedding_score",
        "Area under the ROC curve of a classifier that tells rows from the reference by their embeddings",
        |one| one.score,
    ),
];

/// Gauges of a column.
const COLUMN_METRICS: [ColumnMetric; 7] = [
    (DRIFTED, "1 for a column that has drifted, 0 for a stable one", |one| drifted(one.verdict)),
    ("cupola_monitor_psi", "Population stability index of a column", |one| one.psi),
    ("cupola_monitor_jensen_shannon", "Jensen-Shannon distance of a column", |one| one.jensen_shannon),
    ("cupola_monitor_kolmogorov_smirnov", "Kolmogorov-Smirnov statistic of a column over its bins", |one| {
        one.kolmogorov_smirnov
    }),
    ("cupola_monitor_wasserstein", "Wasserstein distance in standard deviations of the training", |one| {
        one.wasserstein
    }),
    ("cupola_monitor_missing_share", "Share of rows without a value", |one| one.missing),
    ("cupola_monitor_outside_share", "Share of values that the training has not seen", |one| one.outside),
];

impl JudgedVersion {
    /// Columns with a verdict, without probabilities.
    fn count(&self, verdict: LiveVerdict) -> usize {
        self.drift.iter().zip(&self.counts).filter(|(one, counts)| **counts && one.verdict == verdict).count()
    }

    /// Labels of the verdict on the embeddings, which rules take for that on a column.
    fn embedding_labels(&self) -> ColumnLabels {
        let VersionLabels { model, version } = self.labels.clone();
        ColumnLabels { model, version, column: COLUMN.to_owned(), role: COLUMN }
    }
}

/// Value of [`DRIFTED`]; `None` without a verdict.
fn drifted(verdict: LiveVerdict) -> Option<f64> {
    match verdict {
        LiveVerdict::Drift => Some(1.0),
        LiveVerdict::Stable => Some(0.0),
        LiveVerdict::FewRows | LiveVerdict::NoReference => None,
    }
}

impl Collector for MonitorCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        self.0.flush();
        let versions = judged(&self.0);
        for (name, help, value) in VERSION_METRICS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for one in &versions {
                let Some(value) = value(one) else { continue };
                ConstGauge::new(value).encode(family.encode_family(&one.labels)?)?;
            }
        }
        for (name, help, value) in COLUMN_METRICS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for one in &versions {
                for (labels, drift) in one.columns.iter().zip(&one.drift) {
                    let Some(value) = value(drift) else { continue };
                    ConstGauge::new(value).encode(family.encode_family(labels)?)?;
                }
                let of_embeddings = one.embeddings.as_ref().filter(|_| name == DRIFTED);
                if let Some(value) = of_embeddings.and_then(|state| drifted(state.verdict)) {
                    ConstGauge::new(value).encode(family.encode_family(&one.embedding_labels())?)?;
                }
            }
        }
        for (name, help, value) in EMBEDDING_METRICS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for one in &versions {
                let Some(value) = one.embeddings.as_ref().and_then(value) else { continue };
                ConstGauge::new(value).encode(family.encode_family(&one.labels)?)?;
            }
        }
        Ok(())
    }
}

fn judged(live: &LiveMonitor) -> Vec<JudgedVersion> {
    let versions = live.versions();
    let each = versions.iter().map(|monitor| monitor.read(|ring| judged_version(monitor, ring)));
    each.collect()
}

fn judged_version(monitor: &VersionMonitor, ring: &WindowRing) -> JudgedVersion {
    let judged = monitor.judged(ring, WindowChoice::Recent);
    let labels = VersionLabels { model: monitor.model.clone(), version: monitor.version.to_string() };
    let columns = ring.layout().columns.iter().take(monitor.settings.metric_columns);
    let columns = columns.map(|column| ColumnLabels {
        model: labels.model.clone(),
        version: labels.version.clone(),
        column: column.label(),
        role: role(column),
    });
    JudgedVersion {
        columns: columns.collect(),
        counts: ring.layout().columns.iter().map(SketchColumn::counts).collect(),
        labels,
        window: judged.window,
        drift: judged.drift,
        clock_jumps: ring.clock_jumps(),
        embeddings: monitor.embeddings.as_ref().ok().map(EmbeddingMonitor::state),
    }
}

fn role(column: &SketchColumn) -> &'static str {
    match column.role {
        ColumnRole::Input => "input",
        ColumnRole::Prediction => "prediction",
        ColumnRole::Probability => "probability",
        ColumnRole::Target => "target",
    }
}
