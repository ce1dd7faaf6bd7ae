//! How much memory there is, and how much of it training takes, told before it begins.

use anyhow::Result;
use cupola_spec::{OptimizerKind, Run, ShapeRow, Train};
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use crate::failure::Mistake;

/// Bytes of a value.
const VALUE: f64 = 4.0;
/// Activations are held once for the backward pass and once more while it runs.
const ACTIVATION_COPIES: f64 = 2.0;

/// Bytes of the machine's memory, or of what the process's group may take of it; 0 where nobody tells.
pub fn there() -> u64 {
    let kind = RefreshKind::nothing().with_memory(MemoryRefreshKind::everything());
    let system = System::new_with_specifics(kind);
    let all = system.total_memory();
    system.cgroup_limits().map_or(all, |limits| all.min(limits.total_memory))
}

/// An estimate in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Weights, gradients, moments, moving average.
    fixed: f64,
    /// Activations of one example.
    each: f64,
    /// Examples in memory at once.
    batch: usize,
}

impl Memory {
    /// Of a run with these layers.
    #[allow(clippy::cast_precision_loss)]
    pub fn of(run: &Run, rows: &[ShapeRow], parameters: usize) -> Self {
        let train = &run.train;
        let moments = match train.optimizer.kind {
            OptimizerKind::Adamw => 2.0,
            OptimizerKind::Sgd | OptimizerKind::Lion | OptimizerKind::Muon => 1.0,
            OptimizerKind::Adafactor => 0.0,
        };
        let copies = 2.0 + moments + f64::from(u8::from(train.ema > 0.0));
        let activations: f64 =
            rows.iter().map(|row| row.output.iter().map(|&n| n as f64).product::<f64>()).sum();
        Self {
            fixed: VALUE * copies * parameters as f64,
            each: VALUE * ACTIVATION_COPIES * activations,
            batch: train.examples_at_once(),
        }
    }

    /// Where `batch_size = "auto"`, writes a number in its place: the largest power of two whose memory is
    /// half of what is free, that leaves eight steps an epoch, up to 1,024. How much memory a GPU has is
    /// not told, so that one is taken to have 8 GiB; a step that does not fit after all is divided.
    #[allow(clippy::cast_precision_loss)]
    pub fn sizes_batch(self, run: &mut Run, rows: usize, gpu: bool) -> bool {
        if run.train.batch_size != Train::AUTO {
            return false;
        }
        let kind = RefreshKind::nothing().with_memory(MemoryRefreshKind::everything());
        let free = System::new_with_specifics(kind).available_memory() as f64;
        let there = if gpu { 8.0 * f64::from(1 << 30) } else { free };
        run.train.batch_size = self.batch(there / 2.0, rows);
        run.sealed.train.batch_size = run.train.batch_size;
        true
    }

    #[allow(clippy::cast_precision_loss)]
    fn batch(self, there: f64, rows: usize) -> usize {
        let fits = |size: usize| self.fixed + self.each * size as f64 <= there && size * 8 <= rows;
        (1..=10).map(|power| 1 << power).take_while(|size| fits(*size)).last().unwrap_or(1)
    }

    /// MiB in all.
    #[allow(clippy::cast_precision_loss)]
    pub fn mib(self) -> f64 {
        (self.fixed + self.each * self.batch as f64) / f64::from(1 << 20)
    }

    /// Refuses what this machine cannot hold, with the part of a batch that it could.
    ///
    /// # Errors
    /// [`Mistake`], with the remedy.
    #[allow(clippy::cast_precision_loss)]
    pub fn fits_this_machine(self) -> Result<()> {
        let there = there() as f64;
        match self.remedy(there) {
            Some(remedy) if there > 0.0 => {
                let (needed, there) = (self.mib(), there / f64::from(1 << 20));
                let text = format!(
                    "training takes about {needed:.0} MiB, this machine has {there:.0} MiB; {remedy}"
                );
                Err(Mistake(text).into())
            }
            _ => Ok(()),
        }
    }

    /// What to do where `there` bytes do not do.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn remedy(self, there: f64) -> Option<String> {
        if self.fixed + self.each * self.batch as f64 <= there {
            return None;
        }
        let part = ((there - self.fixed) / self.each.max(1.0)).floor();
        Some(if part >= 1.0 {
            format!("set train.micro_batch = {} (the batch stays what it is)", part as usize)
        } else {
            "choose a smaller network: its weights alone do not fit".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_sized_by_memory_and_rows() {
        let memory = Memory { fixed: 100.0, each: 10.0, batch: 0 };
        assert_eq!(memory.batch(1100.0, 100_000), 64);
        assert_eq!(memory.batch(1e9, 100_000), 1024);
        assert_eq!(memory.batch(1e9, 300), 32);
        assert_eq!(memory.batch(0.0, 300), 1);
    }

    #[test]
    fn the_remedy_is_a_part_of_the_batch_that_fits() {
        let memory = Memory { fixed: 100.0, each: 10.0, batch: 64 };
        assert_eq!(memory.remedy(740.0), None);
        let remedy = memory.remedy(300.0).unwrap();
        assert!(remedy.starts_with("set train.micro_batch = 20 "), "{remedy}");
        assert!(memory.remedy(90.0).unwrap().starts_with("choose a smaller network"));
    }
}
