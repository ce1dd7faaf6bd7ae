//! Worker processes of a study: started, watched, and started again where one dies.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cupola_tune::Study;

use super::StudyEnd;
use super::plan::StudyPlan;
use crate::error::Error;
use crate::event::{TrialProgress, WorkflowEvent};
use crate::session::Session;
use crate::train::StopSignal;

/// Interval at which workers and journal are looked at.
const POLL: Duration = Duration::from_millis(300);
/// Workers that may die in a row without a trial that ends.
const DEATHS: usize = 20;

/// Program and arguments that start a worker, which calls [`TuneJob::work`](super::TuneJob::work) and stops at the end
/// of its standard input.
#[derive(Debug, Clone)]
pub struct StudyWorkerCommand {
    /// Program.
    pub program: PathBuf,
    /// Arguments.
    pub args: Vec<String>,
    /// Flag before the seconds that are left; added where the study has a time limit.
    pub time_flag: &'static str,
}

/// Runs the trials of a study in `count` processes.
pub(super) fn run(
    plan: &StudyPlan<'_>,
    session: &Session<'_>,
    stop: &StopSignal,
    command: &StudyWorkerCommand,
    count: usize,
    deadline: Option<Instant>,
) -> Result<StudyEnd, Error> {
    let mut watch = Watch { plan, session, study: plan.open()?, ended: Vec::new() };
    watch.ended =
        watch.study.trials().iter().filter(|trial| trial.state.is_finished()).map(|trial| trial.id).collect();
    let mut workers = Vec::new();
    for _ in 0..count {
        workers.push(Some(start(command, count, deadline)?));
    }
    let mut deaths = 0;
    while workers.iter().any(Option::is_some) {
        if stop.is_requested() {
            // The end of its input stops a worker.
            workers.iter_mut().flatten().for_each(|worker| drop(worker.stdin.take()));
        }
        for slot in &mut workers {
            let Some(worker) = slot else { continue };
            let Some(status) = worker.try_wait().map_err(Error::worker(command))? else { continue };
            *slot = None;
            if status.success() || stop.is_requested() {
                continue;
            }
            deaths += 1;
            if deaths > DEATHS || status.code().is_some_and(|code| code != 0) {
                // It has printed its reason.
                workers.iter_mut().flatten().for_each(|worker| drop(worker.stdin.take()));
                return Err(Error::Tune {
                    study: plan.name.clone(),
                    why: format!("a worker failed ({status})"),
                    remedy: "see its message above; the same command continues the study".to_owned(),
                });
            }
            *slot = Some(start(command, count, deadline)?);
        }
        if watch.look()? > 0 {
            deaths = 0;
        }
        std::thread::sleep(POLL);
    }
    watch.look()?;
    let over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
    Ok(match (stop.is_requested(), over) {
        (true, _) => StudyEnd::Stopped,
        (false, true) => StudyEnd::Time,
        (false, false) => StudyEnd::Trials,
    })
}

fn start(command: &StudyWorkerCommand, count: usize, deadline: Option<Instant>) -> Result<Child, Error> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut process = Command::new(&command.program);
    process.args(&command.args).stdin(Stdio::piped()).stdout(Stdio::null());
    process.env("RAYON_NUM_THREADS", (cores / count).max(1).to_string());
    if let Some(deadline) = deadline {
        let left = deadline.saturating_duration_since(Instant::now()).as_secs_f64().max(0.001);
        process.arg(command.time_flag).arg(format!("{left:.3}s"));
    }
    process.spawn().map_err(Error::worker(command))
}

/// Look at the journal from outside of the workers.
struct Watch<'a> {
    plan: &'a StudyPlan<'a>,
    session: &'a Session<'a>,
    study: Study,
    /// Trials that are reported.
    ended: Vec<usize>,
}

impl Watch<'_> {
    /// Reports the trials that have ended since the last look; returns their number.
    fn look(&mut self) -> Result<usize, Error> {
        self.study.refresh()?;
        let finished: Vec<usize> = self
            .study
            .trials()
            .iter()
            .filter(|trial| trial.state.is_finished())
            .map(|trial| trial.id)
            .collect();
        let new: Vec<usize> = finished.into_iter().filter(|trial| !self.ended.contains(trial)).collect();
        for trial in &new {
            if let Some(progress) = TrialProgress::of(self.plan, &self.study, *trial) {
                self.session.emit(&WorkflowEvent::Trial(&progress));
            }
        }
        self.ended.extend(&new);
        Ok(new.len())
    }
}

impl Error {
    fn worker(command: &StudyWorkerCommand) -> impl Fn(std::io::Error) -> Self + '_ {
        |source| Self::Io { path: command.program.clone(), source }
    }
}
