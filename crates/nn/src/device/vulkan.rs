//! Vulkan adapters.

use burn::tensor::{Device, DeviceKind, Tensor};
use burn_std::config::{BurnConfig, RuntimeConfig};

use super::panic::catch_panic;
use crate::error::Error;

/// An open Vulkan adapter.
pub struct Adapter {
    pub device: Device,
    pub name: String,
    /// `false` for software adapters.
    pub is_physical: bool,
}

/// Name of a physical GPU that computes `1 + 1`.
///
/// # Errors
/// [`Error::NoGpu`] without an adapter, with a software one, or with a driver that fails.
pub fn probe_vulkan() -> Result<String, Error> {
    let no_gpu = |why: String| Error::NoGpu { why };
    let Adapter { device, name, is_physical } =
        open(DeviceKind::DefaultDevice).map_err(|error| match error {
            Error::Device { why, .. } => no_gpu(why),
            other => other,
        })?;
    if !is_physical {
        return Err(no_gpu(format!("the only Vulkan adapter is software: {name}")));
    }
    let sum = catch_panic(|| Tensor::<1>::ones([1], &device).add_scalar(1.0).try_into_vec_as::<f32>());
    match sum {
        Ok(Ok(values)) if values == [2.0] => Ok(name),
        Ok(Ok(values)) => Err(no_gpu(format!("{name} computes 1 + 1 = {values:?}"))),
        Ok(Err(error)) => Err(no_gpu(format!("{name} fails: {error}"))),
        Err(panic) => Err(no_gpu(format!("{name} fails: {panic}"))),
    }
}

/// Opens an adapter.
pub fn open(kind: DeviceKind) -> Result<Adapter, Error> {
    let fail = |why: String| Error::Device { device: "vulkan".into(), why };
    disable_fusion();
    let adapter = catch_panic(|| {
        burn::tensor::Device::wgpu_options()
            .device_kind(kind)
            .graphics_api(burn::tensor::wgpu::WgpuBackend::Vulkan)
            .init()
            .map(|device| {
                let identity = device.identity();
                let name = identity.as_ref().map_or("unknown".into(), |i| i.name.clone());
                Adapter { device, name, is_physical: identity.is_some_and(|i| i.physical.is_some()) }
            })
            .map_err(|error| error.to_string())
    });
    match adapter {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(why)) => Err(fail(first_line(&why))),
        Err(panic) => Err(fail(first_line(&panic.to_string()))),
    }
}

/// Disables kernel fusion, which in Burn 0.22 gives wrong gradients on some drivers (issues 4366 and 5122 of Burn; a
/// software driver shows it, and computes the same kernels correctly one by one). The environment variable
/// `BURN_FUSION_MAX_EXPLORATIONS` takes precedence.
fn disable_fusion() {
    if std::env::var_os("BURN_FUSION_MAX_EXPLORATIONS").is_some() {
        return;
    }
    let config = serde_json::json!({ "fusion": { "beam_search": { "max_explorations": 0 } } });
    if let Ok(config) = serde_json::from_value::<BurnConfig>(config) {
        // Fails if the configuration was set or read before, which leaves that choice in place.
        let _ = BurnConfig::try_set(config);
    }
}

fn first_line(text: &str) -> String {
    // wgpu's own sentence describes its request instead of the remedy.
    if text.starts_with("No adapter available") {
        return "no Vulkan driver with an adapter was found".to_owned();
    }
    text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
}
