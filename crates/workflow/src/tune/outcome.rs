//! Results of a study: its trials as rows, the best one, and what was published.

use std::path::PathBuf;

use cupola_tune::{
    JournalTrialState, ParamImportance, Study, TRIAL_ERROR, TRIAL_RUN, TrialRecord, param_importances,
    undominated,
};
use serde::Serialize;
use serde_json::Value;

use super::plan::StudyPlan;
use crate::event::{TrialProgress, TrialRow};
use crate::train::PublishedRun;

/// All trials of a study.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TuneReport {
    /// Name of the study.
    pub study: String,
    /// Folder of the study.
    pub folder: PathBuf,
    /// Names of the metrics.
    pub metrics: Vec<&'static str>,
    /// `true` for a metric of which a larger value is better.
    pub larger_is_better: Vec<bool>,
    /// The trials in the order of their numbers.
    pub trials: Vec<TrialRow>,
    /// Number of the best trial by the first metric; `None` before a complete one.
    pub best: Option<usize>,
    /// Numbers of the trials that no other one beats in all metrics, with several metrics.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub front: Vec<usize>,
    /// Share of the variance of the first metric that each key explains, the largest first; empty before
    /// [`IMPORTANCE_TRIALS`](cupola_tune::IMPORTANCE_TRIALS) complete trials.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub importances: Vec<ParamImportance>,
}

/// End of a [`TuneJob`](super::TuneJob) that did not fail.
#[derive(Debug)]
pub enum TuneOutcome {
    /// The best trial is published.
    Published {
        /// The trials.
        report: TuneReport,
        /// Config of the best trial.
        config: PathBuf,
        /// Page with plots of the trials.
        page: PathBuf,
        /// Its run and package; `None` if an earlier call has published it.
        run: Option<Box<PublishedRun>>,
        /// `NAME:VERSION` of the package.
        package: String,
        /// `true` if the time was over before all trials were finished.
        out_of_time: bool,
    },
    /// The study was stopped, and the same command continues it.
    Stopped(TuneReport),
}

impl TrialRow {
    pub(super) fn of(plan: &StudyPlan<'_>, trial: &TrialRecord) -> Self {
        let text = |key: &str| trial.user_attrs.get(key).and_then(Value::as_str).map(str::to_owned);
        let params =
            trial.params.keys().filter_map(|name| Some((name.clone(), plan.values.value(trial, name)?)));
        Self {
            number: trial.number,
            state: trial.state,
            params: params.collect(),
            values: trial.values.clone().unwrap_or_default(),
            epochs: trial.last_step(),
            seconds: trial.user_attrs.get("seconds").and_then(Value::as_f64),
            error: text(TRIAL_ERROR),
            run: text(TRIAL_RUN),
        }
    }
}

impl TrialProgress {
    /// Progress of a study around a trial of the journal.
    pub(super) fn of(plan: &StudyPlan<'_>, study: &Study, trial: usize) -> Option<Self> {
        let trials = study.trials();
        let record = trials.iter().find(|record| record.id == trial)?;
        let best = study.best().and_then(|best| Some((best.number, *best.values.as_ref()?.first()?)));
        Some(Self {
            trial: TrialRow::of(plan, record),
            metrics: plan.metrics.iter().map(|metric| metric.name()).collect(),
            best,
            done: trials.iter().filter(|trial| trial.state.is_finished()).count(),
            trials: (plan.trials + study.imported()).max(trials.len()),
        })
    }
}

impl TuneReport {
    pub(super) fn of(plan: &StudyPlan<'_>, study: &Study) -> Self {
        let trials = study.trials();
        let several = plan.metrics.len() > 1;
        let directions = &study.identity().directions;
        let front = if several { undominated(&trials, directions) } else { Vec::new() };
        Self {
            study: plan.name.clone(),
            folder: plan.folder.clone(),
            metrics: plan.metrics.iter().map(|metric| metric.name()).collect(),
            larger_is_better: plan.metrics.iter().map(|metric| metric.larger_is_better()).collect(),
            trials: trials.iter().map(|trial| TrialRow::of(plan, trial)).collect(),
            best: study.best().map(|best| best.number),
            front: front.iter().map(|trial| trial.number).collect(),
            importances: param_importances(&plan.space, directions, &study.history(), 0, plan.seed),
        }
    }

    /// Trials with values from the best to the worst by the first metric; pruned ones come last.
    pub fn ranked(&self) -> Vec<&TrialRow> {
        let larger = self.larger_is_better.first().copied().unwrap_or_default();
        let mut rows: Vec<&TrialRow> = self.trials.iter().filter(|row| !row.values.is_empty()).collect();
        rows.sort_by(|a, b| {
            let order = a.values[0].total_cmp(&b.values[0]);
            let pruned = |row: &TrialRow| row.state != JournalTrialState::Complete;
            pruned(a).cmp(&pruned(b)).then(if larger { order.reverse() } else { order })
        });
        rows
    }

    /// Number of trials of a state.
    pub fn count(&self, state: JournalTrialState) -> usize {
        self.trials.iter().filter(|row| row.state == state).count()
    }
}
