//! Devices: the choice of one, opening it, and the check that it computes correctly.

mod agreement;
mod choice;
mod panic;
mod vulkan;

use std::fmt;

use burn::tensor::{Device, DeviceKind};

use crate::error::Error;

pub use self::agreement::{Agreement, check_agreement};
pub use self::choice::DeviceChoice;
pub use self::panic::{PanicError, catch_panic};
pub use self::vulkan::probe_vulkan;

/// Backend of an open device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Burn's Flex on the CPU.
    Flex,
    /// Burn's `NdArray` on the CPU.
    NdArray,
    /// A Vulkan adapter.
    Vulkan,
}

/// An open device.
#[derive(Debug, Clone)]
pub struct OpenDevice {
    /// Device without autodiff.
    pub device: Device,
    /// Backend of the device.
    pub backend: Backend,
    /// Name such as `vulkan: NVIDIA H200` or `flex (CPU)`.
    pub name: String,
    /// Reason for this device.
    pub why: String,
}

impl OpenDevice {
    /// `true` if kernels run on a Vulkan adapter.
    pub fn is_gpu(&self) -> bool {
        self.backend == Backend::Vulkan
    }

    /// PCI address of the GPU, such as `0000:07:00.0`; `None` for a CPU, and if the driver does not report it.
    pub fn pci_address(&self) -> Option<String> {
        let card = if self.is_gpu() { self.device.identity()?.physical? } else { return None };
        card.pci_address.map(|address| address.to_string())
    }

    fn flex(why: String) -> Self {
        Self { device: Device::flex(), backend: Backend::Flex, name: "flex (CPU)".into(), why }
    }

    fn vulkan(adapter: vulkan::Adapter, why: &str) -> Self {
        let name = format!("vulkan: {}", adapter.name);
        Self { device: adapter.device, backend: Backend::Vulkan, name, why: why.to_owned() }
    }

    #[cfg(feature = "ndarray")]
    #[allow(
        deprecated,
        clippy::unnecessary_wraps,
        reason = "an independent oracle for as long as Burn has it; without the feature this fails"
    )]
    fn ndarray() -> Result<Self, Error> {
        let name = "ndarray (CPU)".into();
        Ok(Self { device: Device::ndarray(), backend: Backend::NdArray, name, why: REQUESTED.into() })
    }

    #[cfg(not(feature = "ndarray"))]
    fn ndarray() -> Result<Self, Error> {
        let why = "this binary is built without the cargo feature `ndarray`".to_owned();
        Err(Error::Device { device: "ndarray".into(), why })
    }
}

impl fmt::Display for OpenDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.why)
    }
}

/// Reason for a device that was requested by name.
const REQUESTED: &str = "requested";

/// Opens a device. For [`DeviceChoice::Auto`], `probe` returns the name of a physical GPU that works, or why there is
/// none. It should look from another process (see [`probe_vulkan`]), since a broken driver may crash the process.
///
/// # Errors
/// [`Error::Device`] if a device that was requested by name doesn't open.
pub fn open_device<E: fmt::Display>(
    choice: DeviceChoice,
    probe: impl FnOnce() -> Result<String, E>,
) -> Result<OpenDevice, Error> {
    match choice {
        DeviceChoice::Flex => Ok(OpenDevice::flex(REQUESTED.into())),
        DeviceChoice::Vulkan => Ok(OpenDevice::vulkan(vulkan::open(DeviceKind::DefaultDevice)?, REQUESTED)),
        DeviceChoice::NdArray => OpenDevice::ndarray(),
        DeviceChoice::Auto => match probe() {
            Err(error) => Ok(OpenDevice::flex(error.to_string())),
            Ok(_) => Ok(match vulkan::open(DeviceKind::DefaultDevice) {
                Ok(adapter) => OpenDevice::vulkan(adapter, "a physical GPU"),
                Err(error) => OpenDevice::flex(error.to_string()),
            }),
        },
    }
}

/// Another device with the backend of `like`: a GPU by its index, or the same CPU.
///
/// # Errors
/// [`Error::Device`] if there is no such GPU.
pub fn nth_device(like: &OpenDevice, index: usize) -> Result<Device, Error> {
    if index == 0 || !like.is_gpu() {
        return Ok(like.device.clone());
    }
    let adapter = vulkan::open(DeviceKind::DiscreteGpu(index)).map_err(|error| match error {
        Error::Device { why, .. } => {
            Error::Device { device: format!("vulkan GPU number {}", index + 1), why }
        }
        other => other,
    })?;
    Ok(adapter.device)
}
