//! Training: the loop over epochs and steps, its checkpoints and exact resume.
//!
//! [`fit`] puts a trainer together from components that each hold their own state, and runs it:
//!
//! - `step`: the stepper (network, optimiser, loss scale, micro-batch) and the moving average of the weights;
//! - `evaluate`: metrics of a network, the valid split during training, and early stopping;
//! - `schedule`: the learning rate and its plateau reductions;
//! - [`checkpoint`]: files that a run resumes from;
//! - `group`: exchange between the devices that train together;
//! - `trainer`: the loop, which reports every [`Event`] to an observer.
//!
//! After any step the state of the run is weights, optimiser moments and [`ResumeState`], which is assembled
//! from the components; a checkpoint holds all three. Every random draw is a function of (seed, purpose,
//! epoch, step), so a resumed run continues bit for bit.

mod architecture;
pub mod checkpoint;
mod error;
mod evaluate;
mod event;
mod group;
mod job;
mod objective;
mod step;
mod trainer;

pub use architecture::architecture;
pub use checkpoint::ResumeState;
pub use error::{DeviceFailure, Error};
pub use evaluate::{
    AnomalyThreshold, Baseline, BestCheckpoint, ColumnImportance, Evaluator, Selection, SplitOutputs,
    UndefinedMetric, importance_of_examples, limit_rows, logits, metrics_from_logits, permutation_importance,
    unreported_metric,
};
pub use event::{EndReason, Event, MetricValues, Stop};
#[cfg(feature = "mpi")]
pub use group::Mpi;
pub use group::{DeviceGroup, GroupError, SingleDevice};
pub use job::{Job, TrainOutcome};
pub use objective::{TargetObjective, default_objectives, goal, loss_targets, objectives, trial_loss};
pub use step::{Clock, DecayShare, LossScale, check_batch_norm, global_norm, learning_rate, optimizer};
pub use trainer::{RateTrial, batches_of, fit, fit_in_group, fit_on_devices, range_test, suggested_rate};

#[cfg(test)]
mod tests;
