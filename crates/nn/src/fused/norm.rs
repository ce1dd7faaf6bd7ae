//! Norms of rows and batches.

use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use burn::tensor::module::{batch_norm_train as composed_batch_norm, layer_norm as composed_layer_norm};
use cupola_kernels::training::batch_norm::{self, BatchStatistics};
use cupola_kernels::training::norm::{self as kernel, RowNorm};

use super::{FusedOp, apply, flex, primitive, values, wrap};

/// Layer norm over the last axis.
pub(crate) fn layer_norm<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Option<Tensor<1>>,
    eps: f64,
) -> Tensor<D> {
    let op = RowNormOp::new(RowNorm::Layer, eps);
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    match bias {
        Some(bias) => match apply(op, [x, weight, bias.into_dispatch()]) {
            Ok(y) => wrap(y),
            Err([x, weight, bias]) => composed_layer_norm(wrap(x), wrap(weight), Some(wrap(bias)), eps),
        },
        None => match apply(op, [x, weight]) {
            Ok(y) => wrap(y),
            Err([x, weight]) => composed_layer_norm(wrap(x), wrap(weight), None, eps),
        },
    }
}

/// RMS norm over the last axis, in the type of `x`.
pub(crate) fn rms_norm<const D: usize>(x: Tensor<D>, weight: Tensor<1>, eps: f64) -> Tensor<D> {
    let op = RowNormOp::new(RowNorm::Rms, eps);
    match apply(op, [x.into_dispatch(), weight.into_dispatch()]) {
        Ok(y) => wrap(y),
        Err([x, weight]) => {
            let (x, weight): (Tensor<D>, Tensor<1>) = (wrap(x), wrap(weight));
            let scale = (x.clone().square().mean_dim(D - 1) + eps).sqrt();
            (x / scale) * weight.unsqueeze()
        }
    }
}

/// Output of a batch norm, and the statistics that it normalised by.
pub(crate) struct BatchNormed<const D: usize> {
    pub output: Tensor<D>,
    pub mean: Tensor<1>,
    /// Biased variance.
    pub variance: Tensor<1>,
}

/// Batch norm over axis 1 by the statistics of the batch.
pub(crate) fn batch_norm<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    eps: f64,
) -> BatchNormed<D> {
    let dims = x.dims();
    let inner = dims[2..].iter().product();
    let (device, x) = (x.device(), x.into_dispatch());
    if let Some(primitive) = primitive(&x) {
        let by = batch_norm::statistics(values(&super::contiguous(primitive)), dims[1], inner);
        let of = |values: &[f32]| Tensor::from_floats(values, &device);
        let (mean, variance) = (of(&by.mean), of(&by.variance));
        let op = BatchNormOp { by, inner, eps: single(eps) };
        let inputs = [x, weight.into_dispatch(), bias.into_dispatch()];
        return match apply(op, inputs) {
            Ok(output) => BatchNormed { output: wrap(output), mean, variance },
            Err([x, weight, bias]) => composed(wrap(x), wrap(weight), wrap(bias), eps),
        };
    }
    composed(wrap(x), weight, bias, eps)
}

fn composed<const D: usize>(x: Tensor<D>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> BatchNormed<D> {
    let found = composed_batch_norm(x, weight, bias, eps);
    BatchNormed { output: found.output, mean: found.mean, variance: found.variance }
}

#[allow(clippy::cast_possible_truncation, reason = "kernels compute in single precision")]
fn single(eps: f64) -> f32 {
    eps as f32
}

#[derive(Debug)]
struct RowNormOp {
    kind: RowNorm,
    eps: f32,
}

impl RowNormOp {
    fn new(kind: RowNorm, eps: f64) -> Self {
        Self { kind, eps: single(eps) }
    }
}

/// Inputs are rows, weight and, if there is one, bias.
impl<const N: usize> FusedOp<N> for RowNormOp {
    type Saved = (FlexTensor, FlexTensor, Vec<[f32; 2]>);

    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Saved) {
        let mut inputs = inputs.into_iter();
        let (Some(x), Some(weight)) = (inputs.next(), inputs.next()) else {
            unreachable!("a norm of {N} inputs");
        };
        let bias = inputs.next();
        let found =
            kernel::forward(self.kind, values(&x), values(&weight), bias.as_ref().map(values), self.eps);
        (flex(found.y, x.shape()), (x, weight, found.statistics))
    }

    fn backward(
        &self,
        (x, weight, statistics): Self::Saved,
        gradient: FlexTensor,
        _: [bool; N],
    ) -> [Option<FlexTensor>; N] {
        let found = kernel::backward(self.kind, values(&x), values(&weight), &statistics, values(&gradient));
        let mut gradients =
            [flex(found.x, x.shape()), flex(found.weight, weight.shape()), flex(found.bias, weight.shape())]
                .into_iter();
        std::array::from_fn(|_| gradients.next())
    }
}

#[derive(Debug)]
struct BatchNormOp {
    by: BatchStatistics,
    inner: usize,
    eps: f32,
}

impl FusedOp<3> for BatchNormOp {
    type Saved = [FlexTensor; 2];

    fn forward(&self, [x, weight, bias]: [FlexTensor; 3]) -> (FlexTensor, [FlexTensor; 2]) {
        let (weights, biases) = (values(&weight), values(&bias));
        let y = batch_norm::forward(values(&x), &self.by, weights, biases, self.inner, self.eps);
        (flex(y, x.shape()), [x, weight])
    }

    fn backward(
        &self,
        [x, weight]: [FlexTensor; 2],
        gradient: FlexTensor,
        _: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let (x_values, gradient) = (values(&x), values(&gradient));
        let found = batch_norm::backward(x_values, &self.by, values(&weight), gradient, self.inner, self.eps);
        [
            Some(flex(found.x, x.shape())),
            Some(flex(found.weight, weight.shape())),
            Some(flex(found.bias, weight.shape())),
        ]
    }
}
