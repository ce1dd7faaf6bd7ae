//! End of a study: the best config, its package, and what may be removed.

use std::fs;

use cupola_registry::{RunFolder, Status, write_file};
use cupola_store::Lock;
use cupola_tune::{JournalTrialState, Study, TRIAL_RUN, TrialRecord, undominated};
use serde_json::{Value, json};

use super::outcome::{TuneOutcome, TuneReport};
use super::plan::StudyPlan;
use super::{StudyEnd, failures, page};
use crate::error::Error;
use crate::session::Session;
use crate::train::{JobOutcome, PublishedRun, StopSignal, TrainJob};

/// Config of the best trial in the folder of a study.
const BEST: &str = "best.toml";
/// Attribute of a study with the trial and the package that were published.
const PUBLISHED: &str = "cupola:published";

/// Writes the best config and publishes the best trial, unless the study was stopped.
pub(super) fn finish(
    plan: &StudyPlan<'_>,
    session: &Session<'_>,
    stop: &StopSignal,
    end: StudyEnd,
) -> Result<TuneOutcome, Error> {
    let mut study = plan.open()?;
    if end == StudyEnd::Stopped {
        let report = TuneReport::of(plan, &study);
        page::write(plan, &study, &report, None)?;
        return Ok(TuneOutcome::Stopped(report));
    }
    // Several processes may end the study together; one publishes.
    let _lock = Lock::folder(&plan.folder)?;
    study.refresh()?;
    let Some(best) = study.best().cloned() else {
        return Err(nothing_complete(plan, session, &study, end));
    };
    let config = plan.folder.join(BEST);
    let mut sealed = session.run_config(&plan.config(&best))?.sealed;
    sealed.tune = None;
    write_file(&config, toml::to_string(&sealed)?.as_bytes())?;
    let report = TuneReport::of(plan, &study);
    let out_of_time = end == StudyEnd::Time;
    if let Some(package) = published(&study, &best) {
        let page = page::write(plan, &study, &report, Some(&package))?;
        return Ok(TuneOutcome::Published { report, config, page, run: None, package, out_of_time });
    }
    let Some(run) = publish(plan, session, stop, &best)? else {
        return Ok(TuneOutcome::Stopped(report));
    };
    let value = json!({ "trial": best.number, "package": run.package });
    study.set_study_attribute(PUBLISHED, value)?;
    let package = run.package.clone();
    let page = page::write(plan, &study, &report, Some(&package))?;
    Ok(TuneOutcome::Published { report, config, page, run: Some(run), package, out_of_time })
}

/// Package that an earlier call has published of this trial.
fn published(study: &Study, best: &TrialRecord) -> Option<String> {
    let published = study.record()?.user_attrs.get(PUBLISHED)?;
    let same = published["trial"].as_u64() == Some(best.number as u64);
    published["package"].as_str().filter(|_| same).map(str::to_owned)
}

fn nothing_complete(plan: &StudyPlan<'_>, session: &Session<'_>, study: &Study, end: StudyEnd) -> Error {
    let trials = study.trials();
    if end != StudyEnd::Time && trials.iter().any(|trial| trial.state == JournalTrialState::Fail) {
        return failures::all_failed(plan, session, &trials);
    }
    let (why, remedy) = match end {
        StudyEnd::Time => {
            ("no trial was complete when the time was over", "raise --time; the same command continues")
        }
        _ => ("no trial is complete", "raise --trials; the same command continues"),
    };
    Error::Tune { study: plan.name.clone(), why: why.to_owned(), remedy: remedy.to_owned() }
}

/// Evaluates and publishes a trial; `None` if it was stopped. The run of a network moves to the runs of the home folder
/// and continues behind its training; trees are grown once more.
fn publish(
    plan: &StudyPlan<'_>,
    session: &Session<'_>,
    stop: &StopSignal,
    best: &TrialRecord,
) -> Result<Option<Box<PublishedRun>>, Error> {
    let job = match moved(plan, best)? {
        Some(run) => TrainJob::resume(run).expecting(Some(plan.config(best))),
        None => TrainJob::new(plan.config(best)),
    };
    match job.device(plan.job.device).run_in(&plan.target, session, stop)? {
        JobOutcome::Published(run) => Ok(Some(run)),
        JobOutcome::Stopped { .. } | JobOutcome::Follower => Ok(None),
    }
}

/// Id of the trial's run, which now lies among the runs of the home folder; `None` if it has no checkpoint.
fn moved(plan: &StudyPlan<'_>, best: &TrialRecord) -> Result<Option<String>, Error> {
    let Some(id) = best.user_attrs.get(TRIAL_RUN).and_then(Value::as_str) else { return Ok(None) };
    let runs = plan.target.runs();
    if let Ok(folder) = RunFolder::open(&plan.home(), id) {
        if folder.checkpoint_steps()?.is_empty() {
            return Ok(None);
        }
        let to = runs.join(id);
        cupola_store::create_folder(&runs)?;
        // Another disk, such as a linked folder, is no place to rename to.
        if fs::rename(folder.path(), &to).is_err() {
            return Ok(None);
        }
    }
    let usable = RunFolder::open(&plan.target, id).ok().and_then(|folder| folder.record().ok());
    Ok(usable.filter(|record| record.id == id && record.status != Status::Finished).map(|record| record.id))
}

/// Removes the checkpoints of the trials that can no longer win.
pub(super) fn remove_checkpoints(plan: &StudyPlan<'_>, study: &Study, ended: usize) {
    let trials = study.trials();
    let winners: Vec<usize> = if study.identity().directions.len() > 1 {
        undominated(&trials, &study.identity().directions).iter().map(|trial| trial.id).collect()
    } else {
        study.best().map(|best| best.id).into_iter().collect()
    };
    // Any trial that lost before has lost its checkpoints before, but for the one that this trial has beaten.
    let losers = trials.iter().filter(|trial| trial.state.is_finished() && !winners.contains(&trial.id));
    for trial in losers {
        let won = winners.contains(&ended);
        if trial.id == ended || won {
            let run = trial.user_attrs.get(TRIAL_RUN).and_then(Value::as_str);
            if let Some(folder) = run.and_then(|run| RunFolder::open(&plan.home(), run).ok()) {
                let _ = fs::remove_dir_all(folder.path().join("checkpoints"));
            }
        }
    }
}
