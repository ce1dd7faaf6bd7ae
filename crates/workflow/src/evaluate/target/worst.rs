//! Rows with the largest errors, with their inputs.

use cupola_prep::{AuditRows, Column, ColumnType, FittedInput, Plan, Signature};
use cupola_report::{WorstContent, WorstError};

use super::outputs::TargetOutputs;

/// Rows of the gallery.
const SHOWN: usize = 12;
/// Columns of a row that are shown.
const COLUMNS: usize = 60;
/// Letters of a text.
const LETTERS: usize = 300;

/// The sampled rows with the largest losses.
pub(super) fn worst(
    plan: &Plan,
    outputs: &TargetOutputs,
    losses: &[f64],
    audit: &AuditRows,
) -> Vec<WorstError> {
    if !audit.aligned {
        return Vec::new();
    }
    let sample = &audit.sample;
    let with_loss =
        |at: usize| Some((at, *losses.get(sample.positions[at])?)).filter(|(_, loss)| loss.is_finite());
    let mut order: Vec<(usize, f64)> = (0..sample.positions.len()).filter_map(with_loss).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let shown = order.into_iter().take(SHOWN).filter_map(|(at, error)| {
        let (target, predicted) = outputs.texts(sample.positions[at]);
        let content = content(plan, audit, at)?;
        Some(WorstError { row: sample.source_rows[at], target, predicted, error, content })
    });
    shown.collect()
}

/// Inputs of a sampled row: its picture, its text or its columns.
fn content(plan: &Plan, audit: &AuditRows, at: usize) -> Option<WorstContent> {
    let sample = &audit.sample;
    if let Some(picture) = sample.picture(plan, at) {
        return Some(WorstContent::Picture(picture));
    }
    if let [FittedInput::Text { column, .. }] = plan.inputs.as_slice() {
        let text = sample.frame.get(column)?.text(at).unwrap_or_default();
        return Some(WorstContent::Text(beginning(&text)));
    }
    let signature = Signature::of(plan);
    let columns = signature.inputs.iter().filter(|input| input.kind != ColumnType::File).take(COLUMNS);
    let shown =
        columns.filter_map(|input| Some((input.name.clone(), cell(sample.frame.get(&input.name)?, at))));
    Some(WorstContent::Columns(shown.collect()))
}

fn cell(column: &Column, row: usize) -> String {
    match column {
        Column::Bytes(_) => "(file)".to_owned(),
        column => column.text(row).map_or_else(|| "(missing)".to_owned(), |text| beginning(&text)),
    }
}

fn beginning(text: &str) -> String {
    match text.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_letters() {
        assert_eq!(beginning("short"), "short");
        let long = "ä".repeat(LETTERS + 1);
        assert_eq!(beginning(&long), format!("{}...", "ä".repeat(LETTERS)));
    }
}
