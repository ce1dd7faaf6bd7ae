//! Train: the loop, its checkpoints and its exact resume.
//!
//! [`fit`] walks epochs and steps from a [`Progress`]; after any step the state of the run is
//! weights, optimiser moments and that progress, and a [`checkpoint`] holds all three. Every
//! random draw is a function of (seed, purpose, epoch, step), so a run that resumes from a
//! checkpoint does what it would have done.

pub mod checkpoint;
mod error;
mod fit;
mod optimizer;
mod progress;
mod schedule;
mod score;

pub use error::Error;
pub use fit::{Ended, Event, Job, Outcome, Stop, fit};
pub use optimizer::{global_norm, optimizer};
pub use progress::{Best, Progress};
pub use schedule::learning_rate;
pub use score::{goal, logits, loss_of, metrics_of, score, truth};
