//! Figures of a GPU.

use super::PciAddress;

/// Figures of one GPU at one time, of all programs that use it. `None` where the driver does not tell.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct GpuFigures {
    /// Number of the card: those of NVIDIA first, as their driver counts them, then the others in the order of Linux.
    pub index: u32,
    /// Name by its maker, or the numbers of maker and model.
    pub name: String,
    /// Address on the bus.
    pub address: Option<PciAddress>,
    /// Share of the time that any kernel ran, 0 to 1.
    pub busy: Option<f64>,
    /// Memory in use, in bytes.
    pub memory_used: Option<u64>,
    /// Memory of the card in bytes.
    pub memory_total: Option<u64>,
    /// Power in watts.
    pub watts: Option<f64>,
    /// Temperature in degrees Celsius.
    pub celsius: Option<f64>,
}

impl GpuFigures {
    /// Figures with a value each.
    pub fn zero() -> Self {
        Self {
            busy: Some(0.0),
            memory_used: Some(0),
            memory_total: Some(0),
            watts: Some(0.0),
            celsius: Some(0.0),
            ..Self::default()
        }
    }
}

/// Share of a percentage; `None` above 100, which no card can be.
#[cfg(target_os = "linux")]
pub(super) fn share_of_percent(percent: u64) -> Option<f64> {
    (percent <= 100).then(|| percent as f64 / 100.0)
}
