//! `cupola runs compare`: runs side by side.

use anyhow::Result;
use cupola_registry::{ComparedRun, Home, RunComparison};
use serde_json::Value;

use crate::draw::{Ui, duration, metric, setting, summary};

/// Columns whose importance is shown.
const COLUMNS: usize = 10;

pub fn run(home: &Home, ui: Ui, runs: &[String]) -> Result<()> {
    let found = RunComparison::of(home, runs)?;
    leaderboard(ui, &found);
    if !found.same_split {
        Ui::warning("the runs were validated on different rows, so their scores cannot be compared");
    }
    settings(ui, &found);
    importance(ui, &found);
    ui.result(&found)
}

fn leaderboard(ui: Ui, found: &RunComparison) {
    let score = found.metric.as_deref().unwrap_or("score");
    let header = ["", "run", "family", &format!("valid {score}"), "valid", "test", "time", "state"];
    let row = |(index, run): (usize, &ComparedRun)| {
        let mark = if run.best { "*" } else { "" };
        vec![
            format!("{}{mark}", index + 1),
            run.id.clone(),
            run.family.clone(),
            run.score.map_or_else(|| "-".to_owned(), metric),
            summary(&Value::Object(run.valid.clone())),
            summary(&Value::Object(run.test.clone())),
            run.seconds.map_or_else(|| "-".to_owned(), duration),
            run.status.name().to_owned(),
        ]
    };
    ui.table(&header, &[3, 6], found.runs.iter().enumerate().map(row).collect());
    match &found.metric {
        Some(metric) => ui.line(format!("* the best {metric} on the valid split")),
        None => ui.line("the runs have no metric of the valid split in common"),
    }
}

fn settings(ui: Ui, found: &RunComparison) {
    if found.settings.is_empty() {
        ui.line("all settings are equal");
        return;
    }
    let numbers: Vec<String> = (1..=found.runs.len()).map(|number| number.to_string()).collect();
    let header: Vec<&str> = std::iter::once("setting").chain(numbers.iter().map(String::as_str)).collect();
    let rows = found.settings.iter().map(|row| {
        let values = row.values.iter().map(|value| setting(value.as_ref()));
        std::iter::once(row.key.clone()).chain(values).collect()
    });
    ui.line("");
    ui.table(&header, &[], rows.collect());
}

fn importance(ui: Ui, found: &RunComparison) {
    if found.importance.is_empty() {
        return;
    }
    let numbers: Vec<String> = (1..=found.runs.len()).map(|number| number.to_string()).collect();
    let header: Vec<&str> = std::iter::once("importance").chain(numbers.iter().map(String::as_str)).collect();
    let share =
        |value: &Option<f64>| value.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", 100.0 * share));
    let rows = found
        .importance
        .iter()
        .take(COLUMNS)
        .map(|row| std::iter::once(row.column.clone()).chain(row.values.iter().map(share)).collect());
    ui.line("");
    ui.table(&header, &(1..=found.runs.len()).collect::<Vec<_>>(), rows.collect());
}
