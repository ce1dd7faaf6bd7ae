//! Infer: raw rows go through the sealed plan and an engine to typed predictions.
//!
//! A [`Predictor`] is a package in memory. It has one of two engines over the same weights: Burn,
//! on any device, or candle, on the CPU; [`EngineChoice::Auto`] times both and takes the faster
//! one, provided that they agree.

mod candle;
mod engine;
mod error;
mod generate;
mod predictor;
mod rows;
mod trees;

pub use engine::{Engine, EngineChoice, EngineReport};
pub use error::Error;
pub use generate::Sampling;
pub use predictor::Predictor;
pub use rows::frame_of;
