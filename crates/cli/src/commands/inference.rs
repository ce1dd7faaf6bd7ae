//! Commands that run a published model.

pub mod evaluate;
pub mod generate;
pub mod predict;
