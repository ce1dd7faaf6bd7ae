//! Training: the loop over epochs and steps, its checkpoints and exact resume.
//!
//! [`fit`] builds the network and the optimiser, or restores them from the newest [`checkpoint`]. For each
//! step it gathers a batch, accumulates gradients over micro-batches, sums them over the devices of a
//! [`DeviceGroup`], clips them and updates the weights. It evaluates, stops early and writes checkpoints as
//! the config says, and reports every [`Event`] to an observer.
//!
//! After any step the state of the run is weights, optimiser moments and [`Progress`]; a checkpoint holds all
//! three. Every random draw is a function of (seed, purpose, epoch, step), so a resumed run continues bit for
//! bit.

mod architecture;
pub mod checkpoint;
mod error;
mod evaluate;
mod evaluator;
mod event;
mod fit;
mod group;
mod host_loss;
mod mixup;
mod multi_device;
mod objective;
mod optimizer;
mod order;
mod progress;
mod range_test;
mod schedule;
mod step;

pub use architecture::architecture;
pub use error::Error;
pub use evaluate::{evaluate_part, logits, metrics_from_logits};
pub use event::{EndReason, Event, MetricValues, Stop};
pub use fit::{Job, TrainOutcome, fit, fit_in_group, limit_rows};
#[cfg(feature = "mpi")]
pub use group::Mpi;
pub use group::{DeviceGroup, GroupError, SingleDevice};
pub use multi_device::fit_on_devices;
pub use objective::{TargetObjective, default_objectives, goal, loss_targets, objectives, trial_loss};
pub use optimizer::{global_norm, optimizer};
pub use progress::{BestCheckpoint, LossScale, Progress};
pub use range_test::{RateTrial, range_test, suggested_rate};
pub use schedule::{Clock, learning_rate};

#[cfg(test)]
mod tests;
