//! `cupola train`: from a config to a published package.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use cupola_registry::{Home, Package};
use cupola_runtime::ExampleRequest;
use cupola_workflow::{
    ConfigSource, Error, JobOutcome, Observer, PublishedRun, Session, StopSignal, TrainJob, TrainingDevices,
    WorkflowEvent,
};
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::args::TrainArgs;
use crate::commands::session;
use crate::draw::{Screen, Ui, WhatNext, show_outcome};
use crate::failure::{ErrorCode, GateBroken, Stopped, exit_code};
use crate::next_step::{next_command, train_command};

/// Letters of a request up to which the summary shows it whole.
const SHOWN_LETTERS: usize = 600;

/// Screen that also notes the end of the preparation.
struct TrainScreen {
    screen: Screen,
    /// `true` until the rows are loaded.
    preparing: Arc<AtomicBool>,
}

impl Observer for TrainScreen {
    fn observe(&self, event: &WorkflowEvent<'_>) {
        if matches!(event, WorkflowEvent::DataLoaded { .. }) {
            self.preparing.store(false, Ordering::Relaxed);
        }
        self.screen.observe(event);
    }
}

pub fn run(home: &Home, ui: Ui, args: &TrainArgs) -> Result<()> {
    if let Some(preset) = args.preset {
        return super::preset::run(home, ui, args, preset);
    }
    cupola_nn::join_new_pool();
    // Processes of a group end together, so none of them ends at once.
    let preparing = Arc::new(AtomicBool::new(!args.mpi));
    // Before anything that takes time, so that no signal falls between.
    let stop = stop_signal(&preparing)?;
    // A smoke run leaves neither run nor package behind, so none is named.
    let screen = if args.smoke { Screen::of_temporary(ui) } else { Screen::new(ui) };
    let screen = TrainScreen { screen, preparing };
    let session = session(home, &screen);
    let job = job(args, &session, ui)?;
    match job.run(&session, &stop) {
        Ok(JobOutcome::Published(run)) => {
            if args.smoke {
                ui.line("smoke   steps, evaluation and package worked; nothing is kept");
            }
            let next = next(home, args, &run);
            let example_lines = if args.smoke { Vec::new() } else { example_lines(home, &run) };
            let what_next = WhatNext { kept: !args.smoke, example_lines: &example_lines, commands: &next };
            show_outcome(ui, &run, &what_next);
            let (package, gate) = (run.package.clone(), run.gate.clone());
            ui.result(&as_json(*run, args.smoke, &next))?;
            gate.map_or(Ok(()), |gate| GateBroken::check(&package, &gate))
        }
        Ok(JobOutcome::Stopped { run, step }) => {
            let resume = next_command(home, ["train", "--resume", &run]);
            Err(Stopped { resume, step }.into())
        }
        Ok(JobOutcome::Follower) => Ok(()),
        Err(Error::RunFinished { run, package }) if args.run.is_some() => {
            ui.line(format!("run     {run} is finished and published as {package}"));
            ui.result(&json!({ "run": run, "package": package }))
        }
        Err(error) => {
            let error = error.into();
            if args.mpi {
                ui.error(&error, ErrorCode::of(&error));
                job.devices().abort(exit_code(&error));
            }
            Err(error)
        }
    }
}

fn job(args: &TrainArgs, session: &Session<'_>, ui: Ui) -> Result<TrainJob> {
    let job = match &args.resume {
        Some(run) => TrainJob::resume(run).expecting(args.config.as_ref().map(ConfigSource::file)),
        None => TrainJob::new(args.draft.source(args.config.as_deref(), &args.set, session, ui)?),
    };
    let group =
        if args.mpi { TrainingDevices::mpi()? } else { TrainingDevices::local(args.devices as usize) };
    let job = job.named(args.run.clone());
    Ok(job.device(args.device.device).group(group).max_steps(args.max_steps).smoke(args.smoke))
}

/// Commands for what the run has made: its package, or the way to the whole run.
fn next(home: &Home, args: &TrainArgs, run: &PublishedRun) -> Vec<String> {
    let words = || args.draft.words(args.config.as_deref(), &args.set);
    let whole = args.smoke.then(|| train_command(home, &words()));
    let name = run.package.rsplit_once(':').map_or(run.package.as_str(), |(name, _)| name);
    // `latest` is not this version then.
    if run.gate.as_ref().is_some_and(|gate| !gate.passed) {
        return vec![next_command(home, ["gate", "--model", &run.package])];
    }
    vec![whole.unwrap_or_else(|| next_command(home, ["serve", "--model", name]))]
}

/// Lines with a request that can be run at a server of the package: the request itself if it is short, else the command
/// that prints it. Empty for a package that cannot be read.
pub(super) fn example_lines(home: &Home, run: &PublishedRun) -> Vec<String> {
    let request = Package::open(&run.path).ok().and_then(|package| ExampleRequest::of_package(&package).ok());
    let Some(request) = request else { return Vec::new() };
    let curl = request.curl("localhost:8080");
    if curl.len() <= SHOWN_LETTERS {
        return curl.lines().map(str::to_owned).collect();
    }
    vec![format!("{} | sh", next_command(home, ["models", "example", &run.package]))]
}

fn as_json(run: PublishedRun, smoke: bool, next: &[String]) -> Value {
    let mut result = run.about;
    if smoke {
        result.insert("smoke".to_owned(), json!(true));
    } else {
        result.extend([
            ("run".to_owned(), json!(run.run)),
            ("package".to_owned(), json!(run.package)),
            ("path".to_owned(), json!(run.path)),
        ]);
    }
    result.extend(run.gate.map(|gate| ("gate".to_owned(), json!(gate))));
    result.extend([
        ("device".to_owned(), json!(run.device)),
        ("metrics".to_owned(), Value::Object(run.metrics)),
        ("summary".to_owned(), json!(run.summary)),
        ("next".to_owned(), json!(next)),
    ]);
    Value::Object(result)
}

/// Signal that the first SIGINT or SIGTERM sets; the second one ends the process at once, and so does the first while
/// `preparing` is true, as rows that are prepared leave nothing to resume.
pub(super) fn stop_signal(preparing: &Arc<AtomicBool>) -> Result<StopSignal> {
    let stop = StopSignal::new();
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(preparing))?;
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.flag())?;
        signal_hook::flag::register(signal, stop.flag())?;
    }
    Ok(stop)
}
