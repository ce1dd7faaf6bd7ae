//! Events of the workflow as lines and progress bars.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cupola_train::EndReason;
use cupola_workflow::{Observer, WorkflowEvent};

use super::data::{show_data, show_network};
use super::training::TrainingProgress;
use super::{CollectionProgress, Ui, grouped, metric, metrics};

/// Metrics of a fold that its line has.
const SHOWN_METRICS: usize = 3;

/// `fold 2/5`, or `repeat 1/3, fold 2/5`
fn fold_name([fold, repeat]: [usize; 2], [folds, repeats]: [usize; 2]) -> String {
    let repeat = if repeats > 1 { format!("repeat {}/{repeats}, ", repeat + 1) } else { String::new() };
    format!("{repeat}fold {}/{folds}", fold + 1)
}

/// Observer that draws every event.
pub struct Screen {
    ui: Ui,
    /// `true` if run and package stay after the command.
    kept: bool,
    collection: CollectionProgress,
    training: Mutex<Option<TrainingProgress>>,
    /// `true` once the inferred columns were shown, which are the same for each fold.
    inferred: AtomicBool,
}

impl Screen {
    /// Screen without a bar.
    pub fn new(ui: Ui) -> Self {
        Self {
            ui,
            kept: true,
            collection: CollectionProgress::new(ui),
            training: Mutex::new(None),
            inferred: AtomicBool::new(false),
        }
    }

    /// Screen of a run in a temporary folder, which it does not name.
    pub fn of_temporary(ui: Ui) -> Self {
        Self { kept: false, ..Self::new(ui) }
    }

    fn training(&self) -> MutexGuard<'_, Option<TrainingProgress>> {
        self.training.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self, reason: EndReason, step: u64, seconds: f64, patience: usize) {
        match reason {
            EndReason::EarlyStop => {
                self.ui.line(format!("stopped early: no improvement for {patience} evaluations"));
            }
            EndReason::MaxSteps => self.ui.line(format!("ended after {step} steps, as asked")),
            EndReason::TimeBudget => {
                self.ui.line(format!("ended after {seconds:.0} s, as train.time_budget asks"));
            }
            EndReason::Epochs | EndReason::Stopped => {}
        }
    }
}

impl Observer for Screen {
    fn observe(&self, event: &WorkflowEvent<'_>) {
        let ui = self.ui;
        match event {
            WorkflowEvent::PreparedReused { stage } => {
                ui.line(format!("prepared {stage} is unchanged and used again"));
            }
            WorkflowEvent::DataLoaded { run, data } => {
                show_data(ui, run, data, !self.inferred.swap(true, Ordering::Relaxed));
            }
            WorkflowEvent::NetworkPlanned(network) => show_network(ui, network),
            WorkflowEvent::BatchSized { examples } => {
                ui.line(format!("batch   {examples} examples, as the memory allows"));
            }
            WorkflowEvent::DeviceChosen(device) => ui.line(format!("device  {device}")),
            WorkflowEvent::RunStarted { record, folder } if self.kept => {
                ui.line(format!("run     {} in {}", record.id, folder.display()));
            }
            WorkflowEvent::TrainingStarted(plan) => {
                if plan.done > 0 {
                    ui.line(format!("resumed after step {}", plan.done));
                }
                *self.training() = Some(TrainingProgress::new(ui, *plan));
            }
            WorkflowEvent::Training(event) => {
                if let Some(training) = &mut *self.training() {
                    training.observe(event);
                }
            }
            WorkflowEvent::TrainingFinished => {
                if let Some(training) = self.training().take() {
                    training.finish();
                }
            }
            WorkflowEvent::TrainingEnded { reason, step, seconds, patience } => {
                self.ended(*reason, *step, *seconds, *patience);
            }
            WorkflowEvent::AnomalyThreshold(threshold) => {
                let by = if threshold.labelled {
                    "the largest F1 on the valid split"
                } else {
                    "the 99th percentile of the training rows"
                };
                ui.line(format!("anomaly a score above {} ({by})", metric(threshold.value)));
            }
            WorkflowEvent::TreesOutput { done, outputs } if *outputs > 1 => {
                ui.line(format!("output {done}/{outputs}"));
            }
            WorkflowEvent::TreesGrown { trees } => ui.line(format!("grown   {} trees", grouped(*trees))),
            WorkflowEvent::FoldStarted { place, folds, reused } => {
                let done = if *reused { "is done" } else { "begins" };
                ui.line(format!("{} {done}", fold_name(*place, *folds)));
            }
            WorkflowEvent::FoldFinished { place, folds, record } => {
                let values = record.metrics.iter().filter_map(|(name, value)| Some((name, value.as_f64()?)));
                ui.line(format!("{}: {}", fold_name(*place, *folds), metrics(values.take(SHOWN_METRICS))));
            }
            WorkflowEvent::Warning(text) => Ui::warning(text),
            other => self.collection.observe(other),
        }
    }
}
