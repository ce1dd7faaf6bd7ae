//! Markdown for comments on pull requests.

use std::fmt::Write as _;

use super::{interval, number};
use crate::evaluate::gate::report::{GateOutcome, GateReport};

/// Markdown of a gate: the verdict as a heading, and a table of the conditions, the broken ones first.
pub fn gate_markdown(model: &str, gate: &GateReport) -> String {
    let broken = gate.broken().count();
    let verdict = if gate.passed {
        format!("passed: {} conditions", gate.conditions.len())
    } else {
        format!("broken: {broken} of {} conditions", gate.conditions.len())
    };
    let mut text = format!("## Gate of {}: {verdict}\n\n", cell(model));
    let mut rows: Vec<_> = gate.conditions.iter().collect();
    rows.sort_by_key(|condition| condition.outcome == GateOutcome::Passed);
    let rows = rows.into_iter().map(|condition| {
        vec![
            condition.outcome.name().to_owned(),
            condition.key.clone(),
            condition.required.clone(),
            condition.found.map_or_else(String::new, number),
            interval(condition.interval),
            condition.remark(),
        ]
    });
    table(&mut text, &["outcome", "condition", "required", "found", "95 % interval", "reason"], rows);
    text
}

fn table(text: &mut String, header: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let mut line = |cells: Vec<String>| {
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    };
    line(header.iter().map(|one| cell(one)).collect());
    line(vec!["---".to_owned(); header.len()]);
    rows.for_each(|row| line(row.iter().map(|one| cell(one)).collect()));
}

/// A text in a cell: on one line, without characters that Markdown or HTML would read.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Names in backticks stay as they are written in messages.
            '|' | '*' | '_' | '[' | ']' | '\\' | '#' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::gate::report::JudgedCondition;

    #[test]
    fn names_of_the_data_cannot_break_the_table() {
        let condition = JudgedCondition {
            key: "subgroup_min/a|b/recall".to_owned(),
            required: ">= 0.5".to_owned(),
            found: None,
            interval: None,
            outcome: GateOutcome::Undefined,
            reason: Some("<img src=x>\n| a |".to_owned()),
            warning: Some("seen".to_owned()),
        };
        let text = gate_markdown("m:1", &GateReport::new(vec![condition]));
        let rows: Vec<&str> = text.lines().skip(2).collect();
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        assert!(rows.iter().all(|line| cells(line) == 7), "{text}");
        assert!(text.starts_with("## Gate of m:1: broken: 1 of 1 conditions\n"), "{text}");
        assert!(!text.contains("<img"), "{text}");
    }
}
