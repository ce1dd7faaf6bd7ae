//! Forward and backward passes for training: each backward function returns the gradients of its inputs from the
//! gradient of the output.
//!
//! Sums over rows, images or texts are made in parts whose number depends on the shapes alone, and the parts are added
//! in order. Gradients are therefore the same for any number of threads.

pub mod activation;
pub mod attention;
pub mod batch_norm;
pub mod conv;
pub mod cross_entropy;
pub mod dropout;
pub mod linear;
pub mod norm;
pub mod optimizer;
mod output;
mod parts;
pub mod recurrent;
