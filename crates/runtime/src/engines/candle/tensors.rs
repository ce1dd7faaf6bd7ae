//! Bridge from candle's tensors to the kernels, which work on slices.
//!
//! candle's own operations share work out among threads that spin while they wait for more, and so take the processor
//! from rayon's. What takes time in a layer therefore goes through `cupola_kernels`.

use candle_core::{Device, Error as CandleError, Storage, Tensor};
use cupola_kernels::pointwise::activate;
use cupola_kernels::{Pointwise, elementwise, rows};

/// Maps the values of `x` to a new tensor of the same shape, except that the last axis becomes `width` long.
pub fn map_rows(x: &Tensor, width: usize, f: impl FnOnce(&[f32]) -> Vec<f32>) -> Result<Tensor, CandleError> {
    let mut shape = x.dims().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = width;
    }
    map_to_shape(x, shape, f)
}

/// Maps the values of `x` to a new tensor of any shape.
pub fn map_to_shape(
    x: &Tensor,
    shape: impl Into<candle_core::Shape>,
    f: impl FnOnce(&[f32]) -> Vec<f32>,
) -> Result<Tensor, CandleError> {
    Tensor::from_vec(with_values(x, f)?, shape.into(), &Device::Cpu)
}

/// Copies `x` and applies `f` to the copy's values in place.
pub fn update(x: &Tensor, f: impl FnOnce(&mut [f32])) -> Result<Tensor, CandleError> {
    let width = x.dims().last().copied().unwrap_or(1);
    map_rows(x, width, |values| {
        let mut values = values.to_vec();
        f(&mut values);
        values
    })
}

/// Sum of two tensors of one shape.
pub fn add(x: &Tensor, y: &Tensor) -> Result<Tensor, CandleError> {
    if x.dims() != y.dims() {
        candle_core::bail!("shapes of a sum differ: {:?} and {:?}", x.dims(), y.dims());
    }
    with_values(y, |y| update(x, |x| elementwise::add(x, y)))?
}

/// Sigmoid of each value.
pub fn sigmoid(x: &Tensor) -> Result<Tensor, CandleError> {
    update(x, |values| activate(Pointwise::Sigmoid, values))
}

/// Softmax over the last axis.
pub fn softmax(x: &Tensor) -> Result<Tensor, CandleError> {
    update(x, |values| rows::softmax(values, x.dims().last().copied().unwrap_or(1)))
}

/// Lends the values of a tensor in row-major order.
fn with_values<R>(x: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R, CandleError> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { candle_core::bail!("expected a tensor on the CPU") };
    let (at, count) = (layout.start_offset(), x.elem_count());
    Ok(f(storage.as_slice::<f32>()?.get(at..at + count).unwrap_or_default()))
}
