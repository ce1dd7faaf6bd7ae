//! `cupola train`: the main job.

mod publish;
mod ranks;
pub mod record;
mod trees;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use cupola_nn::{Network, OpenDevice, activation_dtype, merge_lora};
use cupola_prep::SplitPart;
use cupola_registry::{Home, RunFolder, RunRecord, Status};
use cupola_spec::Run;
use cupola_train::{
    EndReason, Job, Stop, TrainOutcome, architecture, evaluate_part, goal, limit_rows, objectives, trial_loss,
};
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};

use self::publish::{Made, finish};
use self::ranks::Ranks;
use self::record::{create, note, resumed, same_data};
use crate::args::TrainArgs;
use crate::commands::check::{show_data, show_layers};
use crate::device;
use crate::failure::{Mistake, Stopped};
use crate::load::{self, Loaded};
use crate::memory::Memory;
use crate::progress::Progress;
use crate::ui::Ui;

/// Version of the code, as recorded in runs and packages.
pub const CODE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Steps of a smoke run.
const SMOKE_STEPS: u64 = 3;

/// Trains, or with `--smoke` shows in a folder that goes away that training would work.
pub fn run(home: &Home, ui: Ui, args: &TrainArgs) -> Result<()> {
    // Before anything that takes time, so that no signal falls between.
    let stop = stop_flag()?;
    let ranks = Ranks::of(args)?;
    let ui = ranks.ui(ui);
    if !args.smoke {
        return train_in(home, home, ui, args, &ranks, &stop).inspect_err(|error| ranks.fail(error));
    }
    let folder = tempfile::tempdir()?;
    train_in(&Home::new(folder.path().to_owned()), home, ui, args, &ranks, &stop)?;
    ui.line("smoke   steps, evaluation and package worked; nothing is kept");
    Ok(())
}

/// Trains in `home`, from a package of `models` where the config asks for one.
fn train_in(
    home: &Home,
    models: &Home,
    ui: Ui,
    args: &TrainArgs,
    ranks: &Ranks,
    stop: &Arc<AtomicBool>,
) -> Result<()> {
    let (mut run, resumed) = if let Some(id) = &args.resume {
        resumed(home, id, args.config.as_deref())?
    } else {
        let config = args.config.as_deref().ok_or_else(|| Mistake("give --config".into()))?;
        (load::config(models, config, &args.set)?, None)
    };
    let loaded = load::data(models, ui, &run, args.config.as_deref())?;
    show_data(ui, &run, &loaded);
    if let Some(spec) = &run.trees {
        if ranks.size() > 1 {
            return Err(Mistake("trees grow on one device; leave --devices and --mpi out".into()).into());
        }
        return trees::run(home, ui, &run, &loaded, spec);
    }
    let device = ranks.own(device::choose(args.device.device)?)?;
    let architecture = architecture(&run, &loaded.prepared.plan)?;
    let layers = architecture.table()?;
    show_layers(ui, &layers);
    let memory = Memory::of(&run, &layers, architecture.parameters()?);
    if memory.sizes_batch(&mut run, loaded.prepared.rows(SplitPart::Train), device.is_gpu()) {
        ui.line(format!("batch   {} examples, as the memory allows", run.train.batch_size));
    } else if !device.is_gpu() {
        memory.fits_this_machine()?;
    }
    let half = activation_dtype(run.train.precision, &device.device, &device.name)?;
    let loss = trial_loss(&objectives(&run, &loaded.prepared));
    let device = device::trusted(device, args.device.device, &architecture, loss, run.train.batch_size)?;
    ui.line(format!("device  {device}"));
    let (folder, mut record) = match resumed {
        Some((folder, record)) => (folder, same_data(record, &loaded)?),
        None => begun(home, &run, &loaded, ranks)?,
    };
    let _held = ranks.leads().then(|| folder.hold()).transpose()?;
    record.status = Status::Running;
    record.device = match ranks.size() {
        1 => device.to_string(),
        n => format!("{n} x {device}"),
    };
    if ranks.leads() {
        note(home, &folder, &record)?;
    }
    ui.line(format!("run     {} in {}", record.id, folder.path().display()));
    let job = Job {
        run: &run,
        prepared: &loaded.prepared,
        architecture: &architecture,
        start: loaded.pretrained.as_ref().map(|start| &start.weights),
        device: device.device.clone(),
        half,
        folder: &folder,
        max_steps: args.max_steps.or(args.smoke.then_some(SMOKE_STEPS)),
        fault: None,
    };
    let outcome = match train(ui, &job, &device, ranks, stop) {
        Ok(_) if !ranks.leads() => return Ok(()),
        Ok(outcome) => outcome,
        Err(error) if !ranks.leads() => return Err(error),
        Err(error) => {
            record.status = Status::Failed;
            // The first error is the one to tell.
            let _ = note(home, &folder, &record);
            return Err(error).context(format!("run {} failed", record.id));
        }
    };
    if outcome.ended == EndReason::Stopped {
        record.status = Status::Stopped;
        note(home, &folder, &record)?;
        let (step, id) = (outcome.progress.step, &record.id);
        let text =
            format!("stopped at step {step}, checkpoint written; go on with: cupola train --resume {id}");
        return Err(Stopped(text).into());
    }
    done(home, ui, &job, &device, &outcome, record)
}

/// The folder of a new run, which the leading process makes.
fn begun(home: &Home, run: &Run, loaded: &Loaded, ranks: &Ranks) -> Result<(RunFolder, RunRecord)> {
    if ranks.leads() {
        let (folder, record) = create(home, run, loaded)?;
        ranks.share(record.id.clone())?;
        return Ok((folder, record));
    }
    let folder = RunFolder::open(home, &ranks.share(String::new())?)?;
    let record = folder.record()?;
    Ok((folder, record))
}

fn train(
    ui: Ui,
    job: &Job<'_>,
    device: &OpenDevice,
    ranks: &Ranks,
    stop: &Arc<AtomicBool>,
) -> Result<TrainOutcome> {
    let train = &job.run.train;
    let rows = job.prepared.rows(SplitPart::Train);
    let rows = limit_rows(rows, train.limit_train);
    let mut steps = (rows.div_ceil(train.batch_size) * train.epochs) as u64;
    steps = job.max_steps.map_or(steps, |most| most.min(steps));
    let done = job.folder.checkpoint_steps()?.last().copied().unwrap_or(0);
    if done > 0 {
        ui.line(format!("resumed after step {done}"));
    }
    let goal = train.metric.unwrap_or_else(|| goal(&job.prepared.plan));
    // OpenDevice with the first event: the loop rewinds the file of a resumed run before that.
    let mut progress: Option<Progress> = None;
    let outcome = ranks.fit(job, device, &mut |event| {
        if !ranks.leads() {
            return if stop.load(Ordering::Relaxed) { Stop::Yes } else { Stop::No };
        }
        if progress.is_none() {
            match job.folder.events() {
                Ok(file) => {
                    progress =
                        Some(Progress::new(ui, file, Arc::clone(stop), goal, train.epochs, steps, done));
                }
                Err(error) => {
                    Ui::error(&error.into());
                    return Stop::Yes;
                }
            }
        }
        progress.as_mut().map_or(Stop::No, |progress| progress.observe(event))
    });
    if let Some(progress) = &progress {
        progress.finish();
    }
    Ok(outcome?)
}

/// Says why the run has ended, and hands what it made over.
fn done(
    home: &Home,
    ui: Ui,
    job: &Job<'_>,
    device: &OpenDevice,
    outcome: &TrainOutcome,
    record: RunRecord,
) -> Result<()> {
    let run = job.run;
    match outcome.ended {
        EndReason::EarlyStop => {
            let patience = run.train.early_stop.patience;
            ui.line(format!("stopped early: no improvement for {patience} evaluations"));
        }
        EndReason::MaxSteps => ui.line(format!("ended after {} steps, as asked", outcome.progress.step)),
        EndReason::TimeBudget => {
            ui.line(format!("ended after {:.0} s, as train.time_budget asks", outcome.progress.seconds));
        }
        EndReason::Epochs | EndReason::Stopped => {}
    }
    let (architecture, weights) = merge_lora(job.architecture, outcome.weights.clone())?;
    let network = Network::load(&architecture, &weights, &device.device)?;
    let (plan, objectives) = (&job.prepared.plan, objectives(run, job.prepared));
    let about = [("steps", json!(outcome.progress.step)), ("best", json!(outcome.progress.best))];
    let made = Made {
        run,
        prepared: job.prepared,
        folder: job.folder,
        model: weights.to_safetensors()?,
        config: serde_json::to_value(&architecture)?,
        about: about.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    };
    finish(home, ui, &made, record, |part| {
        let rows = job.prepared.part(part);
        Ok(evaluate_part(&network, plan, &objectives, rows, rows.len(), &device.device)?)
    })
}

/// Set by the first SIGINT or SIGTERM; the second one ends the process at once.
fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}
