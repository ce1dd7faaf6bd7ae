//! Transformed rows, ready to become tensors.

use serde::{Deserialize, Serialize};

/// What one example looks like to the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Shape of the dense part: `[width]`, or `[channels, height, width]` of an image.
    pub dense: Vec<usize>,
    /// Number of values of each index column; each gets an embedding.
    pub indices: Vec<usize>,
}

impl Layout {
    /// Values in the dense part.
    pub fn dense_width(&self) -> usize {
        self.dense.iter().product()
    }
}

/// Examples in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Examples {
    /// What one example looks like.
    pub layout: Layout,
    /// Number of examples.
    pub rows: usize,
    /// `[rows, dense...]`
    pub dense: Vec<f32>,
    /// `[rows, index columns]`
    pub indices: Vec<i32>,
}

impl Examples {
    /// Zeros.
    pub fn zeros(layout: Layout, rows: usize) -> Self {
        let (dense, indices) = (rows * layout.dense_width(), rows * layout.indices.len());
        Self { layout, rows, dense: vec![0.0; dense], indices: vec![0; indices] }
    }

    #[allow(clippy::cast_possible_truncation)]
    pub(crate) fn set_dense(&mut self, row: usize, at: usize, value: f64) {
        let width = self.layout.dense_width();
        self.dense[row * width + at] = value as f32;
    }

    pub(crate) fn set_index(&mut self, row: usize, at: usize, index: usize) {
        let width = self.layout.indices.len();
        self.indices[row * width + at] = i32::try_from(index).unwrap_or(i32::MAX);
    }

    /// The examples at `rows`, in that order.
    #[must_use]
    pub fn gather(&self, rows: &[usize]) -> Self {
        let (d, k) = (self.layout.dense_width(), self.layout.indices.len());
        let mut out = Self {
            layout: self.layout.clone(),
            rows: rows.len(),
            dense: Vec::with_capacity(rows.len() * d),
            indices: Vec::with_capacity(rows.len() * k),
        };
        for &row in rows {
            out.dense.extend_from_slice(&self.dense[row * d..(row + 1) * d]);
            out.indices.extend_from_slice(&self.indices[row * k..(row + 1) * k]);
        }
        out
    }
}
