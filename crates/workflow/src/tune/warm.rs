//! Warm start: a study begins with the trials of an earlier one, or with the runs of the same model.
//!
//! A score is taken over where it would be the same: equal data, and a config that differs in nothing but the keys of the
//! space. The best of the other configurations are tried first.

use std::collections::HashSet;

use cupola_registry::{Home, RunFolder, RunRecord, Status};
use cupola_spec::Run;
use cupola_tune::{
    EarlierTrial, JournalPlace, JournalStorage, JournalTrialState, ParamValues, TRIAL_RUN, TrialRecord,
};
use serde_json::Value;

use super::folder;
use super::plan::{StudyPlan, place};
use super::values::TrialValues;
use crate::config;
use crate::data::stages::is_cross_validation;
use crate::error::Error;
use crate::event::WorkflowEvent;
use crate::session::Session;

/// Source that stands for the runs of the home folder.
const RUNS: &str = "runs";
/// Configurations that are tried first.
const FIRST: usize = 5;
/// Most finished trials that are taken over.
const MOST: usize = 1_000;

/// Run whose configuration may be of use.
struct EarlierRun {
    source: String,
    record: RunRecord,
    sealed: Value,
    /// Value of each metric of the new study; `None` where the run has others.
    values: Option<Vec<f64>>,
}

/// Gives a study that has no trials those of `from`: the name of a study, or `runs`.
///
/// # Errors
/// [`Error::Tune`] for an unknown study, and the study itself; errors of the journals.
pub(super) fn begin(plan: &StudyPlan<'_>, session: &Session<'_>, from: &str) -> Result<(), Error> {
    let mut study = plan.open()?;
    if !study.trials().is_empty() {
        return Ok(());
    }
    let found = if from == RUNS { runs(plan, session)? } else { trials(plan, session, from)? };
    let own = session.run_config(&plan.job.config)?;
    let stage = session.prepared_stage(&own, &plan.job.config.roots())?;
    let files: Vec<String> = stage.files().iter().map(|file| file.sha256.clone()).collect();
    let larger = plan.metrics.first().is_some_and(|metric| metric.larger_is_better());
    let (mut finished, mut first) = (Vec::new(), Vec::new());
    for earlier in found {
        let Some(params) = TrialValues::params_of(&earlier.sealed, &plan.space) else { continue };
        let same_data = earlier.record.dataset.files().map(|file| &file.sha256).eq(&files);
        let score = earlier.values.as_ref().and_then(|values| values.first().copied());
        let score = score.or(earlier.record.valid.as_ref().map(|valid| valid.value)).unwrap_or(f64::NAN);
        let loss = if larger { -score } else { score };
        let is_same = same_data && earlier.values.is_some() && same_config(plan, session, &params, &earlier)?;
        let values = earlier.values.filter(|_| is_same);
        let list = if values.is_some() { &mut finished } else { &mut first };
        list.push((loss, EarlierTrial { params, values, source: earlier.source }));
    }
    let (mut all, mut seen) = (Vec::new(), HashSet::new());
    for (mut list, most) in [(finished, MOST), (first, FIRST.min(plan.trials.saturating_sub(1)))] {
        list.sort_by(|a, b| a.0.total_cmp(&b.0));
        let new = list.into_iter().map(|(_, trial)| trial).filter(|trial| seen.insert(key(&trial.params)));
        all.extend(new.take(most));
    }
    let finished = all.iter().filter(|trial| trial.values.is_some()).count();
    let count = study.begin_with(&plan.space, plan.first.as_ref(), &all)?;
    if all.is_empty() {
        let text =
            format!("no trial or run of `{from}` has values in the space, so the study begins without");
        session.emit(&WorkflowEvent::Warning(&text));
    } else if count > 0 {
        session.emit(&WorkflowEvent::WarmStarted { from, finished, first: all.len() - finished });
    }
    Ok(())
}

/// Text that equal parameters share.
fn key(params: &ParamValues) -> String {
    format!("{params:?}")
}

/// `true` if a trial with these parameters has the config of an earlier run, but for what no score depends on.
fn same_config(
    plan: &StudyPlan<'_>,
    session: &Session<'_>,
    params: &ParamValues,
    earlier: &EarlierRun,
) -> Result<bool, Error> {
    let params = params
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), (*value, plan.space.distribution(name)?.clone()))));
    let trial = TrialRecord { params: params.collect(), ..TrialRecord::default() };
    let Ok(run) = session.run_config(&plan.config(&trial)) else { return Ok(false) };
    Ok(deciding(serde_json::to_value(&run.sealed)?) == deciding(earlier.sealed.clone()))
}

/// Config without the keys that no score on the valid split depends on.
fn deciding(mut config: Value) -> Value {
    if let Some(table) = config.as_object_mut() {
        for key in ["name", "tune", "gate", "evaluate"] {
            table.remove(key);
        }
        if let Some(train) = table.get_mut("train").and_then(Value::as_object_mut) {
            train.remove("metric");
        }
    }
    config
}

fn sealed(session: &Session<'_>, folder: &RunFolder) -> Option<Run> {
    let no_files = |path: &str| Err(format!("no such file: {path}"));
    let text = folder.config_text().ok()?;
    config::parse(session.home(), &folder.config().to_string_lossy(), &text, &[], &no_files).ok()
}

/// Finished runs that predict the same targets.
fn runs(plan: &StudyPlan<'_>, session: &Session<'_>) -> Result<Vec<EarlierRun>, Error> {
    let own = session.run_config(&plan.job.config)?;
    let mut found = Vec::new();
    for (folder, record) in RunFolder::all(session.home())? {
        if record.status != Status::Finished || is_cross_validation(&folder)? {
            continue;
        }
        let Some(run) = sealed(session, &folder).filter(|run| run.sealed.targets == own.sealed.targets)
        else {
            continue;
        };
        let valid = record.valid.as_ref();
        let values = match plan.metrics.as_slice() {
            [metric] => valid.filter(|valid| valid.metric == metric.name()).map(|valid| vec![valid.value]),
            _ => None,
        };
        let sealed = serde_json::to_value(&run.sealed)?;
        found.push(EarlierRun { source: format!("run {}", record.id), record, sealed, values });
    }
    Ok(found)
}

/// Complete trials of a study, whose runs lie in its folder, or among those of the home folder where one was published.
fn trials(plan: &StudyPlan<'_>, session: &Session<'_>, name: &str) -> Result<Vec<EarlierRun>, Error> {
    let refused = |why: String| Error::Tune {
        study: plan.name.clone(),
        why,
        remedy: "name another study with --warm-start, or write `runs` for the runs of the home folder"
            .to_owned(),
    };
    if name == plan.name {
        return Err(refused("a study begins with the trials of another one, not with its own".to_owned()));
    }
    let folder = folder(&plan.target, name);
    let place = place(plan.storage.as_deref(), &folder, name)?;
    let is_missing = matches!(&place, JournalPlace::File(path) if !path.is_file());
    if !cupola_spec::is_name(name) || is_missing {
        return Err(refused(format!("unknown study `{name}`")));
    }
    let storage = JournalStorage::read_only(&place, "")?;
    let state = storage.state();
    let Some(index) = state.study_index(name) else { return Err(refused(format!("unknown study `{name}`"))) };
    let metrics = state.metric_names(index);
    let same_metrics = metrics.iter().map(String::as_str).eq(plan.metrics.iter().map(|metric| metric.name()));
    let homes = [Home::new(folder), plan.target.clone()];
    let mut found = Vec::new();
    for trial in state.trials(index).filter(|trial| trial.state == JournalTrialState::Complete) {
        let Some(id) = trial.user_attrs.get(TRIAL_RUN).and_then(Value::as_str) else { continue };
        let Some(run) = homes.iter().find_map(|home| RunFolder::open(home, id).ok()) else { continue };
        let (Ok(record), Some(config)) = (run.record(), sealed(session, &run)) else { continue };
        found.push(EarlierRun {
            source: format!("trial {} of {name}", trial.number),
            record,
            sealed: serde_json::to_value(&config.sealed)?,
            values: trial.values.clone().filter(|_| same_metrics),
        });
    }
    Ok(found)
}
