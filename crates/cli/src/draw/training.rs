//! Progress of training: a bar on a terminal, plain lines in a pipe.

use std::io::IsTerminal;
use std::time::Instant;

use cupola_registry::Package;
use cupola_runtime::ExampleRequest;
use cupola_train::{Event, MetricValues};
use cupola_workflow::TrainingPlan;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Ui, metric};

/// Letters of a request up to which the summary shows it whole.
const SHOWN_LETTERS: usize = 600;

/// Lines with a request that can be run at a server of the package: the request itself if it is short, else the command
/// that prints it. Empty for a package that cannot be read.
pub fn example_lines(package: &Package) -> Vec<String> {
    let Ok(request) = ExampleRequest::of_package(package) else { return Vec::new() };
    let curl = request.curl("localhost:8080");
    if curl.len() <= SHOWN_LETTERS {
        return curl.lines().map(str::to_owned).collect();
    }
    vec![format!("cupola models example {} | sh", package.label())]
}

/// Progress of a run as it happens.
pub struct TrainingProgress {
    ui: Ui,
    bar: Option<ProgressBar>,
    plan: TrainingPlan,
    last_metric: String,
    /// Time of the first event, so that building the network does not count.
    started: Option<Instant>,
    examples: u64,
}

impl TrainingProgress {
    /// Progress of a training that begins now.
    pub fn new(ui: Ui, plan: TrainingPlan) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(plan.steps).with_position(plan.done);
            let style = "{spinner} [{elapsed_precise}] {wide_bar} {pos}/{len} steps, {msg}, ETA {eta}";
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            bar.reset_eta();
            bar
        });
        Self { ui, bar, plan, last_metric: String::new(), started: None, examples: 0 }
    }

    /// Draws an event of the training loop.
    pub fn observe(&mut self, event: &Event) {
        self.started.get_or_insert_with(Instant::now);
        match event {
            Event::Step { step, epoch, loss, examples, .. } => self.step(*step, *epoch, *loss, *examples),
            Event::Epoch { .. } => self.epoch(event),
            Event::Evaluation { step, valid, best, .. } => {
                let (value, mark) = (self.goal_of(valid), if *best { " *" } else { "" });
                self.line(&format!("           step {step}/{}{value}{mark}", self.plan.steps));
            }
            Event::SmallerParts { step, micro_batch, why } => self.line(&format!(
                "step {step} did not fit the memory ({why}); continuing in parts of {micro_batch} examples, with the same batch"
            )),
            Event::MetricReplaced { why, .. }
            | Event::MetricUndefined { why, .. }
            | Event::BatchMerged { why, .. } => self.line(&format!("warning: {why}")),
            Event::Checkpoint { .. } => {}
        }
    }

    fn step(&mut self, step: u64, epoch: u64, loss: f64, examples: u64) {
        self.examples += examples;
        if let Some(bar) = &self.bar {
            bar.set_position(step);
            let rate = self.rate();
            let last = &self.last_metric;
            bar.set_message(format!("epoch {epoch}/{}, loss {loss:.4}{last}, {rate}", self.plan.epochs));
        }
    }

    fn seconds(&self) -> f64 {
        self.started.map_or(0.0, |started| started.elapsed().as_secs_f64())
    }

    #[allow(clippy::cast_precision_loss)]
    fn rate(&self) -> String {
        let rate = self.examples as f64 / self.seconds().max(1e-9);
        format!("{rate:.0} examples/s")
    }

    fn epoch(&mut self, event: &Event) {
        let Event::Epoch { step, epoch, train_loss, valid, best, .. } = event else { return };
        self.last_metric = self.goal_of(valid);
        let mark = if *best { " *" } else { "" };
        let line = format!(
            "epoch {epoch:>3}/{}  step {step}/{}  train loss {train_loss:.4}{}{mark}  {}  ETA {}",
            self.plan.epochs,
            self.plan.steps,
            self.last_metric,
            self.rate(),
            self.eta(*step),
        );
        self.line(&line);
    }

    /// Metric of the goal, as the lines show it.
    fn goal_of(&self, valid: &MetricValues) -> String {
        let name = self.plan.goal.name();
        let value = valid.get(name).and_then(serde_json::Value::as_f64);
        value.map_or(String::new(), |v| format!(", valid {name} {}", metric(v)))
    }

    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => self.ui.line(line),
        }
    }

    /// Time that the remaining steps take at the pace so far.
    #[allow(clippy::cast_precision_loss)]
    fn eta(&self, step: u64) -> String {
        let per_example = self.seconds() / self.examples.max(1) as f64;
        let per_step = self.examples as f64 / step.max(1) as f64 * per_example;
        format!("{:.0} s", per_step * self.plan.steps.saturating_sub(step) as f64)
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
