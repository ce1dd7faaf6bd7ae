//! Monitoring of a version as JSON.

use cupola_monitor::sketch::{
    ColumnSketch, LiveDrift, LiveVerdict, NumberSketch, QuantileSketch, SketchColumn, SketchKind,
};
use cupola_monitor::window::{MonitorWindow, WindowRing, WindowTraffic};
use cupola_monitor::{CategoryReference, NumberReference, ReferenceValues};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::version::VersionMonitor;
use super::windows::WindowChoice;

/// Categories that are listed.
const LISTED: usize = 20;
/// Columns whose drift is listed for each window of the past.
const HISTORY_COLUMNS: usize = 50;

impl VersionMonitor {
    /// Traffic, drift and windows of a version as served by the API.
    pub fn report(&self, choice: WindowChoice) -> Value {
        let ring = self.snapshot();
        let judged = self.judged(&ring, choice);
        let layout = ring.layout();
        let columns = layout.columns.iter().zip(&judged.window.table.columns).zip(&judged.drift);
        let columns: Vec<Value> = columns
            .map(|((column, sketch), drift)| {
                let mut out = column_json(column, sketch, drift);
                // The figures of few rows would show what single callers sent.
                if layout.shows_values || sketch.rows() >= self.settings.limits.rows {
                    add_distribution(&mut out, column, sketch, layout.shows_values);
                }
                out
            })
            .collect();
        let reference = match &self.without_reference {
            None => json!({ "present": true }),
            Some(why) => json!({ "present": false, "why": why }),
        };
        let mut window = window_json(&judged.window);
        window["windows"] = judged.merged.into();
        json!({
            "model": self.model,
            "version": self.version,
            "enabled": true,
            "reference": reference,
            "limits": {
                "rows": self.settings.limits.rows,
                "psi": self.settings.limits.psi,
                "missing": self.settings.limits.missing,
                "threshold": self.settings.rules.threshold,
            },
            "window": window,
            "drift": summary(&layout.columns, &judged.drift),
            "columns": columns,
            "columns_left_out": self.left_out,
            "embeddings": self.embeddings_json(),
            "history": self.history(&ring),
            "clock_jumps": ring.clock_jumps(),
        })
    }

    fn embeddings_json(&self) -> Value {
        match &self.embeddings {
            Ok(embeddings) => json!(embeddings.state()),
            Err(why) => json!({ "enabled": false, "why": why }),
        }
    }

    /// Each window that is kept, with its drift.
    fn history(&self, ring: &WindowRing) -> Vec<Value> {
        let columns = &ring.layout().columns;
        let each = ring.windows().map(|window| {
            let watched = columns.iter().zip(&window.table.columns);
            let drift: Vec<LiveDrift> = watched
                .map(|(column, sketch)| LiveDrift::of(column, sketch, &self.settings.limits))
                .collect();
            let psi = columns.iter().zip(&drift).take(HISTORY_COLUMNS);
            let psi = psi.filter_map(|(column, drift)| {
                let role = serde_json::to_value(column.role).unwrap_or_default();
                Some(json!({ "name": column.label(), "role": role, "psi": drift.psi? }))
            });
            let mut out = window_json(window);
            out["psi"] = psi.collect();
            out["drift"] = summary(columns, &drift);
            out
        });
        each.collect()
    }
}

/// Number of columns that have drifted, of those with a verdict, without probabilities.
fn summary(columns: &[SketchColumn], drift: &[LiveDrift]) -> Value {
    let counted: Vec<LiveVerdict> =
        columns.iter().zip(drift).filter(|(column, _)| column.counts()).map(|(_, one)| one.verdict).collect();
    let count = |verdict| counted.iter().filter(|one| **one == verdict).count();
    let (drifted, stable) = (count(LiveVerdict::Drift), count(LiveVerdict::Stable));
    let judged = drifted + stable;
    let verdict = match (judged, drifted) {
        (0, _) if count(LiveVerdict::FewRows) > 0 => LiveVerdict::FewRows,
        (0, _) => LiveVerdict::NoReference,
        (_, 0) => LiveVerdict::Stable,
        _ => LiveVerdict::Drift,
    };
    let share = (judged > 0).then(|| drifted as f64 / judged as f64);
    json!({ "verdict": verdict, "drifted": drifted, "judged": judged, "share": share })
}

fn window_json(window: &MonitorWindow) -> Value {
    let WindowTraffic { requests, client_errors, server_errors, durations, skipped } = &window.traffic;
    json!({
        "began": time(window.began),
        "ended": time(window.ended),
        "rows": window.table.rows,
        "requests": requests,
        "client_errors": client_errors,
        "server_errors": server_errors,
        "skipped_requests": skipped,
        "observed_share": window.traffic.observed_share(),
        "seconds": {
            "mean": durations.mean(),
            "p50": durations.quantile(0.5),
            "p95": durations.quantile(0.95),
            "p99": durations.quantile(0.99),
        },
    })
}

fn time(milliseconds: i64) -> Option<String> {
    Timestamp::from_millisecond(milliseconds).ok().map(|time| time.to_string())
}

fn column_json(column: &SketchColumn, sketch: &ColumnSketch, drift: &LiveDrift) -> Value {
    let mut out = serde_json::to_value(drift).unwrap_or_default();
    out["name"] = column.name.as_str().into();
    out["role"] = serde_json::to_value(column.role).unwrap_or_default();
    if let Some(class) = &column.class {
        out["class"] = class.as_str().into();
    }
    out["kind"] = match column.kind() {
        SketchKind::Number => "number",
        SketchKind::Category => "category",
        SketchKind::Text => "text",
    }
    .into();
    out["rows"] = sketch.rows().into();
    out
}

/// Adds the distribution beside that of the training; extremes, which are values of single rows, only if they are `shown`.
fn add_distribution(out: &mut Value, column: &SketchColumn, sketch: &ColumnSketch, shown: bool) {
    let reference = column.reference.as_ref().map(|reference| &reference.values);
    match sketch {
        ColumnSketch::Number(sketch) => {
            let reference = match reference {
                Some(ReferenceValues::Number(reference)) => Some(reference),
                _ => None,
            };
            out["numbers"] = numbers_json(sketch, reference, shown);
        }
        ColumnSketch::Category(sketch) => {
            let reference = match reference {
                Some(ReferenceValues::Category(reference)) => Some(reference),
                _ => None,
            };
            let place = |at: usize| reference.and_then(|one| one.values.get(at)).map(|(_, count)| *count);
            let (all, of_reference) = (sketch.count(), reference.map(CategoryReference::total));
            let share = |count: u64, all: u64| if all == 0 { 0.0 } else { count as f64 / all as f64 };
            let listed = column.values().iter().zip(&sketch.counts).enumerate().take(LISTED);
            let listed = listed.map(|(at, (value, count))| {
                let before = of_reference.zip(place(at)).map(|(all, count)| share(count, all));
                json!({ "value": value, "share": share(*count, all), "reference_share": before })
            });
            let listed: Vec<Value> = listed.collect();
            out["categories"] = json!({
                "values": listed,
                "other_share": share(sketch.other, all),
                "reference_other_share": reference.map(|one| share(one.other, one.total())),
                "unseen": sketch.named.iter().map(|(value, count)| json!({ "value": value, "rows": count })).collect::<Vec<_>>(),
            });
        }
        ColumnSketch::Text(sketch) => {
            let reference = match reference {
                Some(ReferenceValues::Text(reference)) => Some(&reference.length),
                _ => None,
            };
            out["length"] = numbers_json(&sketch.length, reference, shown);
            out["unknown_words"] = sketch.unknown_share().into();
        }
    }
}

fn numbers_json(sketch: &NumberSketch, reference: Option<&NumberReference>, shown: bool) -> Value {
    let levels = [("p5", 0.05), ("p25", 0.25), ("p50", 0.5), ("p75", 0.75), ("p95", 0.95)];
    let quantiles = |of: &dyn Fn(f64) -> Option<f64>| -> Value {
        levels.iter().map(|(name, level)| ((*name).to_owned(), json!(of(*level)))).collect()
    };
    let any = sketch.range.is_some();
    let of = |sketch: &QuantileSketch| quantiles(&|level| sketch.quantile(level));
    let mut out = json!({
        "mean": any.then_some(sketch.mean),
        "deviation": any.then(|| sketch.deviation()),
        "quantiles": of(&sketch.quantiles),
        "below": sketch.below,
        "above": sketch.above,
    });
    if let Some((low, high)) = sketch.range.filter(|_| shown) {
        (out["minimum"], out["maximum"]) = (low.into(), high.into());
    }
    if let Some(reference) = reference {
        out["reference"] = json!({
            "mean": reference.mean,
            "deviation": reference.deviation,
            "minimum": reference.minimum,
            "maximum": reference.maximum,
            "quantiles": quantiles(&|level| reference.quantile(level)),
        });
        out["bins"] = json!({
            "edges": reference.edges,
            "reference": shares(&reference.counts, 0),
            "current": shares(&sketch.counts, sketch.below + sketch.above),
        });
    }
    out
}

/// Share of each bin, where `outside` values belong to none.
fn shares(counts: &[u64], outside: u64) -> Vec<f64> {
    let all = counts.iter().sum::<u64>() + outside;
    counts.iter().map(|count| if all == 0 { 0.0 } else { *count as f64 / all as f64 }).collect()
}
