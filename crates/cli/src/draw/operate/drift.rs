//! Drift as a table.

use cupola_monitor::embedding::EmbeddingDrift;
use cupola_monitor::multivariate::{MultivariateDrift, ReconstructionChunk};
use cupola_monitor::{ColumnDrift, ColumnRole};
use cupola_operate::{DriftOutcome, DriftReference, EmbeddingOutcome};

use crate::draw::Ui;
use crate::draw::numbers::metric;

/// Columns of the table.
const HEADER: [&str; 9] =
    ["column", "use", "drift", "statistic", "score", "threshold", "mean before", "mean now", "missing now"];
/// Columns with numbers.
const NUMBERS: [usize; 5] = [4, 5, 6, 7, 8];
/// Rows of the table.
const ROWS: usize = 40;

/// Shows the verdict and the columns, those that drifted most first.
pub fn show_drift(ui: Ui, found: &DriftOutcome) {
    let with = match &found.reference {
        DriftReference::Profile => "the training data".to_owned(),
        DriftReference::Data(data) => data.clone(),
    };
    ui.line(format!("{} on {} rows of {}, compared with {with}", found.package, found.rows, found.data));
    let drift = &found.drift;
    let verdict = found.verdict();
    // "drift: embeddings" has its own colon.
    let then = if verdict.contains(':') { "; " } else { ": " };
    ui.line(format!(
        "{verdict}{then}{} of {} columns have drifted, the limit is {} %",
        drift.drifted,
        drift.compared,
        metric(drift.max_share * 100.0)
    ));
    ui.table(&HEADER, &NUMBERS, drift.columns.iter().take(ROWS).map(row).collect());
    if let Some(left) = drift.columns.len().checked_sub(ROWS).filter(|left| *left > 0) {
        ui.line(format!("and {left} further columns; --json lists all"));
    }
    if let Some(relations) = &found.multivariate {
        show_relations(ui, relations);
    }
    if let Some(embeddings) = &found.embeddings {
        show_embeddings(ui, embeddings);
    }
    found.notes.iter().for_each(|note| Ui::warning(note));
}

/// Shows the chunks of multivariate drift.
fn show_relations(ui: Ui, found: &MultivariateDrift) {
    ui.line(format!(
        "relations between {} columns: {} of {} chunks are outside of the range of the reference",
        found.columns.len(),
        found.alerts,
        found.chunks.len()
    ));
    let bound = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), metric);
    let row = |chunk: &ReconstructionChunk| {
        vec![
            chunk.key.clone(),
            chunk.rows.to_string(),
            metric(chunk.error),
            bound(found.thresholds.lower),
            bound(found.thresholds.upper),
            if chunk.alert { "drift" } else { "no" }.to_owned(),
        ]
    };
    let header = ["chunk", "rows", "error", "from", "to", "drift"];
    ui.table(&header, &[1, 2, 3, 4], found.chunks.iter().take(ROWS).map(row).collect());
    if let Some(left) = found.chunks.len().checked_sub(ROWS).filter(|left| *left > 0) {
        ui.line(format!("and {left} further chunks; --json lists all"));
    }
}

/// Shows the scores of the embeddings.
fn show_embeddings(ui: Ui, found: &EmbeddingOutcome) {
    let split = found.split.as_ref().map(|split| format!(" of the {split} split"));
    ui.line(format!(
        "embeddings of {} values, {} rows compared with {}{}",
        found.width,
        found.current,
        found.reference,
        split.unwrap_or_default()
    ));
    let row = |drift: &EmbeddingDrift| {
        vec![
            drift.method.name().to_owned(),
            drift.score.map_or_else(|| "-".to_owned(), metric),
            metric(drift.threshold),
            if drift.drifted { "drift" } else { "no" }.to_owned(),
        ]
    };
    ui.table(&["method", "score", "threshold", "drift"], &[1, 2], found.methods.iter().map(row).collect());
}

/// Score; a p-value that four decimals would round away in scientific notation.
fn score(column: &ColumnDrift) -> String {
    match column.score {
        None if column.is_not_computable() => "not computable".to_owned(),
        None => "no values".to_owned(),
        Some(score) if column.method.is_p_value() && score > 0.0 && score < 0.001 => format!("{score:.1e}"),
        Some(score) => metric(score),
    }
}

fn row(column: &ColumnDrift) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), metric);
    let role = match column.key.role {
        ColumnRole::Input => "input",
        ColumnRole::Prediction => "prediction",
        ColumnRole::Probability => "probability",
        ColumnRole::Target => "target",
    };
    vec![
        column.key.label(),
        role.to_owned(),
        match (column.drifted, column.score) {
            (true, _) => "drift",
            (false, None) => "unknown",
            (false, Some(_)) => "no",
        }
        .to_owned(),
        if column.method.is_p_value() {
            format!("{} p-value", column.method.name())
        } else {
            column.method.name().to_owned()
        },
        score(column),
        metric(column.threshold),
        number(column.reference.mean),
        number(column.current.mean),
        format!("{} %", metric(column.current.missing * 100.0)),
    ]
}
