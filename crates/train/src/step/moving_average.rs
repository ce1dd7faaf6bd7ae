//! Exponential moving average of the weights.

use burn::module::Module;
use cupola_nn::Network;

/// Moving average of the weights, for inference.
pub(crate) struct MovingAverage {
    decay: f64,
    /// `None` if the run has no moving average.
    network: Option<Network>,
}

impl MovingAverage {
    /// Average with the decay `train.ema`, which starts from `network`; `None` for a run without one.
    pub fn new(decay: f64, network: Option<Network>) -> Self {
        Self { decay, network }
    }

    /// The averaged network; `None` if the run has no moving average.
    pub fn network(&self) -> Option<&Network> {
        self.network.as_ref()
    }

    /// Adds the weights after `step` earlier steps. The decay is lower in the first steps, when the initial
    /// weights dominate: `min(decay, (1 + t) / (10 + t))`, as in TensorFlow.
    pub fn update(&mut self, live: &Network, step: u64) {
        let Some(average) = self.network.take() else { return };
        self.network = Some(average.ema_update(&live.valid(), self.decay_at(step)));
    }

    #[allow(clippy::cast_precision_loss)]
    fn decay_at(&self, step: u64) -> f64 {
        let t = step as f64;
        self.decay.min((1.0 + t) / (10.0 + t))
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "quotients of small whole numbers")]
mod tests {
    use super::*;

    #[test]
    fn the_decay_rises_to_its_limit() {
        let average = MovingAverage::new(0.5, None);
        assert_eq!([0, 2, 8, 100].map(|step| average.decay_at(step)), [0.1, 0.25, 0.5, 0.5]);
    }
}
