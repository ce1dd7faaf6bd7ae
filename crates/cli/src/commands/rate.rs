//! `cupola rate`: the learning-rate range test.

use std::io::IsTerminal;

use anyhow::Result;
use cupola_nn::activation_dtype;
use cupola_prep::SplitPart;
use cupola_registry::Home;
use cupola_train::{Job, Stop, architecture, range_test, suggested_rate};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::args::RateArgs;
use crate::commands::train::record::create;
use crate::device;
use crate::failure::Mistake;
use crate::load;
use crate::memory::Memory;
use crate::ui::Ui;

/// Lines of the table.
const LINES: usize = 20;

pub fn run(home: &Home, ui: Ui, args: &RateArgs) -> Result<()> {
    let mut run = load::config(home, &args.config, &args.set)?;
    if run.trees.is_some() {
        return Err(Mistake("trees have no learning rate; choose a network in `[model]`".into()).into());
    }
    let loaded = load::data(home, ui, &run, Some(&args.config))?;
    let architecture = architecture(&run, &loaded.prepared.plan)?;
    let device = device::choose(args.device.device)?;
    Memory::of(&run, &architecture.table()?, architecture.parameters()?).sizes_batch(
        &mut run,
        loaded.prepared.rows(SplitPart::Train),
        device.is_gpu(),
    );
    ui.line(format!("device  {device}"));
    // The loop looks for a checkpoint to go on from: there is none.
    let nowhere = tempfile::tempdir()?;
    let (folder, _) = create(&Home::new(nowhere.path().to_owned()), &run, &loaded)?;
    let job = Job {
        run: &run,
        prepared: &loaded.prepared,
        architecture: &architecture,
        start: loaded.pretrained.as_ref().map(|start| &start.weights),
        device: device.device.clone(),
        half: activation_dtype(run.train.precision, &device.device, &device.name)?,
        folder: &folder,
        max_steps: None,
        fault: None,
    };
    let bar = bar(u64::from(args.steps));
    let tried = range_test(&job, args.steps, &mut |_| {
        bar.inc(1);
        Stop::No
    })?;
    bar.finish_and_clear();
    let each = tried.len().div_ceil(LINES).max(1);
    let rows = tried
        .iter()
        .step_by(each)
        .map(|t| vec![format!("{:.1e}", t.rate), format!("{:.4}", t.loss), format!("{:.4}", t.smoothed)])
        .collect();
    ui.table(&["rate", "loss", "smoothed"], &[0, 1, 2], rows);
    let suggested = suggested_rate(&tried);
    match suggested {
        Some(rate) => ui.line(format!(
            "the loss falls fastest near {rate:.1e}: try --set train.optimizer.learning_rate={rate:.1e}"
        )),
        None => ui.line("the loss did not fall at any rate; look at the data, or raise --steps"),
    }
    ui.result(&json!({ "suggested": suggested, "tried": tried }))
}

/// A bar on a terminal, nothing elsewhere.
fn bar(steps: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(steps);
    let style = "{spinner} [{elapsed_precise}] {wide_bar} {pos}/{len} steps, {per_sec}, ETA {eta}";
    ProgressStyle::with_template(style).map_or(bar.clone(), |style| bar.with_style(style))
}
