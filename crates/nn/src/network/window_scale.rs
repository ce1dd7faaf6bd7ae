//! Reversible instance normalisation of a window (Kim et al. 2022).

use burn::tensor::Tensor;

/// Added to a window's variance before the square root.
const EPSILON: f64 = 1e-5;

/// Mean and standard deviation of each series of a window, `[batch, 1, width]`.
pub struct WindowScale {
    mean: Tensor<3>,
    deviation: Tensor<3>,
}

impl WindowScale {
    /// Normalises a window `[batch, time, width]`; returns its scale and the normalised window.
    pub fn normalize(x: Tensor<3>) -> (Self, Tensor<3>) {
        let mean = x.clone().mean_dim(1);
        let centred = x - mean.clone();
        let deviation = centred.clone().square().mean_dim(1).add_scalar(EPSILON).sqrt();
        let normalized = centred / deviation.clone();
        (Self { mean, deviation }, normalized)
    }

    /// Restores the scale of one series to a forecast `[batch, horizon]`.
    pub fn restore(&self, x: Tensor<2>, channel: usize) -> Tensor<2> {
        let batch = x.dims()[0];
        let of = |all: &Tensor<3>| all.clone().narrow(2, channel, 1).reshape([batch, 1]);
        x * of(&self.deviation) + of(&self.mean)
    }
}
