//! A batch on its way through the network.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// A batch of examples on a device.
#[derive(Debug, Clone)]
pub struct Input {
    /// Number of examples.
    pub rows: usize,
    /// `[batch, real numbers of all sources]`, where there are any.
    pub dense: Option<Tensor<2>>,
    /// `[batch, indices of all sources]`, where there are any.
    pub indices: Option<Tensor<2, Int>>,
}

/// A tensor between two layers.
#[derive(Debug, Clone)]
pub enum Flow {
    /// `[batch, width]`
    Flat(Tensor<2>),
    /// `[batch, time, width]`, and `[batch, time]` true at padding where there can be any.
    Sequence(Tensor<3>, Option<Tensor<2, Bool>>),
    /// `[batch, channels, height, width]`
    Image(Tensor<4>),
}

impl Input {
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

impl Flow {
    /// The sum of two of one shape.
    pub(crate) fn add(self, other: Self) -> Self {
        match (self, other) {
            (Self::Flat(a), Self::Flat(b)) => Self::Flat(a + b),
            (Self::Sequence(a, mask), Self::Sequence(b, _)) => Self::Sequence(a + b, mask),
            (Self::Image(a), Self::Image(b)) => Self::Image(a + b),
            (a, b) => unreachable!("shapes {:?} and {:?} were traced as equal", a.shape(), b.shape()),
        }
    }

    /// All axes, batch first.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Flat(x) => x.dims().to_vec(),
            Self::Sequence(x, _) => x.dims().to_vec(),
            Self::Image(x) => x.dims().to_vec(),
        }
    }
}
