//! A batch of examples as it enters a network.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// Batch of examples on a device.
#[derive(Debug, Clone)]
pub struct InputBatch {
    /// Number of examples.
    pub rows: usize,
    /// `[batch, numbers of all sources]`; `None` if there are no numbers.
    pub dense: Option<Tensor<2>>,
    /// `[batch, indices of all sources]`; `None` if there are no indices.
    pub indices: Option<Tensor<2, Int>>,
}

impl InputBatch {
    /// Copies a batch to a device; both lists are in row-major order.
    pub fn new(rows: usize, dense: Vec<f32>, indices: Vec<i32>, device: &Device) -> Self {
        let (d, k) = (dense.len() / rows.max(1), indices.len() / rows.max(1));
        Self {
            rows,
            dense: (d > 0).then(|| Tensor::from_data(TensorData::new(dense, [rows, d]), device)),
            indices: (k > 0).then(|| Tensor::from_data(TensorData::new(indices, [rows, k]), device)),
        }
    }
}
