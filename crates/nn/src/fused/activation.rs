//! Activation functions.

use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;
use burn::tensor::{Tensor, activation};
use cupola_kernels::Pointwise;
use cupola_kernels::training::activation as kernel;
use cupola_spec::Activation;

use super::{FusedOp, apply, flex, values, wrap};

/// Factor of SELU, and its factor of the exponential below 0 (Klambauer et al. 2017).
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
const SELU_BELOW: f64 = 1.758_099_340_847_376_6;

/// Kernel of an activation function.
pub fn pointwise(function: Activation) -> Pointwise {
    match function {
        Activation::Relu => Pointwise::Relu,
        Activation::Gelu => Pointwise::Gelu,
        Activation::GeluTanh => Pointwise::GeluTanh,
        Activation::Silu => Pointwise::Silu,
        Activation::Tanh => Pointwise::Tanh,
        Activation::Sigmoid => Pointwise::Sigmoid,
        Activation::Selu => Pointwise::Selu,
        Activation::Mish => Pointwise::Mish,
    }
}

/// Applies an activation function to each value.
pub(crate) fn activate<const D: usize>(function: Activation, x: Tensor<D>) -> Tensor<D> {
    match apply(ActivationOp(pointwise(function)), [x.into_dispatch()]) {
        Ok(y) => wrap(y),
        Err([x]) => composed(function, wrap(x)),
    }
}

fn composed<const D: usize>(function: Activation, x: Tensor<D>) -> Tensor<D> {
    match function {
        Activation::Relu => activation::relu(x),
        Activation::Gelu => activation::gelu(x),
        Activation::GeluTanh => activation::gelu_approximate(x),
        Activation::Silu => activation::silu(x),
        Activation::Tanh => activation::tanh(x),
        Activation::Sigmoid => activation::sigmoid(x),
        // Burn's functions have gradients that are not a number where the exponential overflows.
        Activation::Selu => {
            let below = x.clone().clamp_max(0.0).exp().sub_scalar(1.0);
            activation::relu(x).mul_scalar(SELU_SCALE) + below.mul_scalar(SELU_BELOW)
        }
        Activation::Mish => {
            let n = x.clone().clamp_max(20.0).exp();
            let sum = n.clone() * n.add_scalar(2.0);
            x * sum.clone() / sum.add_scalar(2.0)
        }
    }
}

#[derive(Debug)]
struct ActivationOp(Pointwise);

impl FusedOp<1> for ActivationOp {
    type Saved = FlexTensor;

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, FlexTensor) {
        (flex(kernel::forward(self.0, values(&x)), x.shape()), x)
    }

    fn backward(&self, x: FlexTensor, gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        [Some(flex(kernel::backward(self.0, values(&x), values(&gradient)), x.shape()))]
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device, FloatDType, TensorData};

    use super::*;

    const ALL: [Activation; 8] = [
        Activation::Relu,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Silu,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Selu,
        Activation::Mish,
    ];

    /// Values and gradient of the sum of squares.
    fn run(function: Activation, dtype: FloatDType, rows: usize) -> (Vec<f64>, Vec<f64>) {
        let data: Vec<f32> = (0..rows * 33).map(|i| (i as f32 * 0.37).sin() * 6.0).collect();
        let device = Device::flex().autodiff();
        let x: Tensor<2> = Tensor::from_data(TensorData::new(data, [33, rows]), &device);
        let x = x.cast(dtype).require_grad();
        // A transposed view: the kernel must not read it in the order of the memory.
        let y = activate(function, x.clone().transpose());
        assert_eq!(y.dtype(), DType::from(dtype));
        let gradients = y.clone().square().sum().backward();
        let list = |x: Tensor<2>| x.into_data().iter::<f64>().collect();
        (list(y), list(x.grad(&gradients).unwrap()))
    }

    #[test]
    fn fused_activations_are_the_composed_ones_in_64_bits() {
        for function in ALL {
            for rows in [1, 7, 1_000] {
                let (fused, composed) =
                    (run(function, FloatDType::F32, rows), run(function, FloatDType::F64, rows));
                for (a, b) in fused.0.iter().zip(&composed.0) {
                    assert!((a - b).abs() < 2e-6, "{function:?}: {a}, composed {b}");
                }
                for (a, b) in fused.1.iter().zip(&composed.1) {
                    assert!((a - b).abs() < 2e-5, "gradient of {function:?}: {a}, composed {b}");
                }
            }
        }
    }
}
