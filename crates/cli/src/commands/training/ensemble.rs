//! `cupola ensemble`: several models of the same rows as one package.

use std::sync::Arc;

use anyhow::Result;
use cupola_registry::Home;
use cupola_workflow::{EnsembleJob, EnsembleOutcome, LeaderboardRow};
use serde_json::json;

use crate::args::EnsembleArgs;
use crate::commands::session;
use crate::commands::training::train::stop_signal;
use crate::draw::{Screen, Ui, WhatNext, duration, metric, show_outcome};
use crate::failure::{GateBroken, Stopped};
use crate::next_step::next_command;

pub fn run(home: &Home, ui: Ui, args: &EnsembleArgs) -> Result<()> {
    cupola_nn::join_new_pool();
    let stop = stop_signal(&Arc::default())?;
    let screen = Screen::new(ui);
    let session = session(home, &screen);
    let job = EnsembleJob::new(&args.name, args.members.clone(), args.method).device(args.device.device);
    match job.run(&session, &stop)? {
        EnsembleOutcome::Published(found) => {
            show_leaderboard(ui, &found.metric, &found.leaderboard);
            let left_out: Vec<&str> = found.left_out().map(|row| row.package.as_str()).collect();
            if !left_out.is_empty() {
                ui.line(format!(
                    "left out {}, of weight 0: the package does not have it",
                    left_out.join(", ")
                ));
            }
            let next = vec![next_command(home, ["serve", "--model", &args.name])];
            show_outcome(ui, &found.run, &WhatNext { kept: true, example_lines: &[], commands: &next });
            let run = &found.run;
            ui.result(&json!({
                "run": run.run, "package": run.package, "path": run.path, "metric": found.metric,
                "method": args.method, "members": found.leaderboard, "left_out": left_out, "metrics": run.metrics,
                "summary": run.summary, "gate": run.gate, "next": next,
            }))?;
            run.gate.as_ref().map_or(Ok(()), |gate| GateBroken::check(&run.package, gate))
        }
        EnsembleOutcome::Stopped { run, step } => {
            Err(Stopped { resume: next_command(home, ["train", "--resume", &run]), step }.into())
        }
    }
}

fn show_leaderboard(ui: Ui, name: &str, rows: &[LeaderboardRow]) {
    let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), metric);
    let each = rows.iter().map(|row| {
        vec![
            row.package.clone(),
            row.family.clone(),
            shown(row.valid),
            shown(row.test),
            format!("{:.3}", row.weight),
            row.fit_seconds.map_or_else(|| "-".to_owned(), duration),
            row.predict_us.map_or_else(|| "-".to_owned(), |time| format!("{time:.1}")),
        ]
    });
    let (valid, test) = (format!("valid {name}"), format!("test {name}"));
    let header = ["model", "family", &valid, &test, "weight", "trained", "µs per row"];
    ui.table(&header, &[2, 3, 4, 5, 6], each.collect());
}
