//! Draft as a TOML text with the reason of each decision.

use std::fmt::Write as _;

use cupola_spec::{Decimal, Series};
use serde::Serialize;
use toml::{Table, Value};

use super::columns::shortened;
use super::sample::default_missing_texts;
use super::{Draft, DraftColumn, DraftRole};

/// Characters of a line of comments.
const WIDTH: usize = 100;
/// Columns that the text lists one by one.
const LISTED: usize = 200;

impl Draft {
    /// The draft as a commented config. It has everything that training needs, and nothing that is not meant.
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        self.header(&mut out);
        self.data(&mut out);
        self.target_and_split(&mut out);
        for input in &self.inputs {
            out.push_str("\n[[inputs]]\n");
            table(&mut out, input, &["name", "kind", "columns"]);
        }
        self.model(&mut out);
        out
    }

    fn header(&self, out: &mut String) {
        let rows = if self.complete { "all" } else { "the first" };
        let about = format!(
            "Drafted from {rows} {} rows of {}. Change what you know better; `cupola check` shows the result.",
            self.rows, self.source
        );
        comment(out, &about);
        for warning in &self.warnings {
            comment(out, &format!("Look: {warning}"));
        }
        line(out, "name", &self.name);
    }

    fn data(&self, out: &mut String) {
        out.push_str("\n[data]\n");
        line(out, "source", &self.source);
        if self.paragraphs {
            comment(out, "each paragraph is a row of the column `text`");
            line(out, "paragraphs", &true);
        }
        if let Some(files) = &self.files {
            comment(out, "the paths in this column are replaced by the pictures");
            line(out, "files", files);
        }
        if !self.missing_texts.is_empty() {
            let mut texts = default_missing_texts();
            texts.extend(self.missing_texts.iter().cloned());
            comment(out, "texts that mean a missing value");
            line(out, "null", &texts);
        }
        if let Some(decimal) = self.decimal {
            comment(out, "commas stand between thousands");
            line(out, "decimal", if decimal == Decimal::Point { "." } else { "," });
        }
        out.push('\n');
        let shown = self.shown_columns();
        for (name, column) in shown.iter().take(LISTED) {
            comment(out, &described(name, column));
        }
        if shown.len() > LISTED {
            comment(out, &format!("... and {} more columns", shown.len() - LISTED));
        }
    }

    fn target_and_split(&self, out: &mut String) {
        if self.missing_targets {
            out.push('\n');
            comment(out, "some rows have no target");
            out.push_str("[clean]\nmissing_targets = true\n");
        }
        out.push('\n');
        comment(out, &self.target_reason);
        out.push_str("[[targets]]\n");
        table(out, &self.target, &["name", "kind"]);
        if let Some(split) = &self.split {
            out.push('\n');
            comment(out, &split.reason);
            out.push_str("[split]\nby = \"time\"\n");
            line(out, "column", &split.column);
            if let Some(format) = &split.format {
                line(out, "format", format);
            }
        }
        if !Series::is_empty(&self.series) {
            out.push('\n');
            comment(
                out,
                "no window crosses from one series to another, and all are split in the order of time",
            );
            out.push_str("[series]\n");
            table(out, &self.series, &["time", "key"]);
        }
    }

    fn model(&self, out: &mut String) {
        out.push('\n');
        comment(out, &self.model.reason);
        out.push_str("[model]\n");
        table(out, &self.model.family, &["family"]);
        let Some(training) = self.model.training else { return };
        let _ =
            write!(out, "\n[train]\nepochs = {}\nbatch_size = {}\n", training.epochs, training.batch_size);
        if training.patience > 0 {
            let _ = write!(
                out,
                "\n# end after so many evaluations without improvement\n[train.early_stop]\npatience = {}\n",
                training.patience
            );
        }
    }
}

/// Name, kind and reason of a column.
fn described(name: &str, column: &DraftColumn) -> String {
    let kind = column.kind.and_then(|kind| serde_json::to_value(kind).ok());
    let kind = match (column.role, kind.as_ref().and_then(serde_json::Value::as_str)) {
        (DraftRole::LeftOut, _) | (_, None) => "left out",
        (DraftRole::Target, _) => "target",
        (DraftRole::Time, _) => "time",
        (DraftRole::Key, _) => "key",
        (DraftRole::Group, _) => "group",
        (DraftRole::Input, Some(kind)) => kind,
    };
    let alone = name == column.name && !column.reason.contains('`');
    let example = column.example.as_deref().filter(|_| alone);
    let example = example.map(|text| format!(", such as `{}`", shortened(text))).unwrap_or_default();
    let missing = if column.missing > 0 { format!(", {} missing", column.missing) } else { String::new() };
    format!("{name}: {kind}: {}{example}{missing}", column.reason)
}

/// Writes a comment of one or several lines. Nothing in `text` can end it.
pub(super) fn comment(out: &mut String, text: &str) {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut width = 0;
    for word in plain.split_whitespace() {
        let length = word.chars().count();
        if width == 0 || width + 1 + length > WIDTH {
            out.push_str(if width == 0 { "#" } else { "\n#" });
            width = 1;
        }
        out.push(' ');
        out.push_str(word);
        width += 1 + length;
    }
    out.push('\n');
}

/// Writes `key = value`.
pub(super) fn line(out: &mut String, key: &str, value: &(impl Serialize + ?Sized)) {
    if let Ok(value) = Value::try_from(value) {
        let _ = writeln!(out, "{key} = {value}");
    }
}

/// Writes the keys of a value, those of `first` before the others.
pub(super) fn table(out: &mut String, value: &impl Serialize, first: &[&str]) {
    let Ok(mut table) = Table::try_from(value) else { return };
    for key in first {
        if let Some(value) = table.remove(*key) {
            let _ = writeln!(out, "{key} = {value}");
        }
    }
    for (key, value) in &table {
        let _ = writeln!(out, "{key} = {value}");
    }
}
