//! States of trials and directions of objectives, with their codes in a journal.

use serde::Serialize;

use crate::StudyDirection;

impl StudyDirection {
    /// Code in a journal.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Minimize => 1,
            Self::Maximize => 2,
        }
    }

    /// Direction of a code. Optuna's `NOT_SET` counts as `minimize`, as its default does.
    pub(super) fn of_code(code: u64) -> Option<Self> {
        match code {
            0 | 1 => Some(Self::Minimize),
            2 => Some(Self::Maximize),
            _ => None,
        }
    }
}

/// State of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalTrialState {
    /// A worker trains it.
    #[default]
    Running,
    /// Finished with values.
    Complete,
    /// Ended early, since others were better at its step.
    Pruned,
    /// Ended by an error.
    Fail,
    /// Waits for a worker.
    Waiting,
}

impl JournalTrialState {
    /// Code in a journal.
    pub fn code(self) -> u8 {
        match self {
            Self::Running => 0,
            Self::Complete => 1,
            Self::Pruned => 2,
            Self::Fail => 3,
            Self::Waiting => 4,
        }
    }

    pub(super) fn of_code(code: u64) -> Option<Self> {
        Some(match code {
            0 => Self::Running,
            1 => Self::Complete,
            2 => Self::Pruned,
            3 => Self::Fail,
            4 => Self::Waiting,
            _ => return None,
        })
    }

    /// `true` if nothing of the trial can change any more.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Complete | Self::Pruned | Self::Fail)
    }

    /// Name in listings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Pruned => "pruned",
            Self::Fail => "failed",
            Self::Waiting => "waiting",
        }
    }
}
