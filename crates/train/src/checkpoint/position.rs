//! Position of a run among its epochs and batches.

/// Position between two steps, and the sums of the epoch so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RunPosition {
    /// Number of completed steps.
    pub step: u64,
    /// Current epoch, from 0.
    pub epoch: u64,
    /// Number of completed batches of the epoch.
    pub batch: u64,
    /// Sum of the losses of this epoch's examples.
    pub loss_sum: f64,
    /// Number of examples of this epoch so far.
    pub seen: u64,
    /// Total duration of all steps in seconds.
    pub seconds: f64,
}

impl RunPosition {
    /// The position before the first step.
    pub fn start() -> Self {
        Self { step: 0, epoch: 0, batch: 0, loss_sum: 0.0, seen: 0, seconds: 0.0 }
    }

    /// Counts a step on a batch of `examples` examples with the mean loss `loss`.
    #[allow(clippy::cast_precision_loss)]
    pub fn advance(&mut self, loss: f64, examples: usize, seconds: f64) {
        self.step += 1;
        self.batch += 1;
        self.loss_sum += loss * examples as f64;
        self.seen += examples as u64;
        self.seconds += seconds;
    }

    /// Moves to the start of the next epoch.
    pub fn end_epoch(&mut self) {
        *self = Self { epoch: self.epoch + 1, batch: 0, loss_sum: 0.0, seen: 0, ..*self };
    }

    /// Mean loss of this epoch's examples so far.
    #[allow(clippy::cast_precision_loss)]
    pub fn mean_loss(&self) -> f64 {
        self.loss_sum / self.seen.max(1) as f64
    }

    /// Number of examples of this epoch before the next batch.
    pub fn examples_before(&self, batch_size: usize) -> usize {
        usize::try_from(self.batch).unwrap_or(usize::MAX).saturating_mul(batch_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_sums_its_batches_and_the_next_one_starts_anew() {
        let mut at = RunPosition::start();
        at.advance(1.0, 16, 0.25);
        at.advance(4.0, 8, 0.5);
        assert!((at.mean_loss() - 2.0).abs() < 1e-12);
        assert_eq!((at.examples_before(16), at.seen), (32, 24));
        at.end_epoch();
        let expected = RunPosition { step: 2, epoch: 1, seconds: 0.75, ..RunPosition::start() };
        assert_eq!(at, expected);
    }
}
