//! Section about the relations between columns.

use super::{MonitoredChunk, MonitoredRelations};
use crate::page::markup::{Cell, dim, figure, further, grid, table};
use crate::plot::{Axis, Plot, Series, Shape};
use crate::text::{count, name, number, percent};

/// Chunks of the table.
const ROWS: usize = 500;
/// Chunks of the plot; of more every second, fourth and so on is drawn.
const POINTS: usize = 500;

/// Errors of the chunks as a plot and a table.
pub(super) fn relations(found: &MonitoredRelations) -> String {
    let alerts = found.current.iter().filter(|chunk| chunk.alert).count();
    let mut html = format!(
        "<p>{} of {} chunks are outside of the range of the reference.</p>",
        count(alerts as u64),
        count(found.current.len() as u64)
    );
    html += &dim(&format!(
        "{} columns; {} principal components of the reference explain {} of its variance. The error is the mean distance of a row \
         from its reconstruction by them, in standard deviations of the columns.",
        count(found.columns as u64),
        count(found.components as u64),
        percent(found.explained)
    ));
    let drawn = plot(found);
    if !drawn.is_empty() {
        html += &grid(&[figure(
            "Reconstruction error by chunk",
            &drawn,
            "Dashed: thresholds. Large dots: alerts.",
        )]);
    }
    html + &chunks(found)
}

fn plot(found: &MonitoredRelations) -> String {
    let (before, now) = (found.reference.len(), found.current.len());
    let step = (before + now).div_ceil(POINTS).max(1);
    let thinned = |chunks: &[MonitoredChunk], start: usize| -> Vec<(f64, f64)> {
        let points = chunks.iter().enumerate().step_by(step);
        points.map(|(at, chunk)| ((start + at) as f64, chunk.error)).collect()
    };
    let alerts = found.current.iter().enumerate().filter(|(_, chunk)| chunk.alert).step_by(step);
    let end = (before + now).saturating_sub(1) as f64;
    let mut series: Vec<Series> = found
        .thresholds
        .iter()
        .flatten()
        .map(|limit| Series::new("", vec![(0.0, *limit), (end, *limit)], Shape::Reference, 0))
        .collect();
    series.push(Series::new("reference", thinned(&found.reference, 0), Shape::Line, 0));
    series.push(Series::new("current", thinned(&found.current, before), Shape::Line, 1));
    let marks =
        alerts.map(|(at, chunk)| Series::new("", vec![((before + at) as f64, chunk.error)], Shape::Mark, 1));
    series.extend(marks);
    Plot {
        title: "Reconstruction error by chunk".to_owned(),
        x: Axis { whole: true, ..Axis::new("chunk") },
        y: Axis::new("error"),
        series,
    }
    .html()
}

fn chunks(found: &MonitoredRelations) -> String {
    let head = [
        ("Chunk", Cell::Words),
        ("Rows", Cell::Number),
        ("Error", Cell::Number),
        ("Confidence", Cell::Words),
        ("Expected", Cell::Words),
        ("Alert", Cell::Words),
    ];
    let range = |low: Option<f64>, high: Option<f64>| match (low, high) {
        (None, None) => String::new(),
        (None, Some(high)) => format!("at most {}", number(high)),
        (Some(low), None) => format!("at least {}", number(low)),
        (Some(low), Some(high)) => format!("{} to {}", number(low), number(high)),
    };
    let [lower, upper] = found.thresholds;
    let rows = found.current.iter().take(ROWS).map(|chunk| {
        vec![
            name(&chunk.name),
            count(chunk.rows),
            number(chunk.error),
            range(chunk.confidence.map(|own| own.0), chunk.confidence.map(|own| own.1)),
            range(lower, upper),
            if chunk.alert { "<b>alert</b>" } else { "no" }.to_owned(),
        ]
    });
    table(&head, rows) + &further(found.current.len(), ROWS, "chunk")
}
