//! `cupola tune`: a study of trials, and the best of them published.

use std::io::Read;
use std::sync::Arc;

use anyhow::Result;
use cupola_registry::Home;
use cupola_workflow::{Silent, StopSignal, StudyWorkerCommand, TuneJob, TuneOutcome, TuneReport};
use serde_json::{Value, json};

use super::train::stop_signal;
use crate::args::TuneArgs;
use crate::commands::session;
use crate::draw::{TuneScreen, Ui, WhatNext, show_leaderboard, show_outcome};
use crate::failure::{GateBroken, StudyStopped};
use crate::next_step::next_command;

pub fn run(home: &Home, ui: Ui, args: &TuneArgs) -> Result<()> {
    cupola_nn::join_new_pool();
    let stop = stop_signal(&Arc::default())?;
    if args.worker {
        stop_at_end_of_input(&stop);
        let session = session(home, &Silent);
        return Ok(job(args, &session, Ui { json: false })?.work(&session, &stop)?);
    }
    let screen = TuneScreen::new(ui);
    let session = session(home, &screen);
    let job = job(args, &session, ui)?;
    let job = if args.workers > 1 { job.workers(args.workers as usize, worker(home, args)) } else { job };
    let outcome = job.run(&session, &stop);
    screen.finish();
    match outcome? {
        TuneOutcome::Stopped(report) => {
            show_leaderboard(ui, &report);
            let words = words_to_continue(args);
            let resume = next_command(home, words.iter().map(String::as_str));
            let done = report.trials.iter().filter(|row| row.state.is_finished()).count();
            Err(StudyStopped { resume, done }.into())
        }
        TuneOutcome::Published { report, config, page, run, package, out_of_time } => {
            ui.line("");
            show_leaderboard(ui, &report);
            if out_of_time {
                ui.line("ended   as the time is over; the same command continues the study");
            }
            ui.line(format!("config  {}", config.display()));
            ui.line(format!("study   {}", page.display()));
            let name = package.rsplit_once(':').map_or(package.as_str(), |(name, _)| name);
            let next = vec![next_command(home, ["serve", "--model", name])];
            match &run {
                Some(run) => {
                    let what_next = WhatNext { kept: true, example_lines: &[], commands: &next };
                    show_outcome(ui, run, &what_next);
                }
                None => ui.line(format!("model   {package}, published before")),
            }
            let mut result = as_json(&report, &config.to_string_lossy(), run.as_deref(), &package);
            result["page"] = json!(page);
            ui.result(&result)?;
            let gate = run.and_then(|run| run.gate);
            gate.map_or(Ok(()), |gate| GateBroken::check(&package, &gate))
        }
    }
}

fn job(args: &TuneArgs, session: &cupola_workflow::Session<'_>, ui: Ui) -> Result<TuneJob> {
    let job = TuneJob::new(args.config.source(session, ui)?);
    let job = job.study(args.study.clone()).trials(args.trials.map(|trials| trials as usize));
    Ok(job
        .time(args.time)
        .warm_start(args.warm_start.clone())
        .storage(args.storage.clone())
        .device(args.device.device))
}

/// Arguments that name the same study again.
fn words(args: &TuneArgs) -> Vec<String> {
    let study = args.study.iter().flat_map(|study| ["--study".to_owned(), study.clone()]);
    let trials = args.trials.iter().flat_map(|trials| ["--trials".to_owned(), trials.to_string()]);
    let storage = args.storage.iter().flat_map(|storage| ["--storage".to_owned(), storage.clone()]);
    let study = study.chain(trials).chain(storage);
    ["tune".to_owned()].into_iter().chain(args.config.words()).chain(study).collect()
}

/// Arguments that continue the study as it was begun.
fn words_to_continue(args: &TuneArgs) -> Vec<String> {
    let mut words = words(args);
    if args.workers > 1 {
        words.extend(["--workers".to_owned(), args.workers.to_string()]);
    }
    if let Some(seconds) = args.time {
        words.extend(["--time".to_owned(), format!("{seconds}s")]);
    }
    words.extend(args.device.words());
    words
}

/// Command of a worker process of this study.
fn worker(home: &Home, args: &TuneArgs) -> StudyWorkerCommand {
    let program = std::env::current_exe().unwrap_or_else(|_| "cupola".into());
    let home = ["--home".to_owned(), home.location().to_string_lossy().into_owned()];
    let device = ["--device".to_owned(), args.device.device.name().to_owned(), "--worker".to_owned()];
    let args = home.into_iter().chain(words(args)).chain(device).collect();
    StudyWorkerCommand { program, args, time_flag: "--time" }
}

/// Stops a worker when the process that started it stops it, or is gone.
fn stop_at_end_of_input(stop: &StopSignal) {
    let stop = stop.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while std::io::stdin().read(&mut buffer).is_ok_and(|read| read > 0) {}
        stop.request();
    });
}

fn as_json(
    report: &TuneReport,
    config: &str,
    run: Option<&cupola_workflow::PublishedRun>,
    package: &str,
) -> Value {
    let mut result = json!({ "study": report, "config": config, "package": package });
    if let Some(run) = run {
        result["run"] = json!(run.run);
        result["metrics"] = Value::Object(run.metrics.clone());
        result["summary"] = json!(run.summary);
        if let Some(gate) = &run.gate {
            result["gate"] = json!(gate);
        }
    }
    result
}
