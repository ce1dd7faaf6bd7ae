//! `cupola train`: from a config to a published package.

use anyhow::Result;
use cupola_registry::Home;
use cupola_workflow::{
    ConfigSource, JobOutcome, PublishedRun, Session, StopSignal, TrainJob, TrainingDevices,
};
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::args::TrainArgs;
use crate::commands::session;
use crate::draw::{Screen, Ui};
use crate::failure::{ErrorCode, Stopped, exit_code};

pub fn run(home: &Home, ui: Ui, args: &TrainArgs) -> Result<()> {
    cupola_nn::join_new_pool();
    // Before anything that takes time, so that no signal falls between.
    let stop = stop_signal()?;
    let screen = Screen::new(ui);
    let session = session(home, &screen);
    let job = job(args, &session, ui)?;
    match job.run(&session, &stop) {
        Ok(JobOutcome::Published(run)) => {
            if args.smoke {
                ui.line("smoke   steps, evaluation and package worked; nothing is kept");
            }
            ui.result(&as_json(*run))
        }
        Ok(JobOutcome::Stopped { run, step }) => Err(Stopped { run, step }.into()),
        Ok(JobOutcome::Follower) => Ok(()),
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
    Ok(job.device(args.device.device).group(group).max_steps(args.max_steps).smoke(args.smoke))
}

fn as_json(run: PublishedRun) -> Value {
    let mut result = run.about;
    result.extend([
        ("run".to_owned(), json!(run.run)),
        ("package".to_owned(), json!(run.package)),
        ("path".to_owned(), json!(run.path)),
        ("device".to_owned(), json!(run.device)),
        ("metrics".to_owned(), Value::Object(run.metrics)),
    ]);
    Value::Object(result)
}

/// Signal that the first SIGINT or SIGTERM sets; the second one ends the process at once.
fn stop_signal() -> Result<StopSignal> {
    let stop = StopSignal::new();
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.flag())?;
        signal_hook::flag::register(signal, stop.flag())?;
    }
    Ok(stop)
}
