//! Summary of a finished training on one screen.

use cupola_train::ColumnImportance;
use cupola_workflow::{PublishedRun, TrainingSummary};

use super::{Ui, duration, metric, metrics, show_gate};

/// Metrics beside the one that chose the weights; the report has all.
const METRICS: usize = 8;
/// Columns that the summary names.
const COLUMNS: usize = 5;

/// Lines after the summary.
pub struct WhatNext<'a> {
    /// `true` if run and package stay after the command, so that they can be named.
    pub kept: bool,
    /// Request of a real row that the new model answers.
    pub example_lines: &'a [String],
    /// Commands for the next step.
    pub commands: &'a [String],
}

/// Shows scores beside those of a trivial model, the best epoch, the time, the columns that count, where run and package
/// lie, and what comes next.
pub fn show_outcome(ui: Ui, run: &PublishedRun, next: &WhatNext<'_>) {
    let summary = &run.summary;
    let scores: Vec<_> = scores(summary).collect();
    for (split, value, trivial, interval) in &scores {
        ui.line(format!("{split:<8}{}", score(summary, *value, *trivial, *interval)));
    }
    // The metrics of the run are those of its last split.
    let split = scores.last().map_or("test", |(split, ..)| *split);
    let others = run.metrics.iter().filter(|(name, _)| **name != summary.metric).take(METRICS);
    let others = metrics(others.filter_map(|(name, value)| Some((name, value.as_f64()?))));
    let positive = summary.positive.as_ref().map(|class| format!("; the positive class is `{class}`"));
    ui.line(format!("{split:<8}{others}{}", positive.unwrap_or_default()));
    ui.line(format!("trained {}", length(summary)));
    if let Some(line) = columns(&summary.importance) {
        ui.line(format!("columns {line}"));
    }
    if next.kept {
        ui.line(format!("run     {} in {}", run.run, run.folder.display()));
        ui.line(format!("model   {} in {}", run.package, run.path.display()));
        if let Some(report) = &run.report {
            ui.line(format!("report  {}", report.display()));
        }
    }
    if let Some(gate) = &run.gate {
        show_gate(ui, &run.package, gate);
        if !gate.passed {
            let name = run.package.rsplit_once(':').map_or(run.package.as_str(), |(name, _)| name);
            ui.line(format!(
                "latest  stays where it was; use this version as {}, not as {name}",
                run.package
            ));
        }
    }
    for command in next.commands {
        ui.line(format!("next    {command}"));
    }
    for (index, line) in next.example_lines.iter().enumerate() {
        ui.line(format!("{:<8}{line}", if index == 0 { "ask" } else { "" }));
    }
}

/// Split, value of the model, value of the trivial one, 95 % interval.
type SplitScore = (&'static str, f64, Option<f64>, Option<(f64, f64)>);

/// Each split that was measured.
fn scores(summary: &TrainingSummary) -> impl Iterator<Item = SplitScore> {
    let baseline = summary.baseline.as_ref();
    let [valid, test] = summary.intervals;
    let splits = [
        ("valid", summary.valid, baseline.and_then(|baseline| baseline.valid), valid),
        ("test", summary.test, baseline.and_then(|baseline| baseline.test), test),
    ];
    splits
        .into_iter()
        .filter_map(|(split, value, trivial, interval)| Some((split, value?, trivial, interval)))
}

/// ``accuracy 0.9777 [0.9722, 0.9820] (always `3`: 0.1011)``, and a word if the model is not better.
fn score(
    summary: &TrainingSummary,
    value: f64,
    trivial: Option<f64>,
    interval: Option<(f64, f64)>,
) -> String {
    let interval = interval.map(|(low, high)| format!(" [{}, {}]", metric(low), metric(high)));
    let text = format!("{} {}{}", summary.metric, metric(value), interval.unwrap_or_default());
    let (Some(trivial), Some(baseline)) = (trivial, &summary.baseline) else { return text };
    let better = if summary.larger_is_better { value > trivial } else { value < trivial };
    let verdict = if better { "" } else { "; not better than that" };
    format!("{text} ({}: {}{verdict})", baseline.model, metric(trivial))
}

/// `12 s, best epoch 7 of 20`
fn length(summary: &TrainingSummary) -> String {
    let time = duration(summary.seconds);
    match (&summary.best, summary.epochs) {
        (Some(best), Some(epochs)) => format!("{time}, best epoch {} of {epochs}", best.epoch),
        _ => time,
    }
}

/// `price 61 %, age 20 %`: the part of each column in the loss that shuffling the columns causes.
fn columns(importance: &[ColumnImportance]) -> Option<String> {
    let top = importance.iter().filter(|one| one.share >= 0.005).take(COLUMNS);
    let each: Vec<String> = top.map(|one| format!("{} {:.0} %", one.column, 100.0 * one.share)).collect();
    (!each.is_empty()).then(|| format!("{} of what shuffling a column costs", each.join(", ")))
}
