//! Progress and leaderboard of a preset.

use std::sync::atomic::{AtomicBool, Ordering};

use cupola_workflow::{
    Observer, PresetMember, PresetMemberState, PresetProgress, PresetReport, WorkflowEvent,
};

use super::{Screen, Ui, duration, metric};

/// Observer of a preset: a line for each member that ends. The columns of the data are shown once.
pub struct PresetScreen {
    ui: Ui,
    screen: Screen,
    /// `true` once the data was shown.
    loaded: AtomicBool,
}

impl PresetScreen {
    /// Screen without a line.
    pub fn new(ui: Ui) -> Self {
        Self { ui, screen: Screen::new(ui), loaded: AtomicBool::new(false) }
    }
}

impl Observer for PresetScreen {
    fn observe(&self, event: &WorkflowEvent<'_>) {
        match event {
            WorkflowEvent::PresetMember(progress) => {
                if let Some(line) = line(progress) {
                    self.ui.line(line);
                }
            }
            WorkflowEvent::DataLoaded { .. } if self.loaded.swap(true, Ordering::Relaxed) => {}
            other => self.screen.observe(other),
        }
    }
}

/// `member 2/9  random_forest    valid roc_auc 0.9312  trained 2.1 s  1m left`
fn line(progress: &PresetProgress<'_>) -> Option<String> {
    let member = progress.member;
    let place = format!("member {}/{}  {:<16}", progress.number, progress.members, member.member);
    let left = format!("{} left", duration(progress.left));
    match member.state {
        PresetMemberState::Running => None,
        PresetMemberState::Trained => {
            let name = progress.metric.unwrap_or("score");
            let score = member.valid.map_or_else(|| "-".to_owned(), metric);
            let seconds = member.fit_seconds.map_or_else(|| "-".to_owned(), duration);
            let note = member.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
            Some(format!("{place} valid {name} {score}, trained {seconds}, {left}{note}"))
        }
        PresetMemberState::Skipped | PresetMemberState::Failed => {
            Some(format!("{place} {}: {}, {left}", state(member), note(member)))
        }
    }
}

fn state(member: &PresetMember) -> &'static str {
    match member.state {
        PresetMemberState::Running => "running",
        PresetMemberState::Trained => "trained",
        PresetMemberState::Skipped => "skipped",
        PresetMemberState::Failed => "failed",
    }
}

fn note(member: &PresetMember) -> &str {
    member.note.as_deref().unwrap_or("unknown reason")
}

/// Leaderboard, then the members without a score and their reasons.
pub fn show_members(ui: Ui, report: &PresetReport) {
    let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), metric);
    let rows = report.trained().map(|member| {
        vec![
            member.member.clone(),
            member.package.clone().unwrap_or_default(),
            shown(member.valid),
            shown(member.test),
            member.weight.map_or_else(|| "-".to_owned(), |weight| format!("{weight:.3}")),
            member.fit_seconds.map_or_else(|| "-".to_owned(), duration),
            member.predict_us.map_or_else(|| "-".to_owned(), |time| format!("{time:.1}")),
        ]
    });
    let (valid, test) = (format!("valid {}", report.metric), format!("test {}", report.metric));
    let header = ["member", "model", &valid, &test, "weight", "trained", "µs per row"];
    ui.table(&header, &[2, 3, 4, 5, 6], rows.collect());
    for member in report.members.iter().filter(|member| member.state != PresetMemberState::Trained) {
        ui.line(format!("{:<8}{}: {}", state(member), member.member, note(member)));
    }
    let (seconds, budget) = (duration(report.seconds), duration(report.budget));
    ui.line(format!("time    {seconds} of {budget}"));
}
