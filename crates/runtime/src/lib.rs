//! Infer: raw rows go through the sealed plan and an engine to typed predictions.
//!
//! A [`Predictor`] is a package in memory. It has one of two engines over the same weights: Burn,
//! on any device, or candle, on the CPU; [`EngineChoice::Auto`] times both and takes the faster
//! one, provided that they agree.

mod bulk;
mod candle;
mod chat;
mod engine;
mod error;
mod format;
mod generate;
mod kept;
mod predictor;
mod rows;
mod sampling;
mod scores;
mod sealed;
mod shelf;
mod tensors;
mod trees;

pub use bulk::{Bulk, BulkError};

pub use chat::{Message, Prompt};
pub use cupola_kernels::SimdSupport;
pub use engine::{Engine, EngineChoice, EngineReport, Turn};
pub use error::Error;
pub use format::Format;
pub use generate::{Finish, Generation, Piece, Scored, Step, Wanted};
pub use kept::Kept;
pub use predictor::Predictor;
pub use rows::{Malformed, frame_of, json_lines, json_rows};
pub use sampling::Sampling;
pub use scores::Steering;
pub use sealed::Sealed;
pub use shelf::Shelf;
pub use tensors::{Element, Input, Tensor, TensorSpec, Values};
