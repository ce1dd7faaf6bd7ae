//! Settings of `[train]` of the networks of a portfolio.

use cupola_spec::Train;

/// Evaluations without improvement after which a network ends, as in Gorishniy et al. 2021 and 2024.
const PATIENCE: usize = 16;

/// Length, batch and rate of the training of a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct NetworkSettings {
    epochs: usize,
    /// Batch, rate and decay; `None` for those that the family sets by itself, with its schedule.
    steps: Option<StepSettings>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct StepSettings {
    batch_size: usize,
    learning_rate: f64,
    weight_decay: f64,
}

/// Settings for so many training rows: about as many steps, in smaller batches where rows are few.
pub(super) fn settings(rows: usize, learning_rate: f64, weight_decay: f64) -> NetworkSettings {
    let (epochs, batch_size) = match rows {
        0..=2_000 => (100, 64),
        2_001..=20_000 => (60, 128),
        20_001..=200_000 => (30, 256),
        _ => (15, 512),
    };
    NetworkSettings { epochs, steps: Some(StepSettings { batch_size, learning_rate, weight_decay }) }
}

/// Settings of a family that has its own, with fewer epochs where rows are many.
pub(super) fn of_family(rows: usize) -> NetworkSettings {
    let epochs = match rows {
        0..=5_000 => 256,
        5_001..=20_000 => 128,
        20_001..=100_000 => 64,
        _ => 16,
    };
    NetworkSettings { epochs, steps: None }
}

impl NetworkSettings {
    /// Half as many epochs in larger batches, for a model that converges soon.
    pub fn light(self) -> Self {
        let steps = self.steps.map(|steps| StepSettings { batch_size: 2 * steps.batch_size, ..steps });
        Self { epochs: self.epochs.div_ceil(2), steps }
    }

    /// Writes the settings into `[train]`.
    pub fn apply(self, train: &mut Train) {
        train.epochs = self.epochs;
        train.micro_batch = 0;
        if let Some(steps) = self.steps {
            train.batch_size = steps.batch_size;
            train.early_stop.patience = PATIENCE.min(self.epochs / 3);
            train.optimizer.learning_rate = steps.learning_rate;
            train.optimizer.weight_decay = steps.weight_decay;
        }
    }
}
