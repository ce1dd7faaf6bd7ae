//! Result of a preset.

use std::path::PathBuf;

use serde::Serialize;

use super::portfolio::Preset;

/// State of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PresetMemberState {
    /// It trains.
    Running,
    /// Its run is finished and its package published.
    Trained,
    /// It would not have finished in time, or the job was stopped.
    Skipped,
    /// It cannot be trained on this data.
    Failed,
}

/// Member of a preset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PresetMember {
    /// Name among the members, such as `gbdt`.
    pub member: String,
    /// Family of the model.
    pub family: String,
    /// Reason for which it is a member.
    pub reason: String,
    /// State.
    pub state: PresetMemberState,
    /// Reason for which it was skipped or failed, or has another size than the portfolio gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// File of its config.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<PathBuf>,
    /// Run that trained it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Package as `name:version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Value of the metric on the valid split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<f64>,
    /// Value of the metric on the test split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<f64>,
    /// Seconds of training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit_seconds: Option<f64>,
    /// Microseconds per row of a prediction of many rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predict_us: Option<f64>,
    /// Share of the ensemble; 0 for a member that was not chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
}

/// A member as it begins or ends.
#[derive(Debug, Clone, PartialEq)]
pub struct PresetProgress<'a> {
    /// The member.
    pub member: &'a PresetMember,
    /// Its number, from 1.
    pub number: usize,
    /// Number of members.
    pub members: usize,
    /// Name of the metric; `None` before the first member has a score.
    pub metric: Option<&'a str>,
    /// Seconds that members may still take.
    pub left: f64,
}

/// Everything that a preset has done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PresetReport {
    /// Name of the published package.
    pub name: String,
    /// The preset.
    pub preset: Preset,
    /// Seconds that were given.
    pub budget: f64,
    /// Seconds that were taken.
    pub seconds: f64,
    /// Name of the metric.
    pub metric: String,
    /// Words after `cupola` that make the same ensemble again.
    pub command: Vec<String>,
    /// Members, the best first; those without a score last.
    pub members: Vec<PresetMember>,
}

impl PresetReport {
    /// Members whose run is finished.
    pub fn trained(&self) -> impl Iterator<Item = &PresetMember> {
        self.members.iter().filter(|member| member.state == PresetMemberState::Trained)
    }
}

/// Sorts members: the best score first, then those without one in their order.
pub(super) fn sort(members: &mut [PresetMember], larger_is_better: bool) {
    let key = |member: &PresetMember| match member.valid {
        Some(value) if value.is_finite() => {
            if larger_is_better {
                -value
            } else {
                value
            }
        }
        _ => f64::INFINITY,
    };
    members.sort_by(|a, b| key(a).total_cmp(&key(b)));
}
