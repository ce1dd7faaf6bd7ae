//! Train: the loop, its checkpoints and its exact resume.
//!
//! [`fit`] walks epochs and steps from a [`Progress`]; after any step the state of the run is
//! weights, optimiser moments and that progress, and a [`checkpoint`] holds all three. Every
//! random draw is a function of (seed, purpose, epoch, step), so a run that resumes from a
//! checkpoint does what it would have done.

mod architecture;
pub mod checkpoint;
mod error;
mod event;
mod fit;
mod fit_on;
mod group;
mod host_loss;
mod judge;
mod mixup;
mod objective;
mod optimizer;
mod order;
mod progress;
mod rate;
mod schedule;
mod score;
mod step;

pub use architecture::architecture;
pub use error::Error;
pub use event::{Ended, Event, Stop, Values};
pub use fit::{Job, Outcome, fit, fit_among, limited};
pub use fit_on::fit_on;
#[cfg(feature = "mpi")]
pub use group::Mpi;
pub use group::{Alone, Group};
pub use objective::{Aim, aims, goal, plain_aims, trial_loss, truth};
pub use optimizer::{global_norm, optimizer};
pub use progress::{Best, LossScale, Progress};
pub use rate::{Tried, range_test, suggested};
pub use schedule::{Clock, learning_rate};
pub use score::{logits, metrics_of, score};

#[cfg(test)]
mod tests;
