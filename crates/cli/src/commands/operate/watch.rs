//! `cupola watch`: retraining of a published model, and decisions about its challengers.

mod journal;
mod receive;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use cupola_operate::{
    ExportRequest, WatchDecision, WatchError, WatchFollowing, WatchJob, WatchPass, WatchRecord, WatchState,
    Watcher, decide, export,
};
use cupola_registry::Home;
use cupola_workflow::{ConfigSource, Observer, Silent, StopSignal, WorkflowEvent};
use serde_json::{Value, json};

use self::receive::ReceivedAlerts;
use crate::args::{SchedulerArg, WatchArgs, WatchCommand, WatchExportArgs, WatchPassArgs};
use crate::commands::session;
use crate::commands::training::train::stop_signal;
use crate::draw::{Screen, Ui, show_look, show_record};
use crate::failure::{UserError, of_output};
use crate::next_step::next_command;

/// Longest wait for the decision of a person between two looks at the journal.
const DECISION: Duration = Duration::from_secs(5);
/// Pause between two looks at the lease of another process.
const STANDBY: Duration = Duration::from_secs(5);
/// Pause between two looks at the signal of the user.
const PAUSE: Duration = Duration::from_millis(200);

pub fn run(home: &Home, ui: Ui, args: &WatchArgs) -> Result<()> {
    match &args.command {
        None => pass(home, ui, &args.pass),
        Some(WatchCommand::Approve { id }) => decided(home, ui, id, WatchDecision::Approve),
        Some(WatchCommand::Reject { id, why }) => decided(home, ui, id, WatchDecision::Decline(why.clone())),
        Some(WatchCommand::List { model }) => journal::list(home, ui, model.as_deref()),
        Some(WatchCommand::Show { id }) => journal::show(home, ui, id),
        Some(WatchCommand::Export(args)) => exported(home, ui, args),
    }
}

/// Screen of the stages of a retraining, without the progress of looks in between.
struct WatchScreen(Screen);

impl Observer for WatchScreen {
    fn observe(&self, event: &WorkflowEvent<'_>) {
        let shown = matches!(
            event,
            WorkflowEvent::RunStarted { .. }
                | WorkflowEvent::TrainingStarted(_)
                | WorkflowEvent::Training(_)
                | WorkflowEvent::TrainingFinished
                | WorkflowEvent::TrainingEnded { .. }
                | WorkflowEvent::TreesGrown { .. }
                | WorkflowEvent::Warning(_)
        );
        if shown {
            self.0.observe(event);
        }
    }
}

fn pass(home: &Home, ui: Ui, args: &WatchPassArgs) -> Result<()> {
    cupola_nn::join_new_pool();
    let Some(config) = &args.config else {
        return Err(UserError::new("nothing to watch", "give --config").into());
    };
    let stop = stop_signal(&Arc::default())?;
    let screen = WatchScreen(Screen::new(ui));
    let session = session(home, &screen);
    let config = ConfigSource::file(config).with_overrides(args.set.clone());
    let job = WatchJob::new(config).device(args.device.device).approval(args.approve);
    let job = job.until(args.until.clone());
    if args.dry_run {
        let (look, open) = job.dry_run(&session)?;
        show_look(ui, &look);
        if let Some(open) = &open {
            let followed = open.followed_until().map(|(version, until)| followed(version, Some(until)));
            let what = followed.unwrap_or_else(|| format!("is `{}` and goes on first", open.state().name()));
            ui.line(format!("open        retraining {} {what}", open.number));
        }
        let open = open.map(|cycle| {
            let until = cycle.followed_until().map(|(_, until)| until.to_owned());
            json!({ "cycle": cycle.number, "state": cycle.state().name(), "followed_until": until })
        });
        return ui.result(&json!({ "look": look, "open": open }));
    }
    let written = |record: &WatchRecord| {
        // One pass ends with its look, which has the rule that holds.
        if !(args.once && matches!(record.state, WatchState::Held { .. })) {
            show_record(ui, record);
        }
    };
    let Some(mut watcher) = begun(home, ui, args, &stop, || job.begin(&session, &written))? else {
        return Ok(());
    };
    let every = Duration::from_secs_f64(job.every_seconds(&session)?.clamp(1.0, 1e8));
    let inbox = if args.once { None } else { receive::listen(home, ui, &job, &session)? };
    let mut followed = None;
    loop {
        let before = watcher.journal().records().len();
        let passed = watcher.pass(&stop);
        if args.once {
            let passed = passed?;
            show_pass(home, ui, args, &passed);
            let new: Vec<&WatchRecord> = watcher.journal().records().iter().skip(before).collect();
            return ui.result(&pass_json(&passed, &new));
        }
        let pause = match passed {
            Ok(WatchPass::Stopped) => return Ok(()),
            // A watch outlives a source that is away for an hour.
            Err(error) if !error.ends_watch() => {
                Ui::warning(&error.to_string());
                every
            }
            Err(error) => return Err(error.into()),
            Ok(WatchPass::Waiting(_)) => every.min(DECISION),
            Ok(WatchPass::Ended(_) | WatchPass::Reached(_)) => Duration::ZERO,
            Ok(WatchPass::Following(following)) => {
                // Once for each promotion, and again when something else cannot be compared.
                if followed.as_ref() != Some(&following) {
                    show_following(ui, &following);
                }
                followed = Some(following);
                every
            }
            Ok(WatchPass::Trying(_) | WatchPass::Idle(_) | WatchPass::Nothing) => every,
        };
        if !slept(pause, &stop, inbox.as_ref()) {
            return Ok(());
        }
    }
}

/// The watch, once this process may begin it: in an object store, the process of another machine may hold it, and this one
/// stands by until that ends or is killed. `None` if the user stopped it.
fn begun<'a>(
    home: &Home,
    ui: Ui,
    args: &WatchPassArgs,
    stop: &StopSignal,
    begin: impl Fn() -> Result<Watcher<'a>, WatchError>,
) -> Result<Option<Watcher<'a>>> {
    let stands_by = home.remote().is_some() && !args.once;
    let mut known = None;
    loop {
        match begin() {
            Ok(watcher) => return Ok(Some(watcher)),
            Err(WatchError::Busy { name, holder }) if stands_by => {
                if known.as_ref() != Some(&holder) {
                    ui.line(format!(
                        "standby     {name} is watched by {holder}; this process goes on after it"
                    ));
                }
                known = Some(holder);
            }
            Err(error) => return Err(error.into()),
        }
        if !slept(STANDBY, stop, None) {
            return Ok(None);
        }
    }
}

/// Waits until a pause is over or an alert has come; `false` if the user stopped it.
fn slept(pause: Duration, stop: &StopSignal, inbox: Option<&ReceivedAlerts>) -> bool {
    let started = Instant::now();
    while started.elapsed() < pause && !inbox.is_some_and(ReceivedAlerts::taken) {
        if stop.is_requested() {
            return false;
        }
        std::thread::sleep(PAUSE.min(pause));
    }
    !stop.is_requested()
}

fn show_pass(home: &Home, ui: Ui, args: &WatchPassArgs, passed: &WatchPass) {
    let config = args.config.as_ref().map(|config| config.to_string_lossy().into_owned()).unwrap_or_default();
    match passed {
        WatchPass::Idle(look) => show_look(ui, look),
        WatchPass::Waiting(number) => {
            ui.line(format!("retraining {number} waits for a decision; see `cupola watch list`"));
        }
        WatchPass::Following(following) => show_following(ui, following),
        WatchPass::Trying(number) => {
            ui.line(format!(
                "the canary of retraining {number} is under way; the next pass looks at it again"
            ));
        }
        WatchPass::Reached(number) | WatchPass::Ended(number) => {
            ui.line(format!("retraining {number} is done with this pass; see `cupola watch list`"));
        }
        WatchPass::Nothing => ui.line("no retraining is under way"),
        WatchPass::Stopped => {
            let next = next_command(home, ["watch", "--config", &config, "--once"]);
            ui.line(format!("stopped; continue with: {next}"));
        }
    }
}

fn show_following(ui: Ui, following: &WatchFollowing) {
    let what = followed(following.version, following.until.as_deref());
    ui.line(format!("held        retraining {} {what}", following.cycle));
    following.notes.iter().for_each(|note| ui.line(format!("note        {note}")));
}

/// State of a retraining whose version is followed.
fn followed(version: u64, until: Option<&str>) -> String {
    let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
    format!("follows the promotion of version {version}{until}; nothing else is trained before")
}

fn pass_json(passed: &WatchPass, new: &[&WatchRecord]) -> Value {
    let (state, cycle) = match passed {
        WatchPass::Idle(_) => ("idle", None),
        WatchPass::Waiting(number) => ("waiting", Some(number)),
        WatchPass::Trying(number) => ("trying", Some(number)),
        WatchPass::Following(following) => ("following", Some(&following.cycle)),
        WatchPass::Reached(number) => ("reached", Some(number)),
        WatchPass::Ended(number) => ("ended", Some(number)),
        WatchPass::Nothing => ("nothing", None),
        WatchPass::Stopped => ("stopped", None),
    };
    let look = if let WatchPass::Idle(look) = passed { json!(look) } else { Value::Null };
    let following = if let WatchPass::Following(following) = passed { json!(following) } else { Value::Null };
    json!({ "pass": state, "cycle": cycle, "records": new, "look": look, "following": following })
}

fn decided(home: &Home, ui: Ui, id: &str, decision: WatchDecision) -> Result<()> {
    let cycle = decide(home, id, decision)?;
    if let Some(record) = cycle.records.last() {
        show_record(ui, record);
    }
    let config = cycle.triggered().map(|triggered| triggered.config.clone()).unwrap_or_default();
    let next = next_command(home, ["watch", "--config", &config, "--once"]);
    ui.line(format!("a running watch carries it out by itself; without one: {next}"));
    ui.result(&json!({ "cycle": cycle.number, "state": cycle.state(), "next": next }))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Path of a file in its git repository, as a checkout has it; `None` outside of one.
fn in_repository(file: &Path) -> Option<&Path> {
    let root = file.ancestors().skip(1).find(|folder| folder.join(".git").exists())?;
    file.strip_prefix(root).ok()
}

fn exported(home: &Home, ui: Ui, args: &WatchExportArgs) -> Result<()> {
    let session = session(home, &Silent);
    // A scheduler runs its commands in a folder of its own.
    let config = absolute(&args.config);
    let root = home.remote().map_or_else(|| absolute(home.root()), |_| home.location());
    if home.remote().is_some() && args.to == SchedulerArg::Kubeflow {
        let message = "a pipeline of Kubeflow mounts its home folder, which an object store is not";
        return Err(UserError::new(message, "use a home in a folder, or run `cupola watch` in a pod").into());
    }
    let checked_out = (args.to == SchedulerArg::Github).then(|| in_repository(&config)).flatten();
    let request = ExportRequest {
        scheduler: args.to.scheduler(),
        config: checked_out.unwrap_or(&config).to_string_lossy().into_owned(),
        home: root.to_string_lossy().into_owned(),
        image: args.image.clone(),
    };
    let text = export(&session, &ConfigSource::file(&args.config), &request)?;
    match &args.out {
        Some(out) => {
            cupola_registry::write_file(out, text.as_bytes()).map_err(of_output("--out"))?;
            ui.line(format!("written {}", out.display()));
            ui.result(&json!({ "out": out }))
        }
        None if ui.json => ui.result(&json!({ "text": text })),
        None => {
            ui.line(text.trim_end());
            Ok(())
        }
    }
}
