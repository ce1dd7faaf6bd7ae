//! Resources of a server, from the size of its weights.

use super::error::ManifestError;

/// Memory of the program without a model, and of the requests' buffers outside of their budget, in MiB. A server of a small
/// network takes 66 to 96 MB in all.
const PROGRAM_MIB: u64 = 96;
/// Memory for requests in flight in MiB, which the server is told with `--memory-mib`.
pub(super) const REQUESTS_MIB: u32 = 256;
/// Memory of a server over the size of its weights, in percent: 213 was measured with `--engine auto`, which builds both
/// engines to compare them.
const WEIGHTS_PERCENT: u64 = 220;
/// Steps of a memory request in MiB.
const STEP_MIB: u64 = 64;
/// Largest memory in MiB: 64 TiB.
const LIMIT_MIB: u64 = 64 << 20;

/// Resources of one replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerResources {
    /// Thousandths of a processor core.
    pub cpu_milli: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// GPUs.
    pub gpus: u32,
}

impl ServerResources {
    /// Memory of a server whose weights have this size: the program, 2.2 times the weights, and the budget of its requests.
    pub(super) fn memory_of(weights: u64) -> u64 {
        let weights = weights.saturating_mul(WEIGHTS_PERCENT).div_ceil(100).div_ceil(1 << 20);
        (PROGRAM_MIB + u64::from(REQUESTS_MIB) + weights).div_ceil(STEP_MIB) * STEP_MIB
    }

    /// Checks the values, which may come from options.
    pub(super) fn check(&self, weights: u64) -> Result<(), ManifestError> {
        if !(10..=1_024_000).contains(&self.cpu_milli) {
            let why = format!("--cpu {} is out of range", f64::from(self.cpu_milli) / 1000.0);
            return Err(ManifestError::option(why, "give processor cores from 0.01 to 1024"));
        }
        let least = weights.div_ceil(1 << 20) + u64::from(REQUESTS_MIB);
        if self.memory_mib < least {
            let why =
                format!("--memory {}M does not hold the weights and the requests in flight", self.memory_mib);
            return Err(ManifestError::option(why, format!("give at least {least}M, or leave --memory out")));
        }
        if self.memory_mib > LIMIT_MIB {
            return Err(ManifestError::option(
                format!("--memory {}M is too large", self.memory_mib),
                "give at most 64T",
            ));
        }
        Ok(())
    }

    /// Processor cores as Kubernetes writes them.
    pub(super) fn cpu(&self) -> String {
        if self.cpu_milli.is_multiple_of(1000) {
            return (self.cpu_milli / 1000).to_string();
        }
        format!("{}m", self.cpu_milli)
    }

    /// Whole cores, at least one: threads of the server.
    pub(super) fn threads(&self) -> u32 {
        self.cpu_milli.div_ceil(1000)
    }

    /// Memory as Kubernetes writes it.
    pub(super) fn memory(&self) -> String {
        format!("{}Mi", self.memory_mib)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_follows_the_weights() {
        let mib = 1 << 20;
        // 352 MiB without weights, in steps of 64.
        assert_eq!(ServerResources::memory_of(0), 384);
        assert_eq!(ServerResources::memory_of(10 * mib), 384);
        // 484 MB took 2.13 times as much at its peak.
        let memory = ServerResources::memory_of(484_000_000);
        assert!(memory * mib > 484_000_000 * 213 / 100 + 256 * mib && memory.is_multiple_of(64), "{memory}");
        assert!(ServerResources::memory_of(u64::MAX) > 0);
    }

    #[test]
    fn resources_that_cannot_serve_are_refused() {
        let resources = |cpu_milli, memory_mib| ServerResources { cpu_milli, memory_mib, gpus: 0 };
        resources(250, 512).check(100 << 20).unwrap();
        assert_eq!(resources(250, 512).cpu(), "250m");
        assert_eq!((resources(2000, 1).cpu(), resources(1500, 1).threads()), ("2".to_owned(), 2));
        for (wrong, weights) in
            [(resources(0, 512), 0), (resources(1000, 300), 100 << 20), (resources(1000, u64::MAX), 0)]
        {
            assert!(wrong.check(weights).is_err(), "{wrong:?}");
        }
    }
}
