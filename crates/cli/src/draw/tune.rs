//! Progress and leaderboard of a study.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

use cupola_workflow::{
    JournalTrialState, Observer, ParamImportance, TrialProgress, TrialRow, TuneReport, WorkflowEvent,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::{Screen, Ui, duration, metric};

/// Trials of the leaderboard.
const ROWS: usize = 10;
/// Keys whose importance is shown.
const KEYS: usize = 5;
/// Failed trials whose reasons are shown.
const FAILURES: usize = 5;

/// Observer of a study: a line for each trial that ends, and a bar of the budget on a terminal.
pub struct TuneScreen {
    ui: Ui,
    bar: Mutex<Option<ProgressBar>>,
    /// Draws everything that is no trial, such as the run of the best one at the end.
    screen: Screen,
}

impl TuneScreen {
    /// Screen without a bar.
    pub fn new(ui: Ui) -> Self {
        Self { ui, bar: Mutex::default(), screen: Screen::new(ui) }
    }

    fn trial(&self, progress: &TrialProgress) {
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if std::io::stderr().is_terminal() {
            let bar = bar.get_or_insert_with(|| budget_bar(progress.trials));
            bar.set_position(progress.done as u64);
            if let Some((number, value)) = progress.best {
                let name = progress.metrics.first().copied().unwrap_or_default();
                bar.set_message(format!("best {name} {} (trial {number})", metric(value)));
            }
        }
        if progress.trial.state.is_finished() {
            let line = trial_line(progress);
            match &*bar {
                Some(bar) => bar.println(line),
                None => self.ui.line(line),
            }
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }
}

impl Observer for TuneScreen {
    fn observe(&self, event: &WorkflowEvent<'_>) {
        match event {
            WorkflowEvent::Trial(progress) => self.trial(progress),
            WorkflowEvent::WarmStarted { from, finished, first } => self.ui.line(format!(
                "warm    {finished} scores of {from} are taken over, {first} configurations are tried first"
            )),
            // The best trial is evaluated and published behind the bar.
            WorkflowEvent::RunStarted { .. } => {
                self.finish();
                self.screen.observe(event);
            }
            other => self.screen.observe(other),
        }
    }
}

fn budget_bar(trials: usize) -> ProgressBar {
    let bar = ProgressBar::new(trials as u64);
    let style = "{spinner} [{elapsed_precise}] {wide_bar} {pos}/{len} trials, {msg}, ETA {eta}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar
}

/// `trial   3  accuracy 0.9722 *  train.epochs=5, ...`
fn trial_line(progress: &TrialProgress) -> String {
    let row = &progress.trial;
    let best = progress.best.is_some_and(|(number, _)| number == row.number);
    let result = match (row.state, row.values.is_empty()) {
        (JournalTrialState::Fail, _) => {
            format!("failed: {}", row.error.as_deref().unwrap_or("unknown reason"))
        }
        (JournalTrialState::Pruned, _) => {
            let epoch = row.epochs.map_or_else(String::new, |epoch| format!(" after epoch {epoch}"));
            format!("pruned{epoch}, {}", values(&progress.metrics, row))
        }
        (_, false) => values(&progress.metrics, row),
        _ => row.state.name().to_owned(),
    };
    let mark = if best { " *" } else { "" };
    let (done, trials) = (progress.done, progress.trials);
    format!("trial {:>3}  {done}/{trials}  {result}{mark}  {}", row.number, params(row))
}

fn values(metrics: &[&'static str], row: &TrialRow) -> String {
    let values = metrics.iter().zip(&row.values).map(|(name, value)| format!("{name} {}", metric(*value)));
    values.collect::<Vec<_>>().join(", ")
}

/// `learning_rate=0.001, hidden=[64]`: keys without their tables, since a study has few.
fn params(row: &TrialRow) -> String {
    let params = row.params.iter().map(|(key, value)| format!("{}={}", short(key), setting_text(value)));
    params.collect::<Vec<_>>().join(", ")
}

/// Last part of a dotted key.
fn short(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// `matters learning_rate 61 %, leaves 24 %`; `None` without a key that explains at least one percent.
fn importance_line(importances: &[ParamImportance]) -> Option<String> {
    let shares = importances.iter().map(|one| (short(&one.name), (100.0 * one.share).round()));
    let shown: Vec<String> = shares
        .filter(|(_, percent)| *percent >= 1.0)
        .take(KEYS)
        .map(|(key, percent)| format!("{key} {percent} %"))
        .collect();
    (!shown.is_empty()).then(|| format!("matters {}", shown.join(", ")))
}

fn setting_text(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if value.is_f64() => significant(number),
        _ => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    }
}

/// Number with four significant digits.
fn significant(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        return format!("{number:.3e}");
    }
    let text = format!("{number:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Shows the best trials, the counts of all, and the reasons of those that failed.
pub fn show_leaderboard(ui: Ui, report: &TuneReport) {
    let header: Vec<&str> = ["rank", "trial"]
        .into_iter()
        .chain(report.metrics.iter().copied())
        .chain(["epochs", "time", "values"])
        .collect();
    let ranked = report.ranked();
    let rows = ranked.iter().take(ROWS).enumerate().map(|(at, row)| {
        let pruned = row.state == JournalTrialState::Pruned;
        let value = |at: usize| row.values.get(at).map_or_else(String::new, |value| metric(*value));
        let epochs = row.epochs.map_or_else(String::new, |epochs| epochs.to_string());
        let rank = if pruned { "pruned".to_owned() } else { (at + 1).to_string() };
        let seconds = row.seconds.map_or_else(String::new, duration);
        [rank, row.number.to_string()]
            .into_iter()
            .chain((0..report.metrics.len()).map(value))
            .chain([epochs, seconds, params(row)])
            .collect()
    });
    let right: Vec<usize> = (0..report.metrics.len() + 4).collect();
    ui.table(&header, &right, rows.collect());
    let count = |state| report.count(state);
    let counts = [
        (count(JournalTrialState::Complete), "complete"),
        (count(JournalTrialState::Pruned), "pruned"),
        (count(JournalTrialState::Fail), "failed"),
        (count(JournalTrialState::Waiting) + count(JournalTrialState::Running), "unfinished"),
    ];
    let counts =
        counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}"));
    ui.line(format!("trials  {}", counts.collect::<Vec<_>>().join(", ")));
    let failed: Vec<&TrialRow> = report.trials.iter().filter(|row| row.error.is_some()).collect();
    for row in failed.iter().take(FAILURES) {
        ui.line(format!("failed  trial {}: {}", row.number, row.error.as_deref().unwrap_or_default()));
    }
    if failed.len() > FAILURES {
        ui.line(format!("failed  and {} more", failed.len() - FAILURES));
    }
    if let Some(line) = importance_line(&report.importances) {
        ui.line(line);
    }
    if !report.front.is_empty() {
        let front: Vec<String> = report.front.iter().map(ToString::to_string).collect();
        ui.line(format!("front   no trial beats {} in all metrics", front.join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_explain_nothing_are_left_out() {
        let importances = |shares: &[(&str, f64)]| -> Vec<ParamImportance> {
            let one =
                |(name, share): &(&str, f64)| ParamImportance { name: (*name).to_owned(), share: *share };
            shares.iter().map(one).collect()
        };
        let found = importances(&[
            ("train.optimizer.learning_rate", 0.612),
            ("model.leaves", 0.2351),
            ("seed", 0.004),
        ]);
        assert_eq!(importance_line(&found).as_deref(), Some("matters learning_rate 61 %, leaves 24 %"));
        assert_eq!(importance_line(&found[2..]), None);
        assert_eq!(importance_line(&[]), None);
    }
}
