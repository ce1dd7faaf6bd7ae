//! Page of a study.

use std::path::PathBuf;

use cupola_registry::write_file;
use cupola_report::{StudyKey, StudyMetric, StudyPage, StudyTrial, StudyValue, study_html};
use cupola_tune::{JournalTrialState, ParamDistribution, Study};
use serde_json::Value;

use super::outcome::TuneReport;
use super::plan::StudyPlan;
use crate::error::Error;
use crate::event::TrialRow;

/// Page in the folder of a study.
const PAGE: &str = "study.html";

/// Writes the page of a study; returns its path.
pub(super) fn write(
    plan: &StudyPlan<'_>,
    study: &Study,
    report: &TuneReport,
    package: Option<&str>,
) -> Result<PathBuf, Error> {
    let path = plan.folder.join(PAGE);
    write_file(&path, study_html(&document(plan, study, report, package)).as_bytes())?;
    Ok(path)
}

fn document(plan: &StudyPlan<'_>, study: &Study, report: &TuneReport, package: Option<&str>) -> StudyPage {
    let keys = plan.space.params().iter().map(|(name, param)| StudyKey {
        name: name.clone(),
        log: matches!(
            param.distribution,
            ParamDistribution::Float { log: true, .. } | ParamDistribution::Int { log: true, .. }
        ),
        importance: report.importances.iter().find(|one| one.name == *name).map(|one| one.share),
    });
    let records = study.trials();
    let trials = report.trials.iter().zip(&records).map(|(row, record)| {
        #[allow(clippy::cast_precision_loss, reason = "a run has few epochs")]
        let curve = record.intermediate.iter().map(|(step, value)| (*step as f64, *value)).collect();
        StudyTrial {
            number: row.number,
            state: row.state.name().to_owned(),
            complete: row.state == JournalTrialState::Complete,
            values: row.values.clone(),
            params: plan.space.params().keys().map(|name| value(plan, row, name)).collect(),
            curve,
            seconds: row.seconds,
            error: row.error.clone(),
        }
    });
    let metrics = report.metrics.iter().zip(&report.larger_is_better);
    StudyPage {
        name: report.study.clone(),
        metrics: metrics
            .map(|(name, larger)| StudyMetric { name: (*name).to_owned(), larger_is_better: *larger })
            .collect(),
        keys: keys.collect(),
        trials: trials.collect(),
        best: report.best,
        front: report.front.clone(),
        package: package.map(str::to_owned),
    }
}

fn value(plan: &StudyPlan<'_>, row: &TrialRow, name: &str) -> Option<StudyValue> {
    let value = row.params.get(name)?;
    let choices = plan.space.distribution(name).is_some_and(ParamDistribution::is_categorical);
    match value.as_f64().filter(|_| !choices) {
        Some(number) => Some(StudyValue::Number(number)),
        None => Some(StudyValue::Choice(match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })),
    }
}
