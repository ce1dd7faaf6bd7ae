//! Norm of gradients.

use burn::tensor::Tensor;
use cupola_kernels::training::optimizer::gradient_norm as kernel;

use super::{contiguous, primitive, values};

/// Sum of the squares of a tensor's values; `None` if the device or type has no kernel.
pub fn square_sum<const D: usize>(tensor: &Tensor<D>) -> Option<f64> {
    let tensor = primitive(&tensor.clone().into_dispatch())?;
    Some(kernel::square_sum(values(&contiguous(tensor))))
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, FloatDType};

    use super::*;

    #[test]
    fn a_view_has_the_sum_of_its_own_values() {
        let x = Tensor::<2>::from_floats([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], &Device::flex());
        let view = x.clone().transpose().narrow(0, 1, 2);
        assert_eq!(square_sum(&view).map(f64::to_bits), Some(74.0_f64.to_bits()));
        assert!(square_sum(&x.cast(FloatDType::F64)).is_none());
    }
}
