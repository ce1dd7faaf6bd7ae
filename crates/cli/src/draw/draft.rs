//! Config that was drafted from data, in short.

use cupola_workflow::{Draft, DraftColumn, DraftRole};
use serde_json::Value;

use super::Ui;

/// Columns that are shown one by one.
const SHOWN: usize = 30;

/// Shows target, columns, split and model with their reasons.
pub fn show_draft(ui: Ui, draft: &Draft) {
    let rows = if draft.complete { "rows" } else { "first rows" };
    ui.line(format!("draft   of {} {rows} of {}", draft.rows, draft.source));
    ui.line(format!("target  `{}`: {}", draft.target.name, draft.target_reason));
    let shown = draft.shown_columns();
    let cells = shown.iter().take(SHOWN).map(|(name, column)| {
        vec![name.escape_debug().to_string(), kind(column).to_owned(), column.reason.clone()]
    });
    ui.table(&["column", "as", "because"], &[], cells.collect());
    if shown.len() > SHOWN {
        ui.line(format!(" ... and {} more", shown.len() - SHOWN));
    }
    if let Some(split) = &draft.split {
        ui.line(format!("split   by time: {}", split.reason));
    }
    ui.line(format!("family  {}: {}", draft.model.family.name(), draft.model.reason));
    for warning in &draft.warnings {
        Ui::warning(warning);
    }
}

/// Purpose of a column in a word.
fn kind(column: &DraftColumn) -> &'static str {
    match column.role {
        DraftRole::LeftOut => "left out",
        DraftRole::Target => "target",
        DraftRole::Time => "time",
        DraftRole::Key => "key",
        DraftRole::Group => "group",
        DraftRole::Input => match serde_json::to_value(column.kind).as_ref().map(Value::as_str) {
            Ok(Some("number")) => "number",
            Ok(Some("category")) => "category",
            Ok(Some("date")) => "date",
            Ok(Some("text")) => "text",
            Ok(Some("image")) => "image",
            _ => "series",
        },
    }
}
