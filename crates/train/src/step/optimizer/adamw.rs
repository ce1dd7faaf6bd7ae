//! `AdamW` on the CPU's kernels, with Burn's state.

use burn::optim::{AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, Optimizer};
use burn::tensor::{Device, Tensor};
use cupola_kernels::training::optimizer::adamw::AdamwStep;
use cupola_nn::adamw_step;

use super::DecayShare;

/// Small number that is added to the divisor, `PyTorch`'s default.
const EPSILON: f32 = 1e-8;

/// `AdamW` that updates weights and moments in one pass on Flex, and by Burn's operations on other devices.
#[derive(Clone)]
pub(super) struct FusedAdamW {
    betas: [f32; 2],
    decay: f32,
    share: DecayShare,
}

impl FusedAdamW {
    #[allow(clippy::cast_possible_truncation, reason = "the optimiser computes in single precision")]
    pub fn new(betas: [f64; 2], decay: f64, share: DecayShare) -> Self {
        Self { betas: betas.map(|beta| beta as f32), decay: decay as f32, share }
    }

    /// Weight decay of this step.
    #[allow(clippy::cast_possible_truncation, reason = "the optimiser computes in single precision")]
    fn decay(&self) -> f32 {
        (f64::from(self.decay) * self.share.get()) as f32
    }

    /// Burn's optimiser with the weight decay of this step.
    fn composed(&self) -> AdamW {
        AdamWConfig::new()
            .with_beta_1(self.betas[0])
            .with_beta_2(self.betas[1])
            .with_epsilon(EPSILON)
            .with_weight_decay(self.decay())
            .build()
    }

    /// Coefficients of the step after `time` earlier ones.
    #[allow(clippy::cast_possible_truncation, reason = "the optimiser computes in single precision")]
    fn coefficients(&self, rate: f64, time: usize) -> AdamwStep {
        let step = i32::try_from(time + 1).unwrap_or(i32::MAX);
        AdamwStep {
            betas: self.betas,
            corrections: self.betas.map(|beta| 1.0 - beta.powi(step)),
            eps: EPSILON,
            rate: rate as f32,
            shrink: (1.0 - rate * f64::from(self.decay())) as f32,
        }
    }
}

impl Optimizer for FusedAdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        rate: f64,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        let is_first = state.is_none();
        let momentum = state.map_or_else(
            || AdaptiveMomentumState::new(0, grad.zeros_like(), grad.zeros_like()),
            |state| state.momentum,
        );
        let AdaptiveMomentumState { time, moment_1, moment_2, .. } = momentum;
        match adamw_step([tensor, moment_1, moment_2], &grad, &self.coefficients(rate, time)) {
            Ok([tensor, first, second]) => {
                (tensor, Some(AdamWState::new(AdaptiveMomentumState::new(time + 1, first, second))))
            }
            Err([tensor, first, second]) => {
                let state = AdamWState::new(AdaptiveMomentumState::new(time, first, second));
                self.composed().step(rate, tensor, grad, (!is_first).then_some(state))
            }
        }
    }

    fn to_device<const D: usize>(state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        AdamW::to_device(state, device)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{FloatDType, TensorData};

    use super::*;

    /// Weights after four steps.
    fn weights(dtype: FloatDType) -> Vec<f64> {
        let device = Device::flex();
        let values = |phase: f32| -> Tensor<2> {
            let values = (0..60_u8).map(|i| (f32::from(i) * 0.7 + phase).sin()).collect();
            Tensor::<2>::from_data(TensorData::new::<f32, _>(values, [6, 10]), &device).cast(dtype)
        };
        let (optimizer, mut tensor, mut state) =
            (FusedAdamW::new([0.9, 0.99], 0.1, DecayShare::default()), values(0.0), None);
        for step in 1..5_u8 {
            (tensor, state) = optimizer.step(0.01, tensor, values(f32::from(step)), state);
        }
        assert_eq!(state.map(|state| state.momentum.time), Some(4));
        tensor.into_data().iter::<f64>().collect()
    }

    #[test]
    fn the_kernel_steps_as_the_composed_optimizer_in_64_bits() {
        for (a, b) in weights(FloatDType::F32).iter().zip(weights(FloatDType::F64)) {
            assert!((a - b).abs() < 2e-6, "{a}, composed {b}");
        }
    }
}
