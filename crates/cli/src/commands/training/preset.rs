//! `cupola train --preset`: several families within a time, and their ensemble.

use std::sync::Arc;

use anyhow::Result;
use cupola_registry::Home;
use cupola_workflow::{Preset, PresetJob, PresetOutcome, PresetReport, PublishedRun};
use serde_json::{Value, json};

use super::train::{example_lines, stop_signal};
use crate::args::TrainArgs;
use crate::commands::session;
use crate::draw::{PresetScreen, Ui, WhatNext, duration, show_members, show_outcome};
use crate::failure::{GateBroken, PresetStopped};
use crate::next_step::next_command;

pub fn run(home: &Home, ui: Ui, args: &TrainArgs, preset: Preset) -> Result<()> {
    cupola_nn::join_new_pool();
    let stop = stop_signal(&Arc::default())?;
    let screen = PresetScreen::new(ui);
    let session = session(home, &screen);
    let config = args.draft.source(args.config.as_deref(), &args.set, &session, ui)?;
    let seconds = args.time.unwrap_or_else(|| preset.seconds());
    ui.line(format!("preset  {preset}, for {}", duration(seconds)));
    let job = PresetJob::new(config, preset).time(args.time).device(args.device.device);
    match job.run(&session, &stop)? {
        PresetOutcome::Published { report, run, record } => {
            ui.line("");
            show_members(ui, &report);
            let again = next_command(home, report.command.iter().map(String::as_str));
            let next = next(home, &report, &run);
            let example_lines = example_lines(home, &run);
            show_outcome(ui, &run, &WhatNext { kept: true, example_lines: &example_lines, commands: &next });
            ui.line(format!("record  {}", record.display()));
            ui.line(format!("again   {again}"));
            let mut result = serde_json::to_value(&report)?;
            if let Value::Object(fields) = &mut result {
                fields.insert("command".to_owned(), json!(again));
                fields.extend([
                    ("run".to_owned(), json!(run.run)),
                    ("package".to_owned(), json!(run.package)),
                    ("path".to_owned(), json!(run.path)),
                    ("record".to_owned(), json!(record)),
                    ("metrics".to_owned(), json!(run.metrics)),
                    ("summary".to_owned(), json!(run.summary)),
                    ("gate".to_owned(), json!(run.gate)),
                    ("next".to_owned(), json!(next)),
                ]);
            }
            ui.result(&result)?;
            run.gate.as_ref().map_or(Ok(()), |gate| GateBroken::check(&run.package, gate))
        }
        PresetOutcome::Stopped => {
            let mut words = vec!["train".to_owned()];
            words.extend(args.draft.words(args.config.as_deref(), &args.set));
            words.extend(["--preset".to_owned(), preset.to_string()]);
            let again = next_command(home, words.iter().map(String::as_str));
            Err(PresetStopped { again }.into())
        }
    }
}

/// Command for the published ensemble.
fn next(home: &Home, report: &PresetReport, run: &PublishedRun) -> Vec<String> {
    if run.gate.as_ref().is_some_and(|gate| !gate.passed) {
        return vec![next_command(home, ["gate", "--model", &run.package])];
    }
    vec![next_command(home, ["serve", "--model", &report.name])]
}
