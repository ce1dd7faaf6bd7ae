//! Opening a device, and saying why this one.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

use burn::tensor::{Device, DeviceKind, Tensor};
use burn_std::config::{BurnConfig, RuntimeConfig};

use crate::error::Error;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// A physical GPU where one opens, else the CPU.
    Auto,
    /// A Vulkan adapter, software ones included.
    Vulkan,
    /// The CPU, by Burn's Flex.
    Flex,
    /// The CPU, by Burn's `NdArray` (cargo feature `ndarray`).
    NdArray,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "vulkan" => Ok(Self::Vulkan),
            "flex" | "cpu" => Ok(Self::Flex),
            "ndarray" => Ok(Self::NdArray),
            _ => Err(format!("`{text}` is no device; use auto, vulkan, flex or ndarray")),
        }
    }
}

/// An open device.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Without autodiff.
    pub device: Device,
    /// Such as `vulkan: NVIDIA H200` or `flex`.
    pub name: String,
    /// Why this one.
    pub why: String,
}

impl Opened {
    /// Whether kernels run elsewhere than on the CPU's own code.
    pub fn is_gpu(&self) -> bool {
        self.name.starts_with("vulkan")
    }
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.why)
    }
}

/// Opens what was asked for. For [`Choice::Auto`], `probe` answers whether a physical GPU works:
/// its name, or why there is none. It should look from another process (see [`probe_vulkan`]),
/// since a broken driver may take the process down.
///
/// # Errors
/// A device that was asked for by name and does not open.
pub fn open(choice: Choice, probe: impl FnOnce() -> Result<String, String>) -> Result<Opened, Error> {
    match choice {
        Choice::Flex => Ok(flex("asked for".into())),
        Choice::Vulkan => {
            let (device, name, _) = vulkan()?;
            Ok(Opened { device, name: format!("vulkan: {name}"), why: "asked for".into() })
        }
        Choice::NdArray => ndarray(),
        Choice::Auto => match probe() {
            Err(why) => Ok(flex(why)),
            Ok(_) => Ok(match vulkan() {
                Ok((device, name, _)) => {
                    Opened { device, name: format!("vulkan: {name}"), why: "a physical GPU".into() }
                }
                Err(error) => flex(error.to_string()),
            }),
        },
    }
}

/// Another device of the same kind: a GPU by its index, the CPU once more.
///
/// # Errors
/// A GPU that is not there.
pub fn nth(like: &Opened, index: usize) -> Result<Device, Error> {
    if index == 0 || !like.is_gpu() {
        return Ok(like.device.clone());
    }
    let gone = |error: Error| match error {
        Error::Device { why, .. } => {
            Error::Device { device: format!("vulkan GPU number {}", index + 1), why }
        }
        other => other,
    };
    Ok(vulkan_kind(DeviceKind::DiscreteGpu(index)).map_err(gone)?.0)
}

/// The name of a physical GPU that computes `1 + 1`, or why there is none.
///
/// # Errors
/// No adapter, a software one, a driver that fails.
pub fn probe_vulkan() -> Result<String, String> {
    let (device, name, physical) = vulkan().map_err(|error| match error {
        Error::Device { why, .. } => why,
        other => other.to_string(),
    })?;
    if !physical {
        return Err(format!("the only Vulkan adapter is software: {name}"));
    }
    let sum = quietly(|| Tensor::<1>::ones([1], &device).add_scalar(1.0).try_into_vec_as::<f32>());
    match sum {
        Ok(Ok(values)) if values == [2.0] => Ok(name),
        Ok(Ok(values)) => Err(format!("{name} computes 1 + 1 = {values:?}")),
        Ok(Err(error)) => Err(format!("{name} fails: {error}")),
        Err(panic) => Err(format!("{name} fails: {panic}")),
    }
}

fn flex(why: String) -> Opened {
    Opened { device: Device::flex(), name: "flex (CPU)".into(), why }
}

#[cfg(feature = "ndarray")]
#[allow(
    deprecated,
    clippy::unnecessary_wraps,
    reason = "an oracle for as long as Burn has it; its twin may fail"
)]
fn ndarray() -> Result<Opened, Error> {
    Ok(Opened { device: Device::ndarray(), name: "ndarray (CPU)".into(), why: "asked for".into() })
}

#[cfg(not(feature = "ndarray"))]
fn ndarray() -> Result<Opened, Error> {
    let why = "this binary is built without the cargo feature `ndarray`".to_owned();
    Err(Error::Device { device: "ndarray".into(), why })
}

fn vulkan() -> Result<(Device, String, bool), Error> {
    vulkan_kind(DeviceKind::DefaultDevice)
}

/// A Vulkan adapter, its name, and whether it is a physical one.
fn vulkan_kind(kind: DeviceKind) -> Result<(Device, String, bool), Error> {
    let fail = |why: String| Error::Device { device: "vulkan".into(), why };
    without_fusion();
    let opened = quietly(|| {
        burn::tensor::Device::wgpu_options()
            .device_kind(kind)
            .graphics_api(burn::tensor::wgpu::WgpuBackend::Vulkan)
            .init()
            .map(|device| {
                let identity = device.identity();
                let name = identity.as_ref().map_or("unknown".into(), |i| i.name.clone());
                (device, name, identity.is_some_and(|i| i.physical.is_some()))
            })
            .map_err(|error| error.to_string())
    });
    match opened {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(why)) => Err(fail(first_line(&why))),
        Err(panic) => Err(fail(first_line(&panic))),
    }
}

/// Turns off kernel fusion, which in Burn 0.22 gives wrong gradients on some drivers (its issues 4366
/// and 5122; seen here on a software driver, where the same kernels run one by one are right).
/// `BURN_FUSION_MAX_EXPLORATIONS` in the environment takes precedence.
fn without_fusion() {
    if std::env::var_os("BURN_FUSION_MAX_EXPLORATIONS").is_some() {
        return;
    }
    let config = serde_json::json!({ "fusion": { "beam_search": { "max_explorations": 0 } } });
    if let Ok(config) = serde_json::from_value::<BurnConfig>(config) {
        // False where it was set or read before: then someone else has chosen.
        let _ = BurnConfig::try_set(config);
    }
}

fn first_line(text: &str) -> String {
    // wgpu's own sentence names its request, not what a user could do.
    if text.starts_with("No adapter available") {
        return "no Vulkan driver with an adapter was found".to_owned();
    }
    text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
}

/// Runs `f` and gives a panic's message instead of unwinding: Burn panics where a driver fails.
///
/// # Errors
/// The message.
pub fn quietly<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|panic| {
        panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_else(|| "the device failed".to_owned())
    })
}
