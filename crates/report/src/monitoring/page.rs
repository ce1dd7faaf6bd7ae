//! The page of monitoring.

use super::relations::relations;
use super::{MonitoredColumn, MonitoredEmbeddings, MonitoredShape, MonitoringPage};
use crate::page::markup::{Cell, Room, dim, figure, further, grid, table, tight_table};
use crate::page::{FRAME, PAGE_BYTES, Section, assemble};
use crate::plot::{Axis, Plot, Series, Shape};
use crate::text::{count, cut, escape, name, number, percent, several};

/// Rows of the table.
const ROWS: usize = 1000;
/// Columns with a plot.
const PLOTS: usize = 120;
/// Notes.
const NOTES: usize = 20;

/// Self-contained page about drift, of at most [`PAGE_BYTES`] whatever the data: long lists are cut, with the number of what is
/// left out.
pub fn monitoring_html(page: &MonitoringPage) -> String {
    let mut room = Room::new(PAGE_BYTES - FRAME);
    let header = room.take(header(page));
    let mut sections = Vec::new();
    let mut add = |title: &str, body: String| {
        if !body.is_empty() {
            sections.push(Section { title: title.to_owned(), body, parts: Vec::new() });
        }
    };
    add("Columns", room.take(columns(page)));
    add("Relations between columns", room.take(page.relations.as_ref().map(relations).unwrap_or_default()));
    add("Embeddings", room.take(page.embeddings.as_ref().map(embeddings).unwrap_or_default()));
    let mut figures = String::new();
    for column in page.columns.iter().take(PLOTS) {
        figures += &room.take(plot(column));
    }
    let left = further(page.columns.len(), PLOTS, "column");
    add("Distributions", if figures.is_empty() { figures } else { grid(&[figures]) + &left });
    assemble(&format!("{} monitoring", escape(&cut(&page.package, 80))), &header, &sections)
}

fn header(page: &MonitoringPage) -> String {
    let mut html =
        format!("<header><p class=\"dim\">Monitoring of a model</p><h1>{}</h1>", name(&page.package));
    html += &format!(
        "<p class=\"goal\"><span class=\"dim\">drifted columns</span><b>{}</b> <span class=\"dim\">of {}</span></p>",
        page.drifted, page.compared
    );
    let verdict = escape(&page.verdict);
    html += &format!("<p>{verdict} The limit is {} of the columns.</p>", percent(page.max_share));
    html += &dim(&format!(
        "{} of <bdi>{}</bdi>, compared with {}.",
        several(page.rows, "row"),
        escape(&cut(&page.data, 200)),
        escape(&cut(&page.reference, 200))
    ));
    for note in page.notes.iter().take(NOTES) {
        html += &dim(&escape(&cut(note, 400)));
    }
    html + "</header>"
}

fn columns(page: &MonitoringPage) -> String {
    let head = [
        ("Column", Cell::Words),
        ("Use, kind", Cell::Words),
        ("Drift", Cell::Words),
        ("Statistic", Cell::Words),
        ("Score", Cell::Number),
        ("Threshold", Cell::Number),
        ("Mean before", Cell::Number),
        ("Mean now", Cell::Number),
        ("Missing before", Cell::Number),
        ("Missing now", Cell::Number),
        ("Unseen", Cell::Number),
    ];
    let optional = |value: Option<f64>| value.map(number).unwrap_or_default();
    let rows = page.columns.iter().take(ROWS).map(|column| {
        let drift = match (column.drifted, column.unknown) {
            (true, _) => "<b>drift</b>",
            (false, true) => "unknown",
            (false, false) => "no",
        };
        vec![
            name(&column.name),
            wrapped(&format!("{}, {}", escape(&column.role), escape(&column.kind))),
            drift.to_owned(),
            wrapped(&escape(&statistic(column))),
            score(column),
            number(column.threshold),
            optional(column.mean[0]),
            optional(column.mean[1]),
            percent(column.missing[0]),
            percent(column.missing[1]),
            column.unseen.map(percent).unwrap_or_default(),
        ]
    });
    let html = tight_table(&head, rows) + &further(page.columns.len(), ROWS, "column");
    html + &dim(
        "A p-value below its threshold means drift, a distance above it. Unseen: values outside of the reference.",
    )
}

/// Scores of the embeddings as a table.
fn embeddings(found: &MonitoredEmbeddings) -> String {
    let [before, now] = found.vectors.map(|vectors| several(vectors as u64, "row"));
    let head = [
        ("Method", Cell::Words),
        ("Drift", Cell::Words),
        ("Score", Cell::Number),
        ("Threshold", Cell::Number),
    ];
    let rows = found.methods.iter().map(|method| {
        vec![
            escape(&method.name),
            if method.drifted { "<b>drift</b>" } else { "no" }.to_owned(),
            method.score.map_or_else(|| "none".to_owned(), number),
            number(method.threshold),
        ]
    });
    dim(&format!("Vectors of {} values: {now}, compared with {before} of the reference.", found.width))
        + &table(&head, rows)
}

/// Cell whose words may take two lines.
fn wrapped(html: &str) -> String {
    format!("<span class=\"wrap\">{html}</span>")
}

fn score(column: &MonitoredColumn) -> String {
    column.score.map_or_else(|| escape(&column.no_score), number)
}

fn statistic(column: &MonitoredColumn) -> String {
    if column.is_p_value { format!("{} p-value", column.method) } else { column.method.clone() }
}

/// Both distributions of a column.
fn plot(column: &MonitoredColumn) -> String {
    let (html, note) = match &column.shape {
        MonitoredShape::Bins(edges, sides) => (bins(column, edges, sides), String::new()),
        MonitoredShape::Values(labels, sides) => values(column, labels, sides),
    };
    if html.is_empty() {
        return html;
    }
    let verdict = match (column.drifted, column.unknown) {
        (true, _) => "drift",
        (false, true) => "unknown drift",
        (false, false) => "no drift",
    };
    let score = column.score.map_or_else(|| column.no_score.clone(), number);
    let title = format!("{}: {verdict}, {} {score}", cut(&column.name, 60), statistic(column));
    figure(&title, &html, &note)
}

fn bins(column: &MonitoredColumn, edges: &[f64], sides: &[Vec<f64>; 2]) -> String {
    let stairs = |shares: &[f64]| {
        let ends = shares.last().copied().into_iter();
        edges.iter().copied().zip(shares.iter().copied().chain(ends)).collect::<Vec<(f64, f64)>>()
    };
    let what = if column.kind == "text" { "characters" } else { column.name.as_str() };
    Plot {
        title: format!("Distribution of {}", column.name),
        x: Axis::new(cut(what, 40)),
        y: Axis { from_zero: true, ..Axis::new("share") },
        series: vec![
            Series::new("reference", stairs(&sides[0]), Shape::Stairs, 0),
            Series::new("current", stairs(&sides[1]), Shape::Stairs, 1),
        ],
    }
    .html()
}

/// Bars of both sides beside each other, and the names of the values unless the axis has them.
fn values(column: &MonitoredColumn, labels: &[String], sides: &[Vec<f64>; 2]) -> (String, String) {
    let stairs = |shares: &[f64], shift: f64| {
        let mut points = Vec::new();
        for (at, share) in shares.iter().enumerate() {
            points.push((at as f64 + shift, *share));
            points.push((at as f64 + shift + 0.4, 0.0));
        }
        points
    };
    let short: Vec<String> = labels.iter().map(|label| cut(label, 30)).collect();
    let x = Axis::categories(cut(&column.name, 40), &short);
    let named = x.names == short;
    let html = Plot {
        title: format!("Distribution of {}", column.name),
        x,
        y: Axis { from_zero: true, ..Axis::new("share") },
        series: vec![
            Series::new("reference", stairs(&sides[0], -0.4), Shape::Stairs, 0),
            Series::new("current", stairs(&sides[1], 0.0), Shape::Stairs, 1),
        ],
    }
    .html();
    if named {
        return (html, String::new());
    }
    let names = short.iter().zip(1_u64..).map(|(label, at)| format!("{} {}", count(at), name(label)));
    (html, names.collect::<Vec<String>>().join(" · "))
}

#[cfg(test)]
mod tests {
    use super::super::{MonitoredChunk, MonitoredMethod, MonitoredRelations};
    use super::*;

    fn page(columns: usize) -> MonitoringPage {
        let column = |at: usize| MonitoredColumn {
            name: format!("<em>{at}\"{}", "x".repeat(at % 300)),
            role: "input".into(),
            kind: "number".into(),
            method: "ks".into(),
            score: (!at.is_multiple_of(3)).then_some(f64::NAN),
            shape: match at % 2 {
                0 => MonitoredShape::Bins(vec![0.0, 1.0, 2.0], [vec![0.25, 0.75], vec![f64::NAN, 1.0]]),
                _ => MonitoredShape::Values(vec!["<i>".into()], [vec![1.0], vec![f64::INFINITY]]),
            },
            ..MonitoredColumn::default()
        };
        MonitoringPage {
            package: "m:1".into(),
            data: "<script>".into(),
            verdict: "No <em> drift.".into(),
            columns: (0..columns).map(column).collect(),
            ..MonitoringPage::default()
        }
    }

    #[test]
    fn a_page_is_bounded_and_harmless() {
        for columns in [0, 1, 5000] {
            let html = monitoring_html(&page(columns));
            assert!(html.len() <= PAGE_BYTES, "{}", html.len());
            assert!(!html.contains("<em>") && !html.contains("<i>") && !html.contains("<script>,"));
            assert!(html.contains("No &lt;em&gt; drift."));
        }
        assert!(monitoring_html(&page(2000)).contains("further column"));
    }

    #[test]
    fn bars_of_categories_stand_around_their_names() {
        let labels: Vec<String> = ["yes", "no <b>"].map(str::to_owned).to_vec();
        let column = MonitoredColumn { name: "x".into(), ..MonitoredColumn::default() };
        let (html, note) = values(&column, &labels, &[vec![0.5, 0.5], vec![0.25, 0.75]]);
        assert!(html.contains(">yes</text>") && html.contains(">no &lt;b&gt;</text>"), "{html}");
        assert!(note.is_empty(), "{note}");
        let long = [labels, vec!["x".repeat(30), "y".repeat(30)]].concat();
        let (html, note) = values(&column, &long, &[vec![0.25; 4], vec![0.25; 4]]);
        assert!(html.contains(">4</text>") && note.starts_with("1 "), "{html} {note}");
    }

    #[test]
    fn embeddings_are_listed() {
        let method = MonitoredMethod { name: "<em>".into(), score: None, threshold: 0.55, drifted: true };
        let embeddings = MonitoredEmbeddings { width: 8, vectors: [1, 20], methods: vec![method] };
        let html = monitoring_html(&MonitoringPage { embeddings: Some(embeddings), ..page(1) });
        assert!(html.contains("20 rows, compared with 1 row") && !html.contains("<em>"), "{html}");
    }

    #[test]
    fn chunks_are_drawn_and_bounded() {
        let chunk = |at: usize| MonitoredChunk {
            name: format!("<em>{at}"),
            rows: 5,
            error: if at.is_multiple_of(7) { f64::NAN } else { 1.0 + (at % 3) as f64 },
            confidence: Some((0.5, f64::INFINITY)),
            alert: at.is_multiple_of(2),
        };
        for chunks in [0, 1, 20, 50_000] {
            let relations = MonitoredRelations {
                thresholds: [None, Some(2.5)],
                reference: (0..chunks).map(chunk).collect(),
                current: (0..chunks).map(chunk).collect(),
                ..MonitoredRelations::default()
            };
            let html = monitoring_html(&MonitoringPage { relations: Some(relations), ..page(3) });
            assert!(html.len() <= PAGE_BYTES && !html.contains("<em>"), "{}", html.len());
            assert!(html.contains("Relations between columns"));
        }
    }
}
