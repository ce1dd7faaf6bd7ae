//! Memory of the machine, and an estimate of what training takes of it.

use cupola_spec::{OptimizerKind, Run, ShapeRow, Train};
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use crate::error::Error;

/// Bytes of a value.
const VALUE: f64 = 4.0;
/// Activations are held once for the backward pass and once more while it runs.
const ACTIVATION_COPIES: f64 = 2.0;
const MIB: f64 = 1_048_576.0;
/// Memory that a GPU is taken to have, since drivers do not report it.
const GPU_BYTES: f64 = 8.0 * 1024.0 * MIB;

/// Bytes of the machine's memory, or of the limit of the process's control group; 0 if unknown.
pub fn machine_memory() -> u64 {
    let system = system();
    let total = system.total_memory();
    system.cgroup_limits().map_or(total, |limits| total.min(limits.total_memory))
}

fn system() -> System {
    System::new_with_specifics(RefreshKind::nothing().with_memory(MemoryRefreshKind::everything()))
}

/// Estimated memory of a training.
#[derive(Debug, Clone, Copy)]
pub struct MemoryEstimate {
    /// Bytes of weights, gradients, moments and moving average.
    fixed: f64,
    /// Bytes of one example's activations.
    per_example: f64,
    /// Examples in memory at once.
    batch: usize,
}

impl MemoryEstimate {
    /// Estimate for a run with these layers and this many parameters.
    #[allow(clippy::cast_precision_loss)]
    pub fn of(run: &Run, layers: &[ShapeRow], parameters: usize) -> Self {
        let train = &run.train;
        let moments = match train.optimizer.kind {
            OptimizerKind::Adamw => 2.0,
            OptimizerKind::Sgd | OptimizerKind::Lion | OptimizerKind::Muon => 1.0,
            OptimizerKind::Adafactor => 0.0,
        };
        let copies = 2.0 + moments + f64::from(u8::from(train.ema > 0.0));
        let activations: f64 =
            layers.iter().map(|row| row.output.iter().map(|&n| n as f64).product::<f64>()).sum();
        Self {
            fixed: VALUE * copies * parameters as f64,
            per_example: VALUE * ACTIVATION_COPIES * activations,
            batch: train.examples_at_once(),
        }
    }

    /// Replaces `batch_size = "auto"` of the run; `false` if the run has a size already.
    ///
    /// The size is the largest power of two up to 1,024 that leaves eight steps an epoch and takes half of
    /// the free memory; a GPU is taken to have 8 GiB. A step that does not fit is divided later.
    #[allow(clippy::cast_precision_loss)]
    pub fn size_batch(self, run: &mut Run, rows: usize, gpu: bool) -> bool {
        if run.train.batch_size != Train::AUTO {
            return false;
        }
        let available = if gpu { GPU_BYTES } else { system().available_memory() as f64 };
        run.train.batch_size = self.batch(available / 2.0, rows);
        run.sealed.train.batch_size = run.train.batch_size;
        true
    }

    #[allow(clippy::cast_precision_loss)]
    fn batch(self, available: f64, rows: usize) -> usize {
        let fits = |size: usize| self.fixed + self.per_example * size as f64 <= available && size * 8 <= rows;
        (1..=10).map(|power| 1 << power).take_while(|size| fits(*size)).last().unwrap_or(1)
    }

    #[allow(clippy::cast_precision_loss)]
    fn bytes(self) -> f64 {
        self.fixed + self.per_example * self.batch as f64
    }

    /// Estimate in MiB.
    pub fn mib(self) -> f64 {
        self.bytes() / MIB
    }

    /// Checks the estimate against the memory of this machine.
    ///
    /// # Errors
    /// [`Error::Memory`], with the largest micro-batch that would fit.
    #[allow(clippy::cast_precision_loss)]
    pub fn fits_this_machine(self) -> Result<(), Error> {
        let available = machine_memory() as f64;
        if available <= 0.0 || self.bytes() <= available {
            return Ok(());
        }
        let (needed_mib, available_mib) = (self.mib(), available / MIB);
        Err(Error::Memory { needed_mib, available_mib, remedy: self.remedy(available) })
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn remedy(self, available: f64) -> String {
        let examples = ((available - self.fixed) / self.per_example.max(1.0)).floor();
        if examples >= 1.0 {
            format!("set train.micro_batch = {} (the batch keeps its size)", examples as usize)
        } else {
            "choose a smaller network: its weights alone do not fit".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_sized_by_memory_and_rows() {
        let memory = MemoryEstimate { fixed: 100.0, per_example: 10.0, batch: 0 };
        assert_eq!(memory.batch(1100.0, 100_000), 64);
        assert_eq!(memory.batch(1e9, 100_000), 1024);
        assert_eq!(memory.batch(1e9, 300), 32);
        assert_eq!(memory.batch(0.0, 300), 1);
    }

    #[test]
    fn the_remedy_is_a_micro_batch_that_fits() {
        let memory = MemoryEstimate { fixed: 100.0, per_example: 10.0, batch: 64 };
        assert!(memory.bytes() <= 740.0);
        let remedy = memory.remedy(300.0);
        assert!(remedy.starts_with("set train.micro_batch = 20 "), "{remedy}");
        assert!(memory.remedy(90.0).starts_with("choose a smaller network"));
    }
}
