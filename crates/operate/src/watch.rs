//! Retraining: a watch looks for reasons to train a published model again, trains a challenger, compares it with the
//! champion on the same rows, moves the alias that servers follow, and moves it back if the new version is worse on
//! rows that arrive later.
//!
//! [`WatchJob`] holds the config, [`Watcher`] the lock of the model; [`Watcher::pass`] goes as far as it can now. Every
//! state of a retraining is a [`WatchRecord`] with its evidence in a [`WatchJournal`], written and synced before the
//! next step begins. [`WatchCycle::next`] decides from the records alone what comes next, so a process that is killed
//! anywhere is continued by the next one. A step that may have been done without its record is found again: a dataset
//! version by its digest, a run by the digest of its config, a promotion by the history of the alias.

mod challenger;
mod contest;
mod cycle;
mod decide;
mod drift;
mod error;
mod export;
mod journal;
mod live;
mod look;
mod record;
mod watcher;

pub use self::cycle::{WatchCycle, WatchStep};
pub use self::decide::{WatchDecision, decide, find_cycle};
pub use self::drift::{BestStability, DriftMeasure, DriftSides, ProfileStability, SealedStability};
pub use self::error::WatchError;
pub use self::export::{ExportRequest, WatchScheduler, export};
pub use self::journal::WatchJournal;
pub use self::look::guard::WatchHold;
pub use self::look::inbox::AlertInbox;
pub use self::look::observe::WatchLook;
pub use self::record::{
    ChallengerConfig, ContestReport, GateEvidence, LiveContest, MeasuredDrift, TrainedChallenger,
    TriggerEvidence, WatchRecord, WatchState, WatchTrigger, WatchedData,
};
pub use self::watcher::{WatchFollowing, WatchJob, WatchPass, Watcher};
