//! Weights of models whose predictions are averaged.

mod greedy;
mod stacking;

pub use greedy::{GreedyRound, GreedySelection, greedy_selection};
pub use stacking::{stack_by_log_loss, stack_by_squared_error};
