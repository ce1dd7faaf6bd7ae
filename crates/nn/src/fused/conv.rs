//! Convolutions.

use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;
use burn::module::Param;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use burn::tensor::module::conv1d as composed_conv1d;
use burn::tensor::ops::ConvOptions;
use cupola_kernels::training::conv::{self as kernel, ConvShape};

use super::{FusedOp, apply, flex, of_inputs, values, wrap};

/// Forward pass of a convolution of images.
pub(crate) fn conv2d(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let PaddingConfig2d::Explicit(top, left, bottom, right) = layer.padding else {
        return layer.forward(x);
    };
    if (top, left) != (bottom, right) {
        return layer.forward(x);
    }
    let op =
        ConvOp { stride: layer.stride, padding: [top, left], dilation: layer.dilation, groups: layer.groups };
    let bias = layer.bias.as_ref().map(Param::val);
    convolve(op, x, layer.weight.val(), bias).unwrap_or_else(|x| layer.forward(x))
}

/// Convolution of `x` `[batch, channels, time]` by `weight` `[output, channels, kernel]` along time.
pub(crate) fn conv1d(
    x: Tensor<3>,
    weight: Tensor<3>,
    bias: Tensor<1>,
    padding: usize,
    dilation: usize,
) -> Tensor<3> {
    let op = ConvOp { stride: [1, 1], padding: [0, padding], dilation: [1, dilation], groups: 1 };
    let (x, kernel) = (x.unsqueeze_dim(2), weight.clone().unsqueeze_dim(2));
    match convolve(op, x, kernel, Some(bias.clone())) {
        Ok(y) => y.squeeze_dim(2),
        Err(x) => {
            let options = ConvOptions::new([1], [padding], [dilation], 1);
            composed_conv1d(x.squeeze_dim(2), weight, Some(bias), options)
        }
    }
}

/// The convolution; returns `x` if the device or type is another one.
pub(super) fn convolve(
    op: ConvOp,
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
) -> Result<Tensor<4>, Tensor<4>> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    match bias {
        Some(bias) => apply(op, [x, weight, bias.into_dispatch()]).map(wrap).map_err(|[x, ..]| wrap(x)),
        None => apply(op, [x, weight]).map(wrap).map_err(|[x, ..]| wrap(x)),
    }
}

#[derive(Debug)]
pub(super) struct ConvOp {
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
    pub groups: usize,
}

impl ConvOp {
    fn shape(&self, x: &FlexTensor, weight: &FlexTensor) -> ConvShape {
        let [images, channels, height, width] = x.shape().dims();
        let [output, _, rows, columns] = weight.shape().dims();
        ConvShape {
            images,
            channels,
            output,
            size: [height, width],
            kernel: [rows, columns],
            stride: self.stride,
            padding: self.padding,
            dilation: self.dilation,
            groups: self.groups,
        }
    }
}

/// Inputs are images, weight and, if there is one, bias.
impl<const N: usize> FusedOp<N> for ConvOp {
    type Saved = [FlexTensor; 2];

    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, [FlexTensor; 2]) {
        let mut inputs = inputs.into_iter();
        let (Some(x), Some(weight)) = (inputs.next(), inputs.next()) else {
            unreachable!("a convolution of {N} inputs");
        };
        let shape = self.shape(&x, &weight);
        let bias = inputs.next();
        let y = kernel::forward(values(&x), values(&weight), bias.as_ref().map(values), &shape);
        let [high, wide] = shape.output_size();
        (flex(y, [shape.images, shape.output, high, wide]), [x, weight])
    }

    fn backward(
        &self,
        [x, weight]: [FlexTensor; 2],
        gradient: FlexTensor,
        needed: [bool; N],
    ) -> [Option<FlexTensor>; N] {
        let shape = self.shape(&x, &weight);
        let found = kernel::backward(values(&x), values(&weight), values(&gradient), &shape, needed[0]);
        of_inputs([
            needed[0].then(|| flex(found.x, x.shape())),
            Some(flex(found.weight, weight.shape())),
            Some(flex(found.bias, [shape.output])),
        ])
    }
}
