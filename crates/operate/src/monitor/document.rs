//! Pages of drift and of performance.

use cupola_monitor::embedding::EmbeddingDrift;
use cupola_monitor::multivariate::{MultivariateDrift, ReconstructionChunk};
use cupola_monitor::performance::MetricEstimate;
use cupola_monitor::{ColumnDrift, ColumnRole, DriftPicture};
use cupola_report::{
    ForecastPage, ForecastRow, MonitoredChunk, MonitoredColumn, MonitoredEmbeddings, MonitoredMethod,
    MonitoredRelations, MonitoredShape, MonitoringPage, PerformanceChange, PerformanceChunk,
    PerformanceMetric, PerformancePage, PerformanceValue, monitoring_html, performance_html, row_count,
};
use indexmap::IndexMap;

use super::{
    DriftOutcome, DriftReference, DriftedPart, EmbeddingOutcome, ErrorChanges, ForecastPerformance,
    PerformanceOutcome,
};

/// Self-contained HTML page of at most 2 MB.
pub fn drift_page(outcome: &DriftOutcome) -> String {
    monitoring_html(&MonitoringPage {
        package: outcome.package.clone(),
        data: outcome.data.clone(),
        rows: outcome.rows,
        reference: match &outcome.reference {
            DriftReference::Profile => {
                format!("the {} that the model was trained with", row_count(outcome.reference_rows))
            }
            DriftReference::Data(data) => format!("{} of {data}", row_count(outcome.reference_rows)),
        },
        compared: outcome.drift.compared,
        drifted: outcome.drift.drifted,
        max_share: outcome.drift.max_share,
        verdict: verdict(&outcome.drifted_by),
        columns: outcome.drift.columns.iter().map(column).collect(),
        relations: outcome.multivariate.as_ref().map(relations),
        embeddings: outcome.embeddings.as_ref().map(embeddings),
        notes: outcome.notes.clone(),
    })
}

fn verdict(parts: &[DriftedPart]) -> String {
    let names: Vec<&str> = parts.iter().map(|part| part.name()).collect();
    match parts {
        [] => "The data has not drifted.".to_owned(),
        [DriftedPart::Columns] => "The data has drifted.".to_owned(),
        _ => format!("The data has drifted: {}.", names.join(", ")),
    }
}

fn relations(drift: &MultivariateDrift) -> MonitoredRelations {
    let chunk = |chunk: &ReconstructionChunk| MonitoredChunk {
        name: chunk.key.clone(),
        rows: chunk.rows as u64,
        error: chunk.error,
        confidence: chunk.lower_confidence.zip(chunk.upper_confidence),
        alert: chunk.alert,
    };
    MonitoredRelations {
        columns: drift.columns.len(),
        components: drift.components,
        explained: drift.explained,
        thresholds: [drift.thresholds.lower, drift.thresholds.upper],
        reference: drift.reference.iter().map(chunk).collect(),
        current: drift.chunks.iter().map(chunk).collect(),
    }
}

fn embeddings(found: &EmbeddingOutcome) -> MonitoredEmbeddings {
    let method = |drift: &EmbeddingDrift| MonitoredMethod {
        name: drift.method.name().to_owned(),
        score: drift.score,
        threshold: drift.threshold,
        drifted: drift.drifted,
    };
    MonitoredEmbeddings {
        width: found.width,
        vectors: [found.reference, found.current],
        methods: found.methods.iter().map(method).collect(),
    }
}

fn column(drift: &ColumnDrift) -> MonitoredColumn {
    let sides = [&drift.reference, &drift.current];
    MonitoredColumn {
        name: drift.key.label(),
        role: role(drift.key.role).to_owned(),
        kind: drift.kind.to_owned(),
        method: drift.method.name().to_owned(),
        is_p_value: drift.method.is_p_value(),
        score: drift.score,
        no_score: if drift.is_not_computable() { "not computable" } else { "no values" }.to_owned(),
        unknown: drift.score.is_none() && !drift.drifted,
        threshold: drift.threshold,
        drifted: drift.drifted,
        missing: sides.map(|side| side.missing),
        mean: sides.map(|side| side.mean),
        unseen: drift.unseen,
        shape: match &drift.picture {
            DriftPicture::Bins { edges, reference, current } => {
                MonitoredShape::Bins(edges.clone(), [reference.clone(), current.clone()])
            }
            DriftPicture::Values { labels, reference, current } => {
                MonitoredShape::Values(labels.clone(), [reference.clone(), current.clone()])
            }
        },
    }
}

fn role(role: ColumnRole) -> &'static str {
    match role {
        ColumnRole::Input => "input",
        ColumnRole::Prediction => "prediction",
        ColumnRole::Probability => "probability",
        ColumnRole::Target => "target",
    }
}

/// Self-contained HTML page of at most 2 MB.
pub fn performance_page(outcome: &PerformanceOutcome) -> String {
    let mut names: Vec<&String> = Vec::new();
    for name in outcome.chunks.iter().flat_map(|chunk| chunk.metrics.keys()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let metric = |name: &String| PerformanceMetric {
        name: name.clone(),
        values: outcome
            .chunks
            .iter()
            .map(|chunk| chunk.metrics.get(name).map(value).unwrap_or_default())
            .collect(),
    };
    performance_html(&PerformancePage {
        package: outcome.package.clone(),
        data: outcome.data.clone(),
        rows: outcome.rows as u64,
        labelled: outcome.labelled as u64,
        target: outcome.target.clone(),
        reference: outcome.reference.clone(),
        chunks: outcome
            .chunks
            .iter()
            .map(|chunk| PerformanceChunk {
                key: chunk.key.clone(),
                rows: chunk.rows as u64,
                labelled: chunk.labelled as u64,
            })
            .collect(),
        metrics: names.into_iter().map(metric).collect(),
        changes: outcome.changes.iter().map(change).collect(),
        forecast: outcome.forecast.as_ref().map(|own| forecast(own, outcome)),
        notes: outcome.notes.clone(),
    })
}

fn forecast(own: &ForecastPerformance, outcome: &PerformanceOutcome) -> ForecastPage {
    let counts = outcome.late.unwrap_or_default();
    let metrics: Vec<String> = own.overall.keys().cloned().collect();
    let row = |label: String, [joined, missing]: [usize; 2], values: &IndexMap<String, f64>| ForecastRow {
        label,
        joined: joined as u64,
        missing: missing as u64,
        values: metrics.iter().map(|name| values.get(name).copied()).collect(),
    };
    ForecastPage {
        joined: counts.joined,
        missing: counts.steps - counts.joined,
        coverage: own.coverage,
        steps: own
            .steps
            .iter()
            .map(|step| row(step.step.to_string(), [step.joined, step.missing], &step.metrics))
            .collect(),
        keys: own.keys.clone(),
        series: own
            .series
            .iter()
            .map(|one| row(one.series.join(", "), [one.joined, one.missing], &one.metrics))
            .collect(),
        metrics,
    }
}

fn value(own: &MetricEstimate) -> PerformanceValue {
    PerformanceValue {
        realised: own.realised,
        estimate: own.estimate,
        confidence: [own.lower_confidence, own.upper_confidence],
        thresholds: [own.lower_threshold, own.upper_threshold],
        realised_alert: own.realised_alert,
        estimate_alert: own.alert,
    }
}

fn change(own: &ErrorChanges) -> PerformanceChange {
    let last = own.drifts.last();
    PerformanceChange {
        detector: own.detector.name().to_owned(),
        seen: own.seen as u64,
        alarms: own.drifts.len() as u64,
        last: last.map(|last| last.time.clone().unwrap_or_else(|| format!("error {}", last.index))),
    }
}
