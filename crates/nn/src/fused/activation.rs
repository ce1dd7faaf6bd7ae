//! Activation functions.

use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;
use burn::tensor::{Tensor, activation};
use cupola_kernels::Pointwise;
use cupola_kernels::training::activation as kernel;
use cupola_spec::Activation;

use super::{FusedOp, apply, flex, values, wrap};

/// Kernel of an activation function.
pub fn pointwise(function: Activation) -> Pointwise {
    match function {
        Activation::Relu => Pointwise::Relu,
        Activation::Gelu => Pointwise::Gelu,
        Activation::GeluTanh => Pointwise::GeluTanh,
        Activation::Silu => Pointwise::Silu,
        Activation::Tanh => Pointwise::Tanh,
        Activation::Sigmoid => Pointwise::Sigmoid,
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

    const ALL: [Activation; 6] = [
        Activation::Relu,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Silu,
        Activation::Tanh,
        Activation::Sigmoid,
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
