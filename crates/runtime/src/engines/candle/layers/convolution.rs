//! Convolution along time.

use candle_core::{Error as CandleError, Tensor};
use cupola_kernels::training::conv::{self, ConvShape};

use crate::engines::candle::tensors;

/// Convolution of series that keeps their length.
pub struct TimeConvolution {
    /// `[output, input, kernel]`
    pub weight: Vec<f32>,
    /// `[output]`
    pub bias: Vec<f32>,
    /// Values of a step of the output.
    pub output: usize,
    /// Number of taps.
    pub kernel: usize,
    /// Steps between two taps.
    pub dilation: usize,
    /// `true` if a step sees only itself and earlier steps.
    pub causal: bool,
}

impl TimeConvolution {
    /// Maps `[batch, time, input]` to `[batch, time, output]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, CandleError> {
        let (images, time, channels) = x.dims3()?;
        let reach = (self.kernel - 1) * self.dilation;
        let (before, padding) = if self.causal { (reach, 0) } else { (0, reach / 2) };
        let x = x.transpose(1, 2)?.contiguous()?.pad_with_zeros(2, before, 0)?;
        let shape = ConvShape {
            images,
            channels,
            output: self.output,
            size: [1, before + time],
            kernel: [1, self.kernel],
            stride: [1, 1],
            padding: [0, padding],
            dilation: [1, self.dilation],
            groups: 1,
        };
        let y = tensors::map_to_shape(&x, (images, self.output, time), |x| {
            conv::forward(x, &self.weight, Some(&self.bias), &shape)
        })?;
        y.transpose(1, 2)?.contiguous()
    }
}
