//! Kernels for what candle does in several passes over memory, or on one core.
//!
//! They take and give plain rows of values; [`mapped`] makes an operation on tensors of one.

// Vector instructions reach only what is inlined into the function that turns them on (`vectors::vectorized`):
// closures, which can be told so, in place of paths to functions.
#![allow(clippy::inline_always)]
#![allow(clippy::redundant_closure, clippy::redundant_closure_for_method_calls)]

mod attend;
mod combined;
mod conv;
mod functions;
mod int8;
mod matrix;
mod packed;
mod rows;
mod tile;
mod vectors;

use candle_core::{Device, Error as CandleError, Storage, Tensor};

pub use attend::{Heads, Onward, Past};
pub use combined::{affine, glu, mean};
pub use conv::Conv;
pub use functions::activate;
pub use matrix::{Linear, Precision};
pub use rows::{layer_norm, rms_norm, softmax};
pub use vectors::Vectors;

/// A function of the values of a tensor as an operation on tensors; the last axis becomes `width` long.
pub fn mapped(x: &Tensor, width: usize, f: impl FnOnce(&[f32]) -> Vec<f32>) -> Result<Tensor, CandleError> {
    let mut shape = x.dims().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = width;
    }
    made(x, shape, f)
}

/// The same for any shape.
pub fn made(
    x: &Tensor,
    shape: impl Into<candle_core::Shape>,
    f: impl FnOnce(&[f32]) -> Vec<f32>,
) -> Result<Tensor, CandleError> {
    Tensor::from_vec(seen(x, f)?, shape.into(), &Device::Cpu)
}

/// A function of a tensor's values.
fn seen<R>(x: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R, CandleError> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { candle_core::bail!("a kernel for the CPU") };
    let (at, count) = (layout.start_offset(), x.elem_count());
    Ok(f(storage.as_slice::<f32>()?.get(at..at + count).unwrap_or_default()))
}

/// The sum of two tensors of one shape. candle's own shares it out among threads that spin while they wait for more,
/// and so take the processor from ours.
pub fn added(x: &Tensor, y: &Tensor) -> Result<Tensor, CandleError> {
    if x.dims() != y.dims() {
        candle_core::bail!("{:?} and {:?} are added", x.dims(), y.dims());
    }
    seen(y, |y| changed(x, |x| combined::add(x, y)))?
}

/// The same for a function that changes rows where they lie.
pub fn changed(x: &Tensor, f: impl FnOnce(&mut [f32])) -> Result<Tensor, CandleError> {
    let width = x.dims().last().copied().unwrap_or(1);
    mapped(x, width, |values| {
        let mut values = values.to_vec();
        f(&mut values);
        values
    })
}
