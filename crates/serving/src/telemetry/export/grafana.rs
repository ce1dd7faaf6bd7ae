//! Dashboard of Grafana with a panel for each metric of the server.

use serde_json::{Value, json};

use crate::telemetry::{MetricDescription, MetricKind, metric_list};

/// Version of the dashboard's schema: that of Grafana 10, which newer ones migrate from.
const SCHEMA_VERSION: u32 = 39;
/// Panels side by side.
const COLUMNS: usize = 3;
/// Width of the grid.
const GRID: usize = 24;
/// Height of a panel.
const HEIGHT: usize = 8;

/// Rows of the dashboard with the prefixes of their metrics; the last one takes what is left.
const ROWS: [(&str, &[&str]); 6] = [
    (
        "Requests",
        &["cupola_request", "cupola_queue", "cupola_preparation", "cupola_inference", "cupola_batch"],
    ),
    ("Drift", &["cupola_monitor"]),
    ("Feedback and alerts", &["cupola_feedback", "cupola_outcome", "cupola_alert", "cupola_notification"]),
    ("Models", &["cupola_model", "cupola_reload", "cupola_shadow", "cupola_limits"]),
    ("GPU", &["cupola_gpu"]),
    ("Tokens and explanations", &[]),
];

/// The dashboard as JSON.
pub(super) fn dashboard() -> String {
    let dashboard = json!({
        "uid": "cupola",
        "title": "Cupola",
        "tags": ["cupola"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": { "from": "now-6h", "to": "now" },
        "templating": { "list": [data_source(), models()] },
        "annotations": { "list": [] },
        "panels": panels(&metric_list()),
    });
    let text = serde_json::to_string_pretty(&dashboard).unwrap_or_default();
    text + "\n"
}

fn data_source() -> Value {
    json!({ "name": "source", "label": "Data source", "type": "datasource", "query": "prometheus" })
}

fn models() -> Value {
    let query = "label_values(cupola_model_loaded, model)";
    json!({
        "name": "model",
        "label": "Model",
        "type": "query",
        "datasource": source(),
        "query": { "query": query, "refId": "models" },
        "refresh": 2,
        "sort": 1,
        "multi": true,
        "includeAll": true,
        "allValue": ".*",
    })
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${source}" })
}

/// Index of the row of a metric.
fn row_of(metric: &MetricDescription) -> usize {
    let fits =
        |(_, prefixes): &(&str, &[&str])| prefixes.iter().any(|prefix| metric.name.starts_with(prefix));
    ROWS.iter().position(fits).unwrap_or(ROWS.len() - 1)
}

fn panels(metrics: &[MetricDescription]) -> Vec<Value> {
    let (mut all, mut id, mut y) = (Vec::new(), 0, 0);
    for (index, (title, _)) in ROWS.iter().enumerate() {
        let members: Vec<&MetricDescription> =
            metrics.iter().filter(|metric| row_of(metric) == index).collect();
        if members.is_empty() {
            continue;
        }
        id += 1;
        all.push(json!({
            "id": id, "type": "row", "title": title, "collapsed": false, "panels": [],
            "gridPos": { "h": 1, "w": GRID, "x": 0, "y": y },
        }));
        y += 1;
        let width = GRID / COLUMNS;
        for (position, metric) in members.iter().enumerate() {
            id += 1;
            let (x, row) = (position % COLUMNS * width, position / COLUMNS);
            let place = json!({ "h": HEIGHT, "w": width, "x": x, "y": y + row * HEIGHT });
            all.push(panel(metric, id, &place));
        }
        y += members.len().div_ceil(COLUMNS) * HEIGHT;
    }
    all
}

fn panel(metric: &MetricDescription, id: usize, place: &Value) -> Value {
    let targets: Vec<Value> = queries(metric)
        .into_iter()
        .enumerate()
        .map(|(index, (query, legend))| {
            let letter = char::from(b'A' + u8::try_from(index).unwrap_or(0));
            json!({
                "refId": letter.to_string(), "datasource": source(), "expr": query,
                "legendFormat": legend, "range": true, "editorMode": "code",
            })
        })
        .collect();
    json!({
        "id": id,
        "type": "timeseries",
        "title": title(metric),
        "description": format!("{} ({})", metric.help, metric.name),
        "datasource": source(),
        "gridPos": place,
        "fieldConfig": { "defaults": { "unit": unit(metric), "min": 0 }, "overrides": [] },
        "options": {
            "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
            "tooltip": { "mode": "multi", "sort": "desc" },
        },
        "targets": targets,
    })
}

fn title(metric: &MetricDescription) -> String {
    metric.help.split(':').next().unwrap_or_default().to_owned()
}

/// Unit as Grafana names it.
fn unit(metric: &MetricDescription) -> &'static str {
    let seconds = metric.unit.as_deref() == Some("seconds");
    match metric.kind {
        MetricKind::Counter if seconds => "short",
        MetricKind::Counter => "cps",
        _ if metric.name.ends_with("_timestamp_seconds") => "dateTimeAsIso",
        _ if seconds => "s",
        _ if metric.name.ends_with("_share") => "percentunit",
        _ if metric.name.ends_with("_bytes") => "bytes",
        _ if metric.name.ends_with("_watts") => "watt",
        _ if metric.name.ends_with("_celsius") => "celsius",
        _ => "short",
    }
}

/// Queries of a metric with their legends: rates of counters, quantiles of histograms, values of gauges.
fn queries(metric: &MetricDescription) -> Vec<(String, String)> {
    let name = &metric.name;
    let selector = if metric.has_model() { "{model=~\"$model\"}" } else { "" };
    let legend = |part: &str| match part {
        "" => "__auto".to_owned(),
        part => format!("{{{{model}}}} {part}"),
    };
    match metric.kind {
        MetricKind::Counter => vec![(format!("rate({name}{selector}[$__rate_interval])"), legend(""))],
        MetricKind::Histogram => [("0.5", "median"), ("0.95", "95 %"), ("0.99", "99 %")]
            .map(|(quantile, part)| {
                let rate = format!("sum by (model, le) (rate({name}_bucket{selector}[$__rate_interval]))");
                (format!("histogram_quantile({quantile}, {rate})"), legend(part))
            })
            .to_vec(),
        // Unix time in milliseconds is what Grafana shows as a date.
        MetricKind::Gauge if name.ends_with("_timestamp_seconds") => {
            vec![(format!("{name}{selector} * 1000"), legend(""))]
        }
        MetricKind::Gauge => vec![(format!("{name}{selector}"), legend(""))],
    }
}
