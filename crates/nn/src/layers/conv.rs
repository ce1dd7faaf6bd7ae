//! Convolutions and pooling.

use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AvgPool2d, AvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::tensor::Tensor;

use crate::error::Error;
use crate::fused::conv1d;
use crate::precision::cast_like;
use crate::weights::ModuleBuilder;

/// Builds `torch.nn.Conv2d` of square kernels.
pub fn conv2d(module: &mut ModuleBuilder<'_, '_>, stride: usize, padding: usize) -> Result<Conv2d, Error> {
    let weight = module.param::<4>("weight")?;
    let bias = module.optional("bias")?;
    let [out, input, height, width] = weight.dims();
    let mut conv = Conv2dConfig::new([input, out], [height, width])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
        .with_bias(bias.is_some())
        .init(module.builder.device);
    (conv.weight, conv.bias) = (weight, bias);
    Ok(conv)
}

/// `torch.nn.MaxPool2d` of square windows.
pub fn max_pool(kernel: usize, stride: usize, padding: usize) -> MaxPool2d {
    let padding = PaddingConfig2d::Explicit(padding, padding, padding, padding);
    let config = MaxPool2dConfig::new([kernel, kernel]).with_strides([stride, stride]);
    config.with_padding(padding).init()
}

/// `torch.nn.AvgPool2d` of square windows.
pub fn avg_pool(kernel: usize, stride: usize) -> AvgPool2d {
    AvgPool2dConfig::new([kernel, kernel]).with_strides([stride, stride]).init()
}

/// Convolution along time that keeps the length (`torch.nn.Conv1d`).
#[derive(Module, Debug)]
pub struct Conv1d {
    /// `[out, in, kernel]`
    weight: Param<Tensor<3>>,
    bias: Param<Tensor<1>>,
    #[module(skip)]
    dilation: usize,
    #[module(skip)]
    causal: bool,
}

impl Conv1d {
    pub(super) fn build(
        module: &mut ModuleBuilder<'_, '_>,
        dilation: usize,
        causal: bool,
    ) -> Result<Self, Error> {
        Ok(Self { weight: module.param("weight")?, bias: module.param("bias")?, dilation, causal })
    }

    /// `[batch, time, in]` to `[batch, time, out]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.swap_dims(1, 2);
        let [batch, width, _] = x.dims();
        let reach = (self.weight.dims()[2] - 1) * self.dilation;
        let (x, padding) = if self.causal && reach > 0 {
            let before = cast_like(Tensor::<3>::zeros([batch, width, reach], &x.device()), &x);
            (Tensor::cat(vec![before, x], 2), 0)
        } else {
            (x, reach / 2)
        };
        let (weight, bias) = (cast_like(self.weight.val(), &x), cast_like(self.bias.val(), &x));
        conv1d(x, weight, bias, padding, self.dilation).swap_dims(1, 2)
    }
}
