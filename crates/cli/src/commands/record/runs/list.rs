//! `cupola runs list`: the history of runs.

use anyhow::Result;
use cupola_registry::{Home, Index, RunQuery, RunSummary, SettingChange, ValidationScore};
use serde_json::Value;

use crate::args::RunsListArgs;
use crate::draw::{Ui, duration, metric, setting, summary};
use crate::next_step::next_command;

/// Changes that a line has room for.
const CHANGES: usize = 3;

pub fn run(home: &Home, ui: Ui, args: &RunsListArgs) -> Result<()> {
    let query = RunQuery { sort: args.sort, filters: args.filter.clone(), limit: args.limit };
    let mut runs = Index::open(home)?.history(&query)?;
    if !args.test {
        for run in &mut runs {
            run.metrics = Value::Null;
        }
    }
    if !runs.is_empty() {
        show(ui, &runs, args.test);
    } else if args.filter.is_empty() {
        let next = next_command(home, ["train", "--config", "configs/digits.toml"]);
        ui.line(format!("no runs yet; start one with: {next}"));
    } else {
        ui.line("no run meets the filters");
    }
    ui.result(&runs)
}

fn show(ui: Ui, runs: &[RunSummary], test: bool) {
    let mut header = vec!["run", "name", "family", "changed", "valid", "time", "state"];
    header.extend(test.then_some("test"));
    let row = |run: &RunSummary| {
        let time = run.seconds.map_or_else(|| "-".to_owned(), duration);
        let (valid, state) = (score(run.valid.as_ref()), run.status.name().to_owned());
        let (id, name, family) = (run.id.clone(), run.name.clone(), run.family.clone());
        let mut cells = vec![id, name, family, changes(&run.changed), valid, time, state];
        cells.extend(test.then(|| summary(&run.metrics)));
        cells
    };
    ui.table(&header, &[5], runs.iter().map(row).collect());
}

fn score(valid: Option<&ValidationScore>) -> String {
    valid.map_or_else(|| "-".to_owned(), |valid| format!("{} {}", valid.metric, metric(valid.value)))
}

/// `train.epochs=5, seed=1`
fn changes(changes: &[SettingChange]) -> String {
    let each = changes.iter().map(|change| format!("{}={}", change.key, setting(change.value.as_ref())));
    let shown: Vec<String> = each.take(CHANGES).collect();
    match changes.len().saturating_sub(CHANGES) {
        _ if changes.is_empty() => "-".to_owned(),
        0 => shown.join(", "),
        more => format!("{}, {more} more", shown.join(", ")),
    }
}
