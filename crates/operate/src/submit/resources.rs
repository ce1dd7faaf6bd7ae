//! Resources of a job.

use serde::{Deserialize, Serialize};

/// Resources of each process of a job; what is `None` is left to the cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JobResources {
    /// Time limit in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// GPUs.
    #[serde(default)]
    pub gpus: u32,
    /// Processor cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// Memory in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
}

impl JobResources {
    /// Time limit in whole minutes, rounded up, as Slurm counts it.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is bounded")]
    pub(super) fn minutes(&self) -> Option<u64> {
        self.seconds.map(|seconds| (seconds / 60.0).ceil().clamp(1.0, 1e9) as u64)
    }
}

/// MiB of a size such as `512M`, `16G` or `1T`, in binary units; `None` for anything else.
pub fn parse_memory(text: &str) -> Option<u64> {
    let text = text.strip_suffix("iB").or_else(|| text.strip_suffix('B')).unwrap_or(text);
    let (number, factor) = match text.char_indices().last()? {
        (at, 'M' | 'm') => (&text[..at], 1),
        (at, 'G' | 'g') => (&text[..at], 1 << 10),
        (at, 'T' | 't') => (&text[..at], 1 << 20),
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|mib| *mib > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        let sizes = [("512M", 512), ("16G", 16 << 10), ("1T", 1 << 20), ("4GiB", 4096), ("8GB", 8192)];
        for (text, mib) in sizes {
            assert_eq!(parse_memory(text).unwrap_or(0), mib, "{text}");
        }
        for text in ["", "16", "G", "-1G", "1.5G", "0M", "1é", "99999999999999999999G"] {
            assert_eq!(parse_memory(text), None, "{text}");
        }
    }

    #[test]
    fn a_limit_is_rounded_up_to_minutes() {
        let minutes = |seconds| JobResources { seconds: Some(seconds), ..JobResources::default() }.minutes();
        assert_eq!([minutes(1.0), minutes(60.0), minutes(61.0), minutes(5400.0)], [1, 1, 2, 90].map(Some));
    }
}
