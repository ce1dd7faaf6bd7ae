//! `cupola train`: the main job.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, anyhow};
use cupola_eval::Metrics;
use cupola_nn::{Architecture, Loss, Network, Opened};
use cupola_prep::{Part, Prepared, Signature};
use cupola_registry::{
    Home, Index, Lineage, Package, RunFolder, RunRecord, Sealed, Status, now, publish, sha256_hex,
};
use cupola_spec::Run;
use cupola_train::{Ended, Job, Outcome, architecture, fit, goal, limited, objective, score};
use serde_json::{Map, Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::args::TrainArgs;
use crate::commands::check::{show_data, show_layers};
use crate::device;
use crate::failure::Mistake;
use crate::load::{self, Loaded};
use crate::progress::Progress;
use crate::ui::{Ui, metrics};

/// Version of the code, as recorded in runs and packages.
pub const CODE_VERSION: &str = env!("CARGO_PKG_VERSION");

pub fn run(home: &Home, ui: Ui, args: &TrainArgs) -> Result<()> {
    // Before anything that takes time, so that no signal falls between.
    let stop = stop_flag()?;
    let (run, resumed) = if let Some(id) = &args.resume {
        resumed(home, id, args.config.as_deref())?
    } else {
        let config = args.config.as_deref().ok_or_else(|| Mistake("give --config".into()))?;
        (load::config(config, &args.set)?, None)
    };
    let device = device::choose(args.device.device)?;
    let loaded = load::data(&run, args.config.as_deref())?;
    show_data(ui, &run, &loaded);
    let architecture = architecture(&run, &loaded.prepared.plan)?;
    show_layers(ui, &architecture.table()?);
    let loss = loss(&run, &loaded.prepared);
    let device = device::trusted(device, args.device.device, &architecture, loss, run.train.batch_size)?;
    ui.line(format!("device  {device}"));
    let (folder, mut record) = match resumed {
        Some((folder, record)) => (folder, same_data(record, &loaded)?),
        None => create(home, &run, &loaded)?,
    };
    let _held = folder.hold()?;
    record.status = Status::Running;
    record.device = device.to_string();
    note(home, &folder, &record)?;
    ui.line(format!("run     {} in {}", record.id, folder.path().display()));
    let job = Job {
        run: &run,
        prepared: &loaded.prepared,
        architecture: &architecture,
        device: device.device.clone(),
        folder: &folder,
        max_steps: args.max_steps,
        fault: None,
    };
    let outcome = match train(ui, &job, &stop) {
        Ok(outcome) => outcome,
        Err(error) => {
            record.status = Status::Failed;
            // The first error is the one to tell.
            let _ = note(home, &folder, &record);
            return Err(error).context(format!("run {} failed", record.id));
        }
    };
    if outcome.ended == Ended::Stopped {
        record.status = Status::Stopped;
        note(home, &folder, &record)?;
        let (step, id) = (outcome.progress.step, &record.id);
        return Err(anyhow!(
            "stopped at step {step}, checkpoint written; go on with: cupola train --resume {id}"
        ));
    }
    finish(home, ui, &job, &device, &outcome, record)
}

/// What training minimises for one example.
fn loss(run: &Run, prepared: &Prepared) -> Loss {
    objective(&run.train.loss, &prepared.plan.target, &prepared.part(Part::Train).targets).loss
}

fn train(ui: Ui, job: &Job<'_>, stop: &Arc<AtomicBool>) -> Result<Outcome> {
    let train = &job.run.train;
    let rows = job.prepared.rows(Part::Train);
    let rows = limited(rows, train.limit_train);
    let mut steps = (rows.div_ceil(train.batch_size) * train.epochs) as u64;
    steps = job.max_steps.map_or(steps, |most| most.min(steps));
    let done = job.folder.checkpoint_steps()?.last().copied().unwrap_or(0);
    if done > 0 {
        ui.line(format!("resumed after step {done}"));
    }
    let goal = train.metric.unwrap_or_else(|| goal(&job.prepared.plan.target));
    // Opened with the first event: the loop rewinds the file of a resumed run before that.
    let mut progress: Option<Progress> = None;
    let outcome = fit(job, &mut |event| {
        if progress.is_none() {
            match job.folder.events() {
                Ok(file) => {
                    progress =
                        Some(Progress::new(ui, file, Arc::clone(stop), goal, train.epochs, steps, done));
                }
                Err(error) => {
                    Ui::error(&error.into());
                    return cupola_train::Stop::Yes;
                }
            }
        }
        progress.as_mut().map_or(cupola_train::Stop::No, |progress| progress.observe(event))
    });
    if let Some(progress) = &progress {
        progress.finish();
    }
    Ok(outcome?)
}

/// Evaluates on test, publishes and says what to do next.
fn finish(
    home: &Home,
    ui: Ui,
    job: &Job<'_>,
    device: &Opened,
    outcome: &Outcome,
    mut record: RunRecord,
) -> Result<()> {
    let run = job.run;
    match outcome.ended {
        Ended::EarlyStop => {
            ui.line(format!(
                "stopped early: no improvement for {} evaluations",
                run.train.early_stop.patience
            ));
        }
        Ended::MaxSteps => ui.line(format!("ended after {} steps, as asked", outcome.progress.step)),
        Ended::TimeBudget => {
            ui.line(format!("ended after {:.0} s, as train.time_budget asks", outcome.progress.seconds));
        }
        Ended::Epochs | Ended::Stopped => {}
    }
    let network = Network::load(job.architecture, outcome.weights.clone(), &device.device)?;
    let (target, loss) = (&job.prepared.plan.target, loss(run, job.prepared));
    let mut splits = Map::new();
    for (name, part) in [("valid", Part::Valid), ("test", Part::Test)] {
        if job.prepared.rows(part) > 0 {
            let metrics = score(&network, target, loss, job.prepared.part(part), &device.device)?;
            splits.insert(name.to_owned(), serde_json::to_value(metrics)?);
        }
    }
    let all = json!({ "splits": splits, "steps": outcome.progress.step, "best": outcome.progress.best });
    job.folder.write("metrics.json", &all)?;
    let test: Metrics = splits
        .get("test")
        .or(splits.get("valid"))
        .map_or(Ok(Metrics::default()), |m| serde_json::from_value(m.clone()))?;
    let values: Map<String, Value> = test.values.iter().map(|(n, v)| (n.clone(), (*v).into())).collect();
    let package = seal(home, job, outcome, &record, &all, &values)?;
    record.status = Status::Finished;
    record.package = Some(package.label());
    record.metrics = values;
    note(home, job.folder, &record)?;
    index(ui, home, |index| index.package(home, &package));
    ui.line(format!("test    {}", metrics(test.values.iter().map(|(n, v)| (n, *v)))));
    ui.line(format!("model   {} in {}", package.label(), package.path.display()));
    ui.line(format!("next    cupola serve --model {}", package.manifest.name));
    ui.result(&json!({
        "run": record.id,
        "package": package.label(),
        "path": package.path,
        "device": record.device,
        "metrics": record.metrics,
        "steps": outcome.progress.step,
    }))
}

fn seal(
    home: &Home,
    job: &Job<'_>,
    outcome: &Outcome,
    record: &RunRecord,
    all_metrics: &Value,
    values: &Map<String, Value>,
) -> Result<Package> {
    let pretty = |value: &Value| serde_json::to_vec_pretty(value);
    let architecture: &Architecture = job.architecture;
    let plan = &job.prepared.plan;
    let model = outcome.weights.to_safetensors()?;
    let config = pretty(&serde_json::to_value(architecture)?)?;
    let plan_json = pretty(&serde_json::to_value(plan)?)?;
    let metrics = pretty(all_metrics)?;
    let files: [(&str, &[u8]); 4] = [
        ("model.safetensors", &model),
        ("config.json", &config),
        ("plan.json", &plan_json),
        ("metrics.json", &metrics),
    ];
    let dataset = record.dataset["sha256"].as_str().unwrap_or_default().to_owned();
    Ok(publish(
        home,
        &Sealed {
            name: &job.run.name,
            files: &files,
            signature: serde_json::to_value(Signature::of(plan))?,
            lineage: Lineage {
                run: record.id.clone(),
                dataset_version: dataset,
                config_sha256: record.config_sha256.clone(),
                code_version: CODE_VERSION.to_owned(),
                parent: None,
            },
            metrics: values.clone(),
        },
    )?)
}

fn create(home: &Home, run: &Run, loaded: &Loaded) -> Result<(RunFolder, RunRecord)> {
    let config = toml::to_string(&run.sealed)?;
    let record = RunRecord {
        id: String::new(),
        name: run.name.clone(),
        status: Status::Running,
        created: now(),
        updated: now(),
        config_sha256: sha256_hex(config.as_bytes()),
        dataset: dataset(loaded)?,
        device: String::new(),
        code_version: CODE_VERSION.to_owned(),
        package: None,
        metrics: Map::new(),
    };
    Ok(RunFolder::create(home, record, &config)?)
}

/// The dataset version of a run: its source's, with the test source's inside.
fn dataset(loaded: &Loaded) -> Result<Value> {
    let mut version = serde_json::to_value(&loaded.table.version)?;
    if let Some(test) = &loaded.test {
        version["test"] = serde_json::to_value(&test.version)?;
    }
    Ok(version)
}

type Resumed = (Run, Option<(RunFolder, RunRecord)>);

/// The run of an id, with the config that was sealed into its folder.
fn resumed(home: &Home, id: &str, config: Option<&Path>) -> Result<Resumed> {
    let folder = RunFolder::open(home, id)?;
    let record = folder.record()?;
    let text = folder.config_text()?;
    if sha256_hex(text.as_bytes()) != record.config_sha256 {
        let path = folder.config();
        return Err(Mistake(format!(
            "{}: was changed after the run began; restore it, or start a new run",
            path.display()
        ))
        .into());
    }
    let nothing = |wanted: &str| Err(format!("no file {wanted}"));
    let run = cupola_spec::parse(&folder.config().to_string_lossy(), &text, &[], &nothing)?;
    if let Some(config) = config
        && load::config(config, &[])?.sealed != run.sealed
    {
        let path = config.display();
        return Err(Mistake(format!("{path} is not the config that run {} began with; leave --config out to resume, or leave --resume out to start anew", record.id)).into());
    }
    if record.status == Status::Finished {
        let package = record.package.unwrap_or_default();
        return Err(Mistake(format!(
            "run {} is finished and published as {package}; start a new one with --config",
            record.id
        ))
        .into());
    }
    Ok((run, Some((folder, record))))
}

fn same_data(record: RunRecord, loaded: &Loaded) -> Result<RunRecord> {
    let found = dataset(loaded)?;
    let digest = |version: &Value| (version["sha256"].clone(), version["test"]["sha256"].clone());
    if digest(&record.dataset) != digest(&found) {
        let text = format!(
            "the data has changed since run {} began (version {} is now {}); restore it, or start a new run",
            record.id, record.dataset["sha256"], found["sha256"]
        );
        return Err(Mistake(text).into());
    }
    Ok(record)
}

fn note(home: &Home, folder: &RunFolder, record: &RunRecord) -> Result<()> {
    folder.save(record)?;
    index(Ui { json: true }, home, |index| index.run(record));
    Ok(())
}

/// The index follows the files; if it cannot, the run goes on and says so.
fn index(ui: Ui, home: &Home, write: impl FnOnce(&mut Index) -> Result<(), cupola_registry::Error>) {
    if let Err(error) = Index::open(home).and_then(|mut index| write(&mut index)) {
        ui.line(format!("warning: {error}"));
    }
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
