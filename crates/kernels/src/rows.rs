//! Functions of the rows of a matrix: softmax, norms and means.

mod norm;
mod pooling;
mod softmax;

pub use norm::{layer_norm, rms_norm};
pub use pooling::masked_mean;
pub use softmax::softmax;
pub(crate) use softmax::softmax_row;
