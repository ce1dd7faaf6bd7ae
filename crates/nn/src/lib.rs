//! Networks: Burn modules built from an architecture, with `PyTorch`'s weight names and layout.
//!
//! An [`Architecture`] is a value; [`Network::build`] makes the modules, taking each weight from a
//! [`Weights`] source, drawn or loaded. [`Network::state_dict`] gives them back under names and in
//! layouts that `torch.nn` reads. Nothing here opens a file.

#![allow(
    clippy::needless_pass_by_value,
    clippy::large_enum_variant,
    reason = "tensors are handles that Burn's operations take by value; layers are few"
)]

mod agreement;
mod architecture;
mod attention;
mod batch_norm;
mod builder;
mod cache;
mod device;
mod error;
mod head;
mod input;
mod layer;
mod lora;
mod loss;
mod network;
mod precision;
mod recurrent;
mod sequence;
mod series;
mod source;
mod state_dict;
mod tabular;
mod weights;

pub use agreement::{Agreement, agreement};
pub use architecture::{Architecture, Average, LogitPart};
pub use cache::{Cache, Next};
pub use device::{Choice, Opened, nth, open, probe_vulkan, quietly};
pub use error::Error;
pub use input::{Flow, Input};
pub use lora::merged;
pub use loss::{Loss, Objective, Truth};
pub use network::Network;
pub use precision::half;
pub use source::Source;
pub use state_dict::{Array, StateDict};
pub use weights::{Drawn, Loaded, Started, Weights};
