//! `cupola cv`: a run for each fold, and their average as one package.

use std::sync::Arc;

use anyhow::Result;
use cupola_registry::Home;
use cupola_workflow::{CrossValidation, CvJob, CvOutcome};
use serde_json::{Value, json};

use crate::args::CvArgs;
use crate::commands::session;
use crate::commands::training::train::stop_signal;
use crate::draw::{TuneScreen, Ui, duration, metric, show_gate};
use crate::failure::{FoldsStopped, GateBroken};
use crate::next_step::next_command;

pub fn run(home: &Home, ui: Ui, args: &CvArgs) -> Result<()> {
    cupola_nn::join_new_pool();
    let stop = stop_signal(&Arc::default())?;
    // The same lines, and those of the trials.
    let screen = TuneScreen::new(ui);
    let session = session(home, &screen);
    let config = args.config.source(&session, ui)?;
    let job = CvJob::new(config)
        .folds(args.folds.map(|folds| folds as usize))
        .repeats(args.repeat as usize)
        .nested(args.nested)
        .device(args.device.device);
    let outcome = job.run(&session, &stop);
    screen.finish();
    match outcome? {
        CvOutcome::Published(found) => {
            show(ui, &found);
            let next = next_command(home, ["serve", "--model", &found.package]);
            ui.line(format!("next    {next}"));
            let mut result = serde_json::to_value(&found)?;
            if let Value::Object(fields) = &mut result {
                fields.insert("next".to_owned(), json!([next]));
            }
            ui.result(&result)?;
            found.gate.as_ref().map_or(Ok(()), |gate| GateBroken::check(&found.package, gate))
        }
        CvOutcome::Stopped { done, folds } => {
            let (count, repeat) = (args.folds.map(|folds| folds.to_string()), args.repeat.to_string());
            let mut words = vec!["cv".to_owned()];
            words.extend(args.config.words());
            words.extend(count.into_iter().flat_map(|count| ["--folds".to_owned(), count]));
            if args.repeat > 1 {
                words.extend(["--repeat".to_owned(), repeat]);
            }
            words.extend(args.nested.then(|| "--nested".to_owned()));
            words.extend(args.device.words());
            let resume = next_command(home, words.iter().map(String::as_str));
            Err(FoldsStopped { done, folds, resume }.into())
        }
    }
}

/// Tables of folds and metrics, then the files.
fn show(ui: Ui, found: &CrossValidation) {
    let value = |metrics: &serde_json::Map<String, Value>| {
        metrics.get(&found.metric).and_then(Value::as_f64).map_or_else(|| "-".to_owned(), metric)
    };
    let rows = found.scores.iter().map(|score| {
        let seconds = score.seconds.map_or_else(|| "-".to_owned(), duration);
        vec![
            score.repeat.to_string(),
            score.fold.to_string(),
            value(&score.metrics),
            seconds,
            score.run.clone(),
        ]
    });
    ui.table(&["repeat", "fold", &found.metric, "trained", "run"], &[0, 1, 2, 3], rows.collect());
    for score in found.scores.iter().filter(|score| score.params.is_some()) {
        ui.line(format!("chosen  in repeat {} fold {}: {}", score.repeat, score.fold, score.params_text()));
    }
    let rows = found.metrics.iter().map(|(name, one)| {
        let interval = one
            .interval
            .map_or_else(|| "-".to_owned(), |(low, high)| format!("{} to {}", metric(low), metric(high)));
        vec![name.clone(), metric(one.mean), interval, metric(one.deviation)]
    });
    ui.table(&["metric", "mean", "95 % interval", "deviation"], &[1, 2, 3], rows.collect());
    ui.line(format!("folds   {}", found.folder.display()));
    if let Some(predictions) = &found.predictions {
        ui.line(format!(
            "rows    each predicted by the fold that has not seen it: {}",
            predictions.display()
        ));
    }
    if let Some(report) = &found.report {
        ui.line(format!("report  {}", report.display()));
    }
    ui.line(format!("model   {}, the average of the folds", found.package));
    if let Some(gate) = &found.gate {
        show_gate(ui, &found.package, gate);
    }
}
