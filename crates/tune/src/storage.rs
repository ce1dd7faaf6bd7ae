//! Storage of studies: the journal file of Optuna 5, so that its library and dashboard open our studies.
//!
//! A journal is a file of JSON lines. Each line is one [`JournalOperation`]; [`JournalState`] replays them in order
//! with the rules of Optuna's `JournalStorageReplayResult`, which reject what comes too late: a second claim of a
//! trial, or a value of a finished one. [`JournalStorage`] appends under the lock that Optuna's
//! `JournalFileBackend` takes, so that processes of both may write at the same time.

mod damage;
mod distribution;
mod error;
mod journal;
mod json;
mod lock;
mod operation;
mod place;
mod state;
mod table;
mod trial_state;

pub use self::error::StudyError;
pub use self::journal::JournalStorage;
pub use self::operation::{InvalidOperation, JournalOperation, TrialTemplate};
pub use self::place::JournalPlace;
pub(crate) use self::state::METRIC_NAMES;
pub use self::state::{JournalState, StudyRecord, TrialRecord};
pub use self::trial_state::JournalTrialState;

#[cfg(test)]
mod tests;
