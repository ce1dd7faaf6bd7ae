//! A batch on its way through the network.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// A batch of examples on a device.
#[derive(Debug, Clone)]
pub struct Input {
    /// `[batch, width]` or `[batch, channels, height, width]`.
    pub dense: Flow,
    /// `[batch, index columns]`, where there are embeddings.
    pub indices: Option<Tensor<2, Int>>,
}

/// A tensor between two layers.
#[derive(Debug, Clone)]
pub enum Flow {
    /// `[batch, width]`
    Flat(Tensor<2>),
    /// `[batch, channels, height, width]`
    Image(Tensor<4>),
}

impl Input {
    /// Copies a batch to a device. `shape` is that of one example's dense part, `dense` holds
    /// `rows` of them, `indices` `rows * index_columns` values.
    pub fn new(rows: usize, shape: &[usize], dense: Vec<f32>, indices: Vec<i32>, device: &Device) -> Self {
        let index_columns = indices.len() / rows.max(1);
        let dense = if let [channels, height, width] = *shape {
            let data = TensorData::new(dense, [rows, channels, height, width]);
            Flow::Image(Tensor::from_data(data, device))
        } else {
            let width = shape.iter().product();
            Flow::Flat(Tensor::from_data(TensorData::new(dense, [rows, width]), device))
        };
        let indices = (index_columns > 0)
            .then(|| Tensor::from_data(TensorData::new(indices, [rows, index_columns]), device));
        Self { dense, indices }
    }
}

impl Flow {
    /// The sum of two of one shape.
    pub(crate) fn add(self, other: Self) -> Self {
        match (self, other) {
            (Self::Flat(a), Self::Flat(b)) => Self::Flat(a + b),
            (Self::Image(a), Self::Image(b)) => Self::Image(a + b),
            (a, b) => unreachable!("shapes {:?} and {:?} were traced as equal", a.shape(), b.shape()),
        }
    }

    /// All axes, batch first.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Flat(x) => x.dims().to_vec(),
            Self::Image(x) => x.dims().to_vec(),
        }
    }
}
