//! The layer kinds, each with its contract: weights, output shape and cost.
//!
//! [`Layer`] is what a config declares. Every kind, or family of close kinds, has a file that states the
//! kind's facts as a [`LayerContract`]; [`Layer::contract`] picks the right one, and [`trace`] applies it
//! along a list of layers.

mod attention;
mod contract;
mod elementwise;
mod layer;
mod linear;
mod norm;
mod recurrent;
mod residual;
mod sequence;
mod shape;
mod tabular;
mod window;

pub use self::attention::{AttentionVariant, ROPE_BASE, Rope, RopeScaling};
pub(crate) use self::contract::work;
pub use self::contract::{Cost, Init, LayerContract, Misfit, WeightSpec};
pub use self::elementwise::Activation;
pub use self::layer::Layer;
pub use self::linear::Embedding;
pub use self::recurrent::Cell;
pub use self::sequence::Take;
pub use self::shape::{ShapeError, ShapeRow, trace};
