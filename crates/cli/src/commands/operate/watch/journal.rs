//! `cupola watch list` and `show`: what the journals hold.

use anyhow::Result;
use cupola_operate::{WatchCycle, WatchError, WatchJournal, WatchRecord, WatchState, find_cycle};
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
    let mut held = Vec::new();
    for name in &names {
        let journal = WatchJournal::open(home, name)?;
        held.extend(held_line(name, journal.records()));
        let cycles = journal.cycles();
        held.extend(cycles.iter().filter_map(|cycle| {
            let (version, until) = cycle.followed_until()?;
            Some(format!("{name}-{} {}", cycle.number, super::followed(version, Some(until))))
        }));
        found.extend(cycles.into_iter().map(|cycle| (name.clone(), cycle)));
    }
    found.sort_by(|(_, a), (_, b)| began(b).cmp(&began(a)));
    if found.is_empty() {
        ui.line("no retraining yet");
    } else {
        ui.table(&HEADER, &[], found.iter().map(|(name, cycle)| cycle_row(name, cycle)).collect());
    }
    for line in held {
        ui.line(line);
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

/// The reasons to train since the last retraining that a rule held, as one line; `None` without any.
fn held_line(name: &str, records: &[WatchRecord]) -> Option<String> {
    let held = |record: &&WatchRecord| matches!(record.state, WatchState::Held { .. });
    let count = records.iter().rev().take_while(held).count();
    let (first, last) = (records.get(records.len() - count)?, records.last()?);
    let WatchState::Held { rule, why, .. } = &last.state else { return None };
    let times = if count == 1 { "once, at".to_owned() } else { format!("{count} times since") };
    Some(format!("{name} was held {times} {}; {rule}: {why}", first.at))
}

fn began(cycle: &WatchCycle) -> Option<&str> {
    cycle.records.first().map(|record| record.at.as_str())
}

pub fn show(home: &Home, ui: Ui, id: &str) -> Result<(), anyhow::Error> {
    let (_, name, cycle) = find_cycle(home, id).map_err(|error: WatchError| anyhow::Error::from(error))?;
    show_cycle(ui, &name, &cycle);
    ui.result(&json!({ "id": format!("{name}-{}", cycle.number), "records": cycle.records }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(state: WatchState) -> WatchRecord {
        WatchRecord { cycle: None, at: "2026-01-02T03:04:05Z".to_owned(), state }
    }

    #[test]
    fn repeated_holds_are_one_line() {
        let hold = |rule: &str, why: &str| {
            record(WatchState::Held { rule: rule.to_owned(), triggers: Vec::new(), why: why.to_owned() })
        };
        assert_eq!(held_line("shop", &[]), None);
        let opened = record(WatchState::Opened);
        assert_eq!(held_line("shop", &[hold("quiet", "a"), opened.clone()]), None);
        let line = held_line(
            "shop",
            &[hold("quiet", "a"), opened.clone(), hold("quiet", "b"), hold("cooldown", "c")],
        );
        assert_eq!(line.as_deref(), Some("shop was held 2 times since 2026-01-02T03:04:05Z; cooldown: c"));
        let line = held_line("shop", &[opened, hold("budget", "d")]);
        assert_eq!(line.as_deref(), Some("shop was held once, at 2026-01-02T03:04:05Z; budget: d"));
    }
}
