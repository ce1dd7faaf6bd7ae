//! Commands that run a published model.

pub mod chat;
pub mod evaluate;
pub mod gate;
pub mod generate;
pub mod predict;
mod sampling;
