//! A bar on a terminal, plain lines in a pipe, `events.jsonl` always.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use cupola_spec::Goal;
use cupola_train::{Event, MetricValues, Stop};
use indicatif::{ProgressBar, ProgressStyle};

use crate::ui::{Ui, metric};

/// Shows a run as it happens.
pub struct Progress {
    ui: Ui,
    bar: Option<ProgressBar>,
    events: File,
    stop: Arc<AtomicBool>,
    goal: Goal,
    epochs: usize,
    steps: u64,
    last_metric: String,
    started: Instant,
    examples: u64,
}

impl Progress {
    /// A bar of `steps` from `done`; `stop` is set by a signal.
    pub fn new(
        ui: Ui,
        events: File,
        stop: Arc<AtomicBool>,
        goal: Goal,
        epochs: usize,
        steps: u64,
        done: u64,
    ) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(steps).with_position(done);
            let style = "{spinner} [{elapsed_precise}] {wide_bar} {pos}/{len} steps, {msg}, ETA {eta}";
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            bar.reset_eta();
            bar
        });
        let started = Instant::now();
        let last_metric = String::new();
        Self { ui, bar, events, stop, goal, epochs, steps, last_metric, started, examples: 0 }
    }

    /// Takes an event in; asks to stop once a signal has come.
    pub fn observe(&mut self, event: &Event) -> Stop {
        if let Ok(mut line) = serde_json::to_vec(event) {
            line.push(b'\n');
            // Losing an event must not lose the run.
            let _ = self.events.write_all(&line);
        }
        match event {
            Event::Step { step, epoch, loss, examples, .. } => self.step(*step, *epoch, *loss, *examples),
            Event::Epoch { .. } => self.epoch(event),
            Event::Evaluation { step, valid, best, .. } => {
                let (value, mark) = (self.goal_of(valid), if *best { " *" } else { "" });
                self.say(&format!("           step {step}/{}{value}{mark}", self.steps));
            }
            Event::SmallerParts { step, micro_batch, why } => self.say(&format!(
                "step {step} did not fit the memory ({why}); going on in parts of {micro_batch} examples, with the same batch"
            )),
            Event::Checkpoint { .. } => {}
        }
        if self.stop.load(Ordering::Relaxed) { Stop::Yes } else { Stop::No }
    }

    fn step(&mut self, step: u64, epoch: u64, loss: f64, examples: u64) {
        self.examples += examples;
        if let Some(bar) = &self.bar {
            bar.set_position(step);
            let rate = self.rate();
            let last = &self.last_metric;
            bar.set_message(format!("epoch {epoch}/{}, loss {loss:.4}{last}, {rate}", self.epochs));
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn rate(&self) -> String {
        let rate = self.examples as f64 / self.started.elapsed().as_secs_f64().max(1e-9);
        format!("{rate:.0} examples/s")
    }

    fn epoch(&mut self, event: &Event) {
        let Event::Epoch { step, epoch, train_loss, valid, best, .. } = event else { return };
        self.last_metric = self.goal_of(valid);
        let mark = if *best { " *" } else { "" };
        let line = format!(
            "epoch {epoch:>3}/{}  step {step}/{}  train loss {train_loss:.4}{}{mark}  {}  ETA {}",
            self.epochs,
            self.steps,
            self.last_metric,
            self.rate(),
            self.eta(*step),
        );
        self.say(&line);
    }

    /// The goal among the metrics, as the lines show it.
    fn goal_of(&self, valid: &MetricValues) -> String {
        let name = self.goal.name();
        let value = valid.get(name).and_then(serde_json::Value::as_f64);
        value.map_or(String::new(), |v| format!(", valid {name} {}", metric(v)))
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => self.ui.line(line),
        }
    }

    /// Time that the rest would take at the pace so far.
    #[allow(clippy::cast_precision_loss)]
    fn eta(&self, step: u64) -> String {
        let per_example = self.started.elapsed().as_secs_f64() / self.examples.max(1) as f64;
        let per_step = self.examples as f64 / step.max(1) as f64 * per_example;
        format!("{:.0} s", per_step * self.steps.saturating_sub(step) as f64)
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
