//! The evaluation as Markdown, short enough for a pull request.

use crate::document::{Comparison, ErrorSlice, Evaluation, Metric, SubgroupTable, TargetEvaluation};
use crate::page::{baseline, bounds, digits, finite, main_split, p_value, verdict};
use crate::text::{ABSENT, Digits, count, cut, harmless, several, spaced};

/// Metrics of one table.
const METRICS: usize = 30;

/// Tables of metrics.
const TABLES: usize = 10;

/// Rows of other tables.
const ROWS: usize = 8;

/// Short tables of an evaluation: metrics beside the trivial model, the comparison with another model, the largest gaps
/// between subgroups and the worst error slices.
pub fn markdown(evaluation: &Evaluation) -> String {
    let package = &evaluation.model.package;
    let title =
        if package.is_empty() { "Evaluation".to_owned() } else { format!("Evaluation of {}", code(package)) };
    let mut text = format!("## {title}\n");
    let main = main_split(evaluation);
    for target in main.iter().flat_map(|split| &split.targets).take(TABLES) {
        let Some(goal) = target.metrics.first() else { continue };
        let split = main.map(|split| plain(&split.split)).unwrap_or_default();
        let words = verdict(goal).map(|(_, words)| format!(" {}", plain(&words))).unwrap_or_default();
        let range = interval(goal).map(|range| format!(" (95 % interval {range})")).unwrap_or_default();
        text += &format!("\n**{} {}** on {split}{range}.{words}\n", plain(&spaced(&goal.name)), value(goal));
    }
    if let Some(comparison) = &evaluation.comparison {
        text += &compared(comparison);
    }
    let pairs: Vec<_> = evaluation
        .splits
        .iter()
        .flat_map(|split| split.targets.iter().map(move |target| (split, target)))
        .collect();
    for (split, target) in pairs.iter().take(TABLES) {
        let of = if split.targets.len() > 1 { format!(", {}", plain(&target.target)) } else { String::new() };
        text += &format!(
            "\n### {}{of} ({})\n\n{}",
            plain(&split.split),
            several(split.rows, "row"),
            metrics(&target.metrics)
        );
    }
    if pairs.len() > TABLES {
        text += &format!("\nAnd {}.\n", several((pairs.len() - TABLES) as u64, "further table"));
    }
    for target in main.iter().flat_map(|split| &split.targets).take(TABLES) {
        text += &gaps(&target.subgroups);
        text += &slices(target);
    }
    text
}

fn metrics(all: &[Metric]) -> String {
    let trivial = all.iter().any(|metric| metric.baseline.is_some());
    let rows = all.iter().take(METRICS).map(|metric| {
        let cells = [code(&metric.name), value(metric), interval(metric).unwrap_or_default()];
        cells.into_iter().chain(trivial.then(|| baseline(metric).unwrap_or_default())).collect()
    });
    let further = all.len().saturating_sub(METRICS);
    let head = ["metric", "value", "95 % interval", "trivial model"];
    table(&head[..3 + usize::from(trivial)], 1, rows) + &left_out(further, "metric")
}

fn compared(comparison: &Comparison) -> String {
    let heads =
        ["metric", &plain(&comparison.first), &plain(&comparison.second), "difference", "95 % interval", "p"];
    let rows = comparison.metrics.iter().take(METRICS).map(|metric| {
        let digits = Digits::of([metric.first, metric.second].into_iter().flatten());
        let write = |value: Option<f64>| value.map_or_else(|| ABSENT.to_owned(), |value| digits.write(value));
        let range =
            metric.interval.map(|(low, high)| format!("{} to {}", digits.write(low), digits.write(high)));
        let p = metric.p_value.filter(|p| p.is_finite()).map(p_value).unwrap_or_default();
        vec![
            code(&metric.name),
            write(metric.first),
            write(metric.second),
            write(metric.difference),
            range.unwrap_or_default(),
            p.replace('<', "\\<"),
        ]
    });
    let verdict = if comparison.verdict.is_empty() {
        String::new()
    } else {
        plain(&cut(&comparison.verdict, 400)) + "\n"
    };
    format!("\n### Comparison\n\n{verdict}\n{}", table(&heads, 1, rows))
}

fn gaps(subgroups: &[SubgroupTable]) -> String {
    let all: Vec<_> =
        subgroups.iter().flat_map(|table| table.gaps.iter().map(move |gap| (table, gap))).collect();
    if all.is_empty() {
        return String::new();
    }
    let rows = all.iter().take(ROWS * 2).map(|(table, gap)| {
        let columns = table.columns.iter().map(|column| plain(column)).collect::<Vec<_>>().join(" × ");
        vec![columns, code(&gap.name), value(gap), interval(gap).unwrap_or_default()]
    });
    let further = all.len().saturating_sub(ROWS * 2);
    format!("\n### Gaps between groups\n\n{}", table(&["column", "gap", "value", "95 % interval"], 2, rows))
        + &left_out(further, "gap")
}

fn slices(target: &TargetEvaluation) -> String {
    if target.slices.is_empty() {
        return String::new();
    }
    let digits = Digits::of(target.slices.iter().flat_map(|slice| [slice.error, slice.overall]));
    let row = |slice: &ErrorSlice| {
        vec![
            code(&slice.condition),
            count(slice.rows),
            digits.write(slice.error),
            bounds(slice.interval)
                .map(|(low, high)| format!("{} to {}", digits.write(low), digits.write(high)))
                .unwrap_or_default(),
            digits.write(slice.overall),
        ]
    };
    let rows = target.slices.iter().take(ROWS).map(row);
    let heads = ["condition", "rows", "mean error", "95 % interval", "of all rows"];
    format!("\n### Error slices\n\n{}", table(&heads, 1, rows))
        + &left_out(target.slices.len().saturating_sub(ROWS), "condition")
}

fn left_out(further: usize, what: &str) -> String {
    if further == 0 {
        String::new()
    } else {
        format!("\nAnd {}.\n", several(further as u64, &format!("further {what}")))
    }
}

/// Table whose columns after the first `words` are aligned to the right.
fn table(heads: &[&str], words: usize, rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let rule: Vec<String> =
        (0..heads.len()).map(|at| if at < words { "---".into() } else { "---:".into() }).collect();
    line(&heads) + &line(&rule) + &rows.map(|row| line(&row)).collect::<String>()
}

fn value(metric: &Metric) -> String {
    match (finite(metric.value), &metric.undefined) {
        (Some(value), _) => digits(metric).write(value),
        (None, Some(reason)) => format!("undefined: {}", plain(&cut(reason, 120))),
        (None, None) => ABSENT.to_owned(),
    }
}

fn interval(metric: &Metric) -> Option<String> {
    let (low, high) = bounds(metric.interval)?;
    let digits = digits(metric);
    Some(format!("{} to {}", digits.write(low), digits.write(high)))
}

/// Text without any meaning in Markdown or HTML.
fn plain(text: &str) -> String {
    let text = cut(text, 400);
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\`*_{}[]<>#!|~&@$".contains(c) {
            plain.push('\\');
        }
        plain.push(harmless(c));
    }
    plain
}

/// Text as code in a table's cell.
fn code(text: &str) -> String {
    let text: String = cut(text, 120).chars().map(harmless).collect();
    format!("`{}`", text.replace('`', "'").replace('|', "\\|"))
}
