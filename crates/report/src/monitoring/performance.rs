//! Page about the performance of a model in production, chunk by chunk.

mod alerts;
mod bounded;
mod forecast;

use self::alerts::alert_count;
use self::bounded::bounded_range;
pub use self::forecast::{ForecastPage, ForecastRow};
use self::forecast::{forecast_header, series, steps};
use crate::page::markup::{Cell, Room, dim, figure, further, grid, table, tight_table};
use crate::page::{FRAME, PAGE_BYTES, Section, assemble};
use crate::plot::{Axis, Plot, Series, Shape};
use crate::text::{count, cut, escape, name, number, several, spaced};

/// Rows of a table.
const ROWS: usize = 1000;
/// Metrics with a plot, and with columns in the table.
const METRICS: usize = 24;
/// Notes.
const NOTES: usize = 20;

/// Performance of a model by chunk.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PerformancePage {
    /// `NAME:VERSION` of the model.
    pub package: String,
    /// Source of the data.
    pub data: String,
    /// Rows of it.
    pub rows: u64,
    /// Rows with a known target.
    pub labelled: u64,
    /// Name of the target.
    pub target: String,
    /// Source of the reference; `None` without one.
    pub reference: Option<String>,
    /// Chunks in order.
    pub chunks: Vec<PerformanceChunk>,
    /// Metrics with a value for each chunk.
    pub metrics: Vec<PerformanceMetric>,
    /// Changes of the errors by detector.
    pub changes: Vec<PerformanceChange>,
    /// Performance by step ahead and by series; `None` unless the target is a forecast.
    pub forecast: Option<ForecastPage>,
    /// Sentences about what was left out.
    pub notes: Vec<String>,
}

/// Chunk of rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PerformanceChunk {
    /// Name.
    pub key: String,
    /// Rows of it.
    pub rows: u64,
    /// Rows with a known target.
    pub labelled: u64,
}

/// Metric in all chunks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PerformanceMetric {
    /// Name.
    pub name: String,
    /// Values in the order of the chunks.
    pub values: Vec<PerformanceValue>,
}

/// Metric in one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PerformanceValue {
    /// Value by the known targets.
    pub realised: Option<f64>,
    /// Estimated value.
    pub estimate: Option<f64>,
    /// Bounds of the estimate.
    pub confidence: [Option<f64>; 2],
    /// Values outside of which there is an alert.
    pub thresholds: [Option<f64>; 2],
    /// `true` if the realised value is outside of the thresholds.
    pub realised_alert: bool,
    /// `true` if the estimate is outside of the thresholds.
    pub estimate_alert: bool,
}

impl PerformanceValue {
    /// The realised value if it is known, else the estimate.
    fn shown(&self) -> Option<f64> {
        self.realised.or(self.estimate)
    }

    /// `true` if the value that is shown is outside of the thresholds.
    fn alert(&self) -> bool {
        if self.realised.is_some() { self.realised_alert } else { self.estimate_alert }
    }
}

/// Changes of the errors that a detector sees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PerformanceChange {
    /// Detector.
    pub detector: String,
    /// Errors that it saw.
    pub seen: u64,
    /// Number of its alarms.
    pub alarms: u64,
    /// Time or place of the last one.
    pub last: Option<String>,
}

/// Self-contained page about performance, of at most [`PAGE_BYTES`] whatever the data: long lists are cut, with the number
/// of what is left out.
pub fn performance_html(page: &PerformancePage) -> String {
    let mut room = Room::new(PAGE_BYTES - FRAME);
    let header = room.take(header(page));
    let mut sections = Vec::new();
    let mut add = |title: &str, body: String| {
        if !body.is_empty() {
            sections.push(Section { title: title.to_owned(), body, parts: Vec::new() });
        }
    };
    let mut figures = String::new();
    for metric in page.metrics.iter().take(METRICS) {
        figures += &room.take(plot(metric));
    }
    let legend =
        dim("The points are the chunks in their order. Area: three standard errors around the estimate. \
        Dashed: thresholds. Dots: chunks outside of them.");
    let left = further(page.metrics.len(), METRICS, "metric");
    add("Metrics", if figures.is_empty() { figures } else { grid(&[figures]) + &legend + &left });
    if let Some(forecast) = &page.forecast {
        add("Steps ahead", room.take(steps(forecast)));
        add("Series", room.take(series(forecast)));
    }
    add("Changes of the errors", room.take(changes(page)));
    add("Chunks", room.take(chunks(page)));
    assemble(&format!("{} performance", escape(&cut(&page.package, 80))), &header, &sections)
}

fn header(page: &PerformancePage) -> String {
    let mut html =
        format!("<header><p class=\"dim\">Performance of a model</p><h1>{}</h1>", name(&page.package));
    html += &alert_count(page);
    let rows = several(page.rows, if page.forecast.is_some() { "forecast" } else { "row" });
    let target = name(&page.target);
    html += &format!("<p>The target {target} is known for {} of {rows}.</p>", count(page.labelled));
    html += &page.forecast.as_ref().map(forecast_header).unwrap_or_default();
    let data = escape(&cut(&page.data, 200));
    html += &dim(&match &page.reference {
        Some(reference) if page.forecast.is_some() => format!(
            "Data: <bdi>{data}</bdi>. Thresholds come from <bdi>{}</bdi>.",
            escape(&cut(reference, 200))
        ),
        Some(reference) => format!(
            "Data: <bdi>{data}</bdi>. Estimates and thresholds come from <bdi>{}</bdi>.",
            escape(&cut(reference, 200))
        ),
        None => {
            format!(
                "Data: <bdi>{data}</bdi>. Without a reference there are no estimates, thresholds and alerts."
            )
        }
    });
    for note in page.notes.iter().take(NOTES) {
        html += &dim(&escape(&cut(note, 400)));
    }
    html + "</header>"
}

/// Values of a metric that are known, by the number of their chunk.
fn points(metric: &PerformanceMetric, value: impl Fn(&PerformanceValue) -> Option<f64>) -> Vec<(f64, f64)> {
    let all = metric.values.iter().enumerate();
    all.filter_map(|(at, own)| Some(((at + 1) as f64, value(own)?))).collect()
}

/// A metric by chunk: realised, estimated with its bounds, thresholds, alerts.
fn plot(metric: &PerformanceMetric) -> String {
    let upper = points(metric, |own| own.confidence[1]);
    let lower = points(metric, |own| own.confidence[0]);
    let band = upper.into_iter().chain(lower.into_iter().rev()).collect();
    let alerts = points(metric, |own| own.shown().filter(|_| own.alert()));
    let title = spaced(&metric.name);
    let html = Plot {
        title: format!("{title} by chunk"),
        x: Axis { whole: true, ..Axis::new("chunk") },
        y: Axis { range: bounded_range(metric), ..Axis::new(title.clone()) },
        series: vec![
            Series::new("", band, Shape::Band, 1),
            Series::new("", points(metric, |own| own.thresholds[0]), Shape::Reference, 5),
            Series::new("", points(metric, |own| own.thresholds[1]), Shape::Reference, 5),
            Series::new("realised", points(metric, |own| own.realised), Shape::Line, 0),
            Series::new("estimated", points(metric, |own| own.estimate), Shape::Line, 1),
            Series::new("alert", alerts, Shape::Mark, 3),
        ]
        .into_iter()
        .filter(|series| !series.points.is_empty())
        .collect(),
    }
    .html();
    if html.is_empty() { html } else { figure(&title, &html, "") }
}

fn changes(page: &PerformancePage) -> String {
    if page.changes.is_empty() {
        return String::new();
    }
    let head = [
        ("Detector", Cell::Words),
        ("Errors", Cell::Number),
        ("Alarms", Cell::Number),
        ("Last alarm", Cell::Words),
    ];
    let rows = page.changes.iter().take(ROWS).map(|change| {
        vec![
            name(&change.detector),
            count(change.seen),
            count(change.alarms),
            change.last.as_deref().map(|last| escape(&cut(last, 60))).unwrap_or_default(),
        ]
    });
    table(&head, rows)
        + &dim(match page.forecast {
            Some(_) => "Detectors see the mean absolute error of each forecast, one by one in order of time.",
            None => "Detectors see the errors of the rows with a target, one by one in order of time.",
        })
}

fn chunks(page: &PerformancePage) -> String {
    let metrics: Vec<&PerformanceMetric> = page.metrics.iter().take(METRICS).collect();
    let names: Vec<String> = metrics.iter().map(|metric| name(&metric.name)).collect();
    let estimates: Vec<String> = names.iter().map(|name| format!("{name} estimated")).collect();
    let mut head = vec![
        ("Number", Cell::Number),
        ("Chunk", Cell::Words),
        ("Rows", Cell::Number),
        ("Known", Cell::Number),
    ];
    for (name, estimate) in names.iter().zip(&estimates) {
        head.extend([(name.as_str(), Cell::Number), (estimate.as_str(), Cell::Number)]);
    }
    let cell = |value: Option<f64>, alert: bool| match value.map(number) {
        Some(text) if alert => format!("<b>{text}</b>"),
        text => text.unwrap_or_default(),
    };
    let rows = page.chunks.iter().enumerate().take(ROWS).map(|(at, chunk)| {
        let mut row = vec![(at + 1).to_string(), name(&chunk.key), count(chunk.rows), count(chunk.labelled)];
        for metric in &metrics {
            let value = metric.values.get(at).copied().unwrap_or_default();
            row.push(cell(value.realised, value.realised_alert));
            row.push(cell(value.estimate, value.estimate_alert));
        }
        row
    });
    tight_table(&head, rows)
        + &further(page.chunks.len(), ROWS, "chunk")
        + &dim("Bold: outside of the thresholds. A metric without a further word is realised.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(chunks: usize) -> PerformancePage {
        let value = |at: usize| PerformanceValue {
            realised: at.is_multiple_of(2).then_some(f64::NAN),
            estimate: Some(if at.is_multiple_of(3) { f64::INFINITY } else { at as f64 }),
            confidence: [Some(0.0), None],
            thresholds: [Some(1.0), Some(2.0)],
            realised_alert: at.is_multiple_of(5),
            estimate_alert: at.is_multiple_of(5),
        };
        let metric = |at: usize| PerformanceMetric {
            name: format!("<em>{at}_mae"),
            values: (0..chunks).map(value).collect(),
        };
        let chunk = |at: usize| PerformanceChunk {
            key: format!("[{at}<i>"),
            rows: 10,
            ..PerformanceChunk::default()
        };
        PerformancePage {
            package: "m:1".into(),
            data: "<script>".into(),
            reference: Some("<script>".into()),
            forecast: Some(forecast::tests::page(chunks)),
            chunks: (0..chunks).map(chunk).collect(),
            metrics: (0..30).map(metric).collect(),
            changes: vec![PerformanceChange { detector: "<b>adwin".into(), ..PerformanceChange::default() }],
            notes: vec!["<u>".into()],
            ..PerformancePage::default()
        }
    }

    #[test]
    fn a_page_of_performance_is_bounded_and_harmless() {
        for chunks in [0, 1, 10, 20_000] {
            let html = performance_html(&page(chunks));
            assert!(html.len() <= PAGE_BYTES, "{}", html.len());
            for tag in ["<em>", "<i>", "<script>,", "<u>", "<b>adwin"] {
                assert!(!html.contains(tag), "{tag}");
            }
            // The script that sorts tables asks for isNaN.
            let numbers = html.replace("isNaN", "");
            assert!(!numbers.contains("NaN") && !numbers.contains("inf\""), "{chunks} chunks");
        }
        let html = performance_html(&page(10));
        assert!(html.contains("<b>2</b> <span class=\"dim\">of 10</span>") && html.contains("estimated"));
        assert!(html.contains("further metric"));
    }
}
