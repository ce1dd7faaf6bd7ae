//! Weights of models whose predictions are averaged.

mod greedy;
mod shrink;
mod stacking;

pub use greedy::{GreedyRound, GreedySelection, greedy_selection};
pub use shrink::shrink_weights;
pub use stacking::{stack_by_log_loss, stack_by_squared_error};
