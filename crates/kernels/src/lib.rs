//! CPU kernels on plain slices of `f32`: no tensor type and no other crate of the workspace.
//!
//! Values lie in row-major order, batch first; shapes are written in brackets, `[rows, width]`. Each module holds one
//! family of functions with its tests:
//!
//! | module | functions |
//! |---|---|
//! | [`pointwise`] | activation functions of single values |
//! | [`elementwise`] | sums, channel-wise scale and shift, gated linear units |
//! | [`rows`] | softmax, layer and RMS norm, masked mean |
//! | [`matmul`] | products of `f32` matrices, tile by tile |
//! | [`int8`] | products with 8-bit weights |
//! | [`linear`] | linear layers in either format, with bias and activation |
//! | [`conv`] | convolutions of images |
//! | [`attention`] | multi-head attention over whole texts, or of new tokens with a KV cache |
//! | [`training`] | forward and backward passes for training |
//! | [`mod@reference`] | the same functions as plain loops, which tests and benches compare with |
//!
//! The vector width is chosen at run time ([`simd`]), and work that is worth more than one core is shared out on rayon's
//! current thread pool. Results do not depend on the number of threads.

// Vector instructions reach only what is inlined into the function that enables them (`simd::vectorized`), so the
// closures carry `#[inline(always)]` and stand where a path to a function would do.
#![allow(clippy::inline_always)]
#![allow(clippy::redundant_closure, clippy::redundant_closure_for_method_calls)]

pub mod attention;
pub mod conv;
pub mod int8;
pub mod linear;
pub mod matmul;
pub mod pointwise;
pub mod reference;
pub mod rows;
pub mod simd;
mod support;
pub mod training;

pub use attention::{AttentionKernel, HeadNorms, LayerKv, NewTokens, ScoreRules};
pub use conv::Conv2dKernel;
pub use linear::{LinearBuilder, LinearKernel, WeightFormat};
pub use pointwise::{Pointwise, elementwise};
pub use support::SimdSupport;
