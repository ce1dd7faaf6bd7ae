//! Lines and tables for people, JSON for programs.

use std::io::{IsTerminal, Write};

use anyhow::Result;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

/// Where output goes.
#[derive(Debug, Clone, Copy)]
pub struct Ui {
    /// Results as JSON on standard output, the rest on standard error.
    pub json: bool,
    /// Nothing at all: another process tells.
    pub quiet: bool,
}

impl Ui {
    /// A line for people.
    pub fn line(self, text: impl AsRef<str>) {
        if self.quiet {
            return;
        }
        // A reader that has gone away is no reason to fail.
        let _ = if self.json {
            writeln!(std::io::stderr(), "{}", text.as_ref())
        } else {
            writeln!(std::io::stdout(), "{}", text.as_ref())
        };
    }

    /// A table for people; the columns in `right` are numbers.
    pub fn table(self, header: &[&str], right: &[usize], rows: Vec<Vec<String>>) {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if std::io::stdout().is_terminal() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        table.set_header(header.to_vec());
        for row in rows {
            let cells = row.into_iter().enumerate().map(|(index, text)| {
                let side = if right.contains(&index) { CellAlignment::Right } else { CellAlignment::Left };
                Cell::new(text).set_alignment(side)
            });
            table.add_row(cells);
        }
        let text = table.to_string();
        text.lines().for_each(|line| self.line(line.trim_end()));
    }

    /// The result, if it was asked for as JSON.
    pub fn result(self, value: &impl Serialize) -> Result<()> {
        if self.json && !self.quiet {
            let mut out = std::io::stdout().lock();
            serde_json::to_writer_pretty(&mut out, value)?;
            writeln!(out)?;
        }
        Ok(())
    }

    /// One clear message.
    pub fn error(error: &anyhow::Error) {
        let text = error.chain().map(ToString::to_string).collect::<Vec<_>>();
        // `#[from]` errors repeat their source's text.
        let mut said = String::new();
        for part in text {
            if !said.contains(&part) {
                if !said.is_empty() {
                    said.push_str(": ");
                }
                said.push_str(&part);
            }
        }
        for (index, line) in said.lines().enumerate() {
            let _ = writeln!(std::io::stderr(), "{}{line}", if index == 0 { "error: " } else { "       " });
        }
    }
}

/// 12345678 as "12,345,678".
pub fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A metric with as many digits as people compare.
pub fn metric(value: f64) -> String {
    if value.abs() >= 1000.0 { format!("{value:.1}") } else { format!("{value:.4}") }
}

/// `accuracy 0.9777, macro_f1 0.9776`
pub fn metrics<'a>(values: impl IntoIterator<Item = (&'a String, f64)>) -> String {
    let each = values.into_iter().map(|(name, value)| format!("{name} {}", metric(value)));
    each.collect::<Vec<_>>().join(", ")
}
