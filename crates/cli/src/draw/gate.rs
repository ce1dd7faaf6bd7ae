//! Judged conditions of a gate as a table.

use cupola_workflow::{GateReport, JudgedCondition};

use super::Ui;
use super::numbers::metric;
use super::ui::plain_table;

/// Columns of the table.
const HEADER: [&str; 6] = ["outcome", "condition", "required", "found", "95 % interval", "reason"];
/// Columns with numbers.
const NUMBERS: [usize; 1] = [3];

/// Shows the verdict and each condition.
pub fn show_gate(ui: Ui, package: &str, gate: &GateReport) {
    ui.line(verdict(package, gate));
    ui.table(&HEADER, &NUMBERS, rows(gate));
}

/// The verdict and each condition as plain text.
pub fn gate_text(package: &str, gate: &GateReport) -> String {
    let table = plain_table(&HEADER, &NUMBERS, rows(gate)).to_string();
    let lines: Vec<&str> = table.lines().map(str::trim_end).collect();
    format!("{}\n{}\n", verdict(package, gate), lines.join("\n"))
}

/// `gate of digits:3: broken, 1 of 4 conditions`
fn verdict(package: &str, gate: &GateReport) -> String {
    let (broken, all) = (gate.broken().count(), gate.conditions.len());
    if gate.passed {
        return format!(
            "gate of {package}: passed, {all} {}",
            if all == 1 { "condition" } else { "conditions" }
        );
    }
    format!("gate of {package}: broken, {broken} of {all} conditions")
}

fn rows(gate: &GateReport) -> Vec<Vec<String>> {
    gate.conditions.iter().map(row).collect()
}

fn row(condition: &JudgedCondition) -> Vec<String> {
    let bounds = |(low, high)| format!("{} to {}", metric(low), metric(high));
    vec![
        condition.outcome.name().to_owned(),
        condition.key.clone(),
        condition.required.clone(),
        condition.found.map_or_else(|| "-".to_owned(), metric),
        condition.interval.map(bounds).unwrap_or_default(),
        condition.remark(),
    ]
}
