//! Networks: Burn modules built from an architecture, with `PyTorch`'s weight names and layout.
//!
//! An [`Architecture`] is a value; [`Network::build`] makes the modules, taking each weight from a
//! [`Weights`] source, drawn or loaded. [`Network::state_dict`] gives them back under names and in
//! layouts that `torch.nn` reads. Nothing here opens a file.

mod agreement;
mod architecture;
mod batch_norm;
mod builder;
mod device;
mod error;
mod input;
mod layer;
mod loss;
mod network;
mod state_dict;
mod weights;

pub use agreement::{Agreement, agreement};
pub use architecture::Architecture;
pub use device::{Choice, Opened, open, probe_vulkan, quietly};
pub use error::Error;
pub use input::{Flow, Input};
pub use loss::{Loss, Truth};
pub use network::Network;
pub use state_dict::{Array, StateDict};
pub use weights::{Drawn, Loaded, Weights};
