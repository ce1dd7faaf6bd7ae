//! Lines and tables for people, JSON for programs.

use std::io::{IsTerminal, Write};

use anyhow::Result;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use cupola_workflow::message_and_hint;
use serde::Serialize;
use serde_json::json;

use crate::failure::ErrorCode;

/// Destination of output.
#[derive(Debug, Clone, Copy)]
pub struct Ui {
    /// Results as JSON on standard output, the rest on standard error.
    pub json: bool,
}

impl Ui {
    /// Prints a line for people. A reader that has gone away is not an error.
    pub fn line(self, text: impl AsRef<str>) {
        let _ = if self.json {
            writeln!(std::io::stderr(), "{}", text.as_ref())
        } else {
            writeln!(std::io::stdout(), "{}", text.as_ref())
        };
    }

    /// Prints a table for people; the columns in `right` are numbers.
    pub fn table(self, header: &[&str], right: &[usize], rows: Vec<Vec<String>>) {
        let mut table = plain_table(header, right, rows);
        if std::io::stdout().is_terminal() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        let text = table.to_string();
        text.lines().for_each(|line| self.line(line.trim_end()));
    }

    /// Prints the result as JSON, if JSON was asked for.
    pub fn result(self, value: &impl Serialize) -> Result<()> {
        if self.json {
            let mut out = std::io::stdout().lock();
            serde_json::to_writer_pretty(&mut out, value)?;
            writeln!(out)?;
        }
        Ok(())
    }

    /// Prints a warning on standard error.
    pub fn warning(text: &str) {
        let _ = writeln!(std::io::stderr(), "warning: {text}");
    }

    /// Prints an error on standard error; as one line of JSON, if JSON was asked for.
    pub fn error(self, error: &anyhow::Error, code: ErrorCode) {
        let (message, hint) = message_and_hint(error.as_ref());
        self.message(&message, hint.as_deref(), code);
    }

    /// Prints the message of an error and its remedy.
    pub fn message(self, message: &str, hint: Option<&str>, code: ErrorCode) {
        let text = if self.json {
            error_json(message, hint, code)
        } else {
            error_text(message, hint, std::io::stderr().is_terminal())
        };
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

/// Table without lines; the columns in `right` are numbers.
pub(super) fn plain_table(header: &[&str], right: &[usize], rows: Vec<Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.to_vec());
    for row in rows {
        let cells = row.into_iter().enumerate().map(|(index, text)| {
            let side = if right.contains(&index) { CellAlignment::Right } else { CellAlignment::Left };
            Cell::new(text).set_alignment(side)
        });
        table.add_row(cells);
    }
    table
}

/// `{"error": {"message", "hint"?, "code"}}` and a line break.
fn error_json(message: &str, hint: Option<&str>, code: ErrorCode) -> String {
    let mut error = json!({ "message": message, "code": code.as_str() });
    if let Some(hint) = hint {
        error["hint"] = hint.into();
    }
    format!("{}\n", json!({ "error": error }))
}

/// `error: MESSAGE`, further lines of the message indented. The hint has a line of its own on a terminal; in
/// a pipe or a log an error is one line.
fn error_text(message: &str, hint: Option<&str>, terminal: bool) -> String {
    let mut text = format!("error: {}", message.replace('\n', "\n       "));
    if let Some(hint) = hint {
        text.push_str(if terminal { "\nhint: " } else { "; " });
        text.push_str(hint);
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_has_its_own_line_on_a_terminal() {
        let text = |terminal| error_text("no such file: a.csv", Some("check `data.source`"), terminal);
        assert_eq!(text(true), "error: no such file: a.csv\nhint: check `data.source`\n");
        assert_eq!(text(false), "error: no such file: a.csv; check `data.source`\n");
        assert_eq!(error_text("a\nb", None, true), "error: a\n       b\n");
    }

    #[test]
    fn an_error_for_programs_is_one_line_of_json() {
        let of = |hint| error_json("line 1\nline \"2\"", hint, ErrorCode::UserError);
        let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let text = of(Some("check it"));
        assert!(text.ends_with('\n') && text.lines().count() == 1, "{text}");
        let expected = json!({ "message": "line 1\nline \"2\"", "hint": "check it", "code": "user_error" });
        assert_eq!(parsed(&text)["error"], expected);
        assert!(parsed(&of(None))["error"].get("hint").is_none());
    }
}
