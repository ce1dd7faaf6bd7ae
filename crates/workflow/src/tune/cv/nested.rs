//! Search of settings within each fold: nested cross-validation (Varma and Simon 2006). The search compares its trials on the
//! valid rows of the fold, and the best one is scored on the test rows, which no trial has seen.

use cupola_registry::{Home, RunFolder, RunRecord};
use indexmap::IndexMap;
use serde_json::Value;

use super::folds::FoldPlan;
use super::job::CvJob;
use crate::config::ConfigSource;
use crate::error::Error;
use crate::event::WorkflowEvent;
use crate::session::Session;
use crate::train::StopSignal;
use crate::tune::{TuneJob, TuneOutcome};

/// Run of a fold and the values of the keys that its search has chosen.
pub(super) type SearchedFold = (RunRecord, Option<IndexMap<String, Value>>);

impl CvJob {
    /// Searches the settings of one fold and publishes its best trial in `home`, or finds what an earlier call has published;
    /// `None` if it was stopped.
    pub(super) fn search(
        &self,
        session: &Session<'_>,
        stop: &StopSignal,
        home: &Home,
        (plan, [repeat, fold]): (&FoldPlan, [usize; 2]),
        config: &ConfigSource,
    ) -> Result<Option<SearchedFold>, Error> {
        let (place, folds) = ([fold, repeat], [plan.folds, plan.repeats]);
        session.emit(&WorkflowEvent::FoldStarted { place, folds, reused: false });
        if stop.is_requested() {
            return Ok(None);
        }
        let study = Some(format!("repeat-{repeat}-fold-{fold}"));
        let job = TuneJob::new(config.clone()).study(study).device(self.device).home(home.clone());
        let TuneOutcome::Published { report, package, .. } = job.run(session, stop)? else { return Ok(None) };
        let run = home.package(&package)?.manifest.lineage.run;
        let record = RunFolder::open(home, &run)?.record()?;
        session.emit(&WorkflowEvent::FoldFinished { place, folds, record: &record });
        let best = report.best.and_then(|best| report.trials.get(best));
        Ok(Some((record, best.map(|best| best.params.clone()))))
    }
}
