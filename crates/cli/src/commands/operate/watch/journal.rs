//! `cupola watch list` and `show`: what the journals hold.

use anyhow::Result;
use cupola_operate::{WatchCycle, WatchError, WatchJournal, find_cycle};
use cupola_registry::Home;
use serde_json::json;

use crate::draw::{Ui, cycle_row, show_cycle};

/// Columns of the list.
const HEADER: [&str; 6] = ["id", "began", "state", "triggers", "challenger", "reason"];

pub fn list(home: &Home, ui: Ui, model: Option<&str>) -> Result<()> {
    let names = match model {
        Some(model) => vec![model.to_owned()],
        None => WatchJournal::names(home),
    };
    let mut found: Vec<(String, WatchCycle)> = Vec::new();
    for name in &names {
        let cycles = WatchJournal::open(home, name)?.cycles();
        found.extend(cycles.into_iter().map(|cycle| (name.clone(), cycle)));
    }
    found.sort_by(|(_, a), (_, b)| began(b).cmp(&began(a)));
    if found.is_empty() {
        ui.line("no retraining yet");
    } else {
        ui.table(&HEADER, &[], found.iter().map(|(name, cycle)| cycle_row(name, cycle)).collect());
    }
    let rows: Vec<_> = found
        .iter()
        .map(|(name, cycle)| {
            json!({ "id": format!("{name}-{}", cycle.number), "model": name, "state": cycle.state().name(),
                    "records": cycle.records })
        })
        .collect();
    ui.result(&rows)
}

fn began(cycle: &WatchCycle) -> Option<&str> {
    cycle.records.first().map(|record| record.at.as_str())
}

pub fn show(home: &Home, ui: Ui, id: &str) -> Result<(), anyhow::Error> {
    let (_, name, cycle) = find_cycle(home, id).map_err(|error: WatchError| anyhow::Error::from(error))?;
    show_cycle(ui, &name, &cycle);
    ui.result(&json!({ "id": format!("{name}-{}", cycle.number), "records": cycle.records }))
}
