//! Functions of the rows of a matrix: softmax, norms and reductions.

mod norm;
mod pooling;
mod softmax;

pub use norm::{layer_norm, rms_norm};
pub use pooling::{masked_max, masked_mean, masked_sqrt_mean, masked_weighted_mean};
pub use softmax::softmax;
pub(crate) use softmax::softmax_row;
