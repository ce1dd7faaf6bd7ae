//! Table of the differences between two versions.

use cupola_datasets::Diff;

use crate::draw::{Ui, grouped, metric};

pub fn show(ui: Ui, diff: &Diff) {
    ui.line(format!("{} -> {}", diff.from, diff.to));
    if diff.is_empty() {
        ui.line("nothing is different");
        return;
    }
    ui.line(format!("rows     {} -> {}", grouped(diff.rows.0), grouped(diff.rows.1)));
    for (name, columns) in [("added", &diff.added), ("removed", &diff.removed)] {
        if !columns.is_empty() {
            ui.line(format!("{name:<8} {}", columns.join(", ")));
        }
    }
    let pair = |a: String, b: String| if a == b { a } else { format!("{a} -> {b}") };
    let rows = diff.columns.iter().map(|c| {
        let share = |share: f64| format!("{:.1} %", share * 100.0);
        let count = |n: u64| grouped(usize::try_from(n).unwrap_or_default());
        vec![
            c.name.clone(),
            pair(c.types.0.clone(), c.types.1.clone()),
            pair(share(c.missing.0), share(c.missing.1)),
            pair(count(c.distinct.0), count(c.distinct.1)),
            c.mean.map_or(String::new(), |(a, b)| pair(metric(a), metric(b))),
            c.drift.map_or(String::new(), |psi| format!("{psi:.3}")),
        ]
    });
    ui.table(&["column", "type", "missing", "distinct", "mean", "drift (PSI)"], &[5], rows.collect());
}
