//! `cupola rate`: the learning-rate range test.

use std::io::IsTerminal;

use anyhow::Result;
use cupola_registry::Home;
use cupola_workflow::{Observer, RateReport, RateTest, StopSignal, WorkflowEvent};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::args::RateArgs;
use crate::commands::session;
use crate::draw::{CollectionProgress, Screen, Ui};
use crate::next_step::train_command;

/// Lines of the table.
const LINES: usize = 20;

/// Observer that draws the device and a bar of the steps.
struct RateScreen {
    screen: Screen,
    collection: CollectionProgress,
    bar: ProgressBar,
}

impl Observer for RateScreen {
    fn observe(&self, event: &WorkflowEvent<'_>) {
        match event {
            WorkflowEvent::RateTried(_) => self.bar.inc(1),
            WorkflowEvent::DeviceChosen(_) | WorkflowEvent::PreparedReused { .. } => {
                self.screen.observe(event);
            }
            other => self.collection.observe(other),
        }
    }
}

pub fn run(home: &Home, ui: Ui, args: &RateArgs) -> Result<()> {
    cupola_nn::join_new_pool();
    let bar = bar(u64::from(args.steps));
    let screen = RateScreen { screen: Screen::new(ui), collection: CollectionProgress::new(ui), bar };
    let test = RateTest { device: args.device.device, steps: args.steps };
    let session = session(home, &screen);
    let report = session.test_rates(&args.config.source(&session, ui)?, test, &StopSignal::new())?;
    screen.bar.finish_and_clear();
    let RateReport { tried, suggested } = &report;
    let each = tried.len().div_ceil(LINES).max(1);
    let rows = tried
        .iter()
        .step_by(each)
        .map(|t| vec![format!("{:.1e}", t.rate), format!("{:.4}", t.loss), format!("{:.4}", t.smoothed)])
        .collect();
    ui.table(&["rate", "loss", "smoothed"], &[0, 1, 2], rows);
    let next = suggested.map(|rate| {
        let found = ["--set".to_owned(), format!("train.optimizer.learning_rate={rate:.1e}")];
        let words = [args.config.words(), found.to_vec()].concat();
        ui.line(format!("the loss falls fastest near {rate:.1e}"));
        train_command(home, &words)
    });
    match &next {
        Some(next) => ui.line(format!("next    {next}")),
        None => ui.line("the loss did not fall at any rate; check the data, or raise --steps"),
    }
    let next: Vec<String> = next.into_iter().collect();
    ui.result(&json!({ "suggested": suggested, "tried": tried, "next": next }))
}

/// Bar on a terminal, nothing elsewhere.
fn bar(steps: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(steps);
    let style = "{spinner} [{elapsed_precise}] {wide_bar} {pos}/{len} steps, {per_sec}, ETA {eta}";
    ProgressStyle::with_template(style).map_or(bar.clone(), |style| bar.with_style(style))
}
