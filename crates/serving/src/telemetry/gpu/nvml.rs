//! Cards of NVIDIA, by the management library of their driver.

use std::ffi::OsStr;

use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::figures::{GpuFigures, share_of_percent};
use super::{GpuCards, PciAddress};

/// Cards of NVIDIA.
pub(super) struct NvmlCards {
    library: Nvml,
    count: u32,
}

impl NvmlCards {
    /// Loads the library, `libnvidia-ml.so.1` unless another one is named; `None` without a driver.
    pub fn open(library: Option<&OsStr>) -> Option<Self> {
        let mut builder = Nvml::builder();
        if let Some(library) = library {
            builder.lib_path(library);
        }
        let opened = builder.init().and_then(|library| Ok(Self { count: library.device_count()?, library }));
        if let Err(error) = &opened {
            tracing::debug!(%error, "no figures of NVIDIA's GPUs");
        }
        opened.ok()
    }

    /// Number of cards.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Figures of the chosen cards; those that are gone are left out.
    pub fn read(&self, cards: GpuCards) -> Vec<GpuFigures> {
        let figures = (0..self.count).filter_map(|index| {
            let card = self.library.device_by_index(index).ok()?;
            let address = card.pci_info().ok().and_then(|info| info.bus_id.parse().ok());
            cards.contain(address).then(|| figures(index, &card, address))
        });
        figures.collect()
    }
}

fn figures(index: u32, card: &Device<'_>, address: Option<PciAddress>) -> GpuFigures {
    let memory = supported(card.memory_info());
    let busy = supported(card.utilization_rates()).and_then(|rates| share_of_percent(u64::from(rates.gpu)));
    GpuFigures {
        index,
        name: card.name().unwrap_or_else(|_| "NVIDIA".to_owned()),
        address,
        busy,
        memory_used: memory.as_ref().map(|memory| memory.used),
        memory_total: memory.as_ref().map(|memory| memory.total),
        watts: supported(card.power_usage()).map(|milliwatts| f64::from(milliwatts) / 1e3),
        celsius: supported(card.temperature(TemperatureSensor::Gpu)).map(f64::from),
    }
}

/// Value of a query; `None` if the card or the version of the driver does not support it.
fn supported<T>(found: Result<T, NvmlError>) -> Option<T> {
    found.ok()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use super::*;

    /// Library with the functions of NVIDIA's that are asked, for two cards.
    const SOURCE: &str = include_str!("fake_nvml.c");

    /// Compiles the library; `None`, after a line that says so, without a C compiler.
    fn library(folder: &Path, options: &[&str]) -> Option<PathBuf> {
        let (source, library) = (folder.join("nvml.c"), folder.join("libnvidia-ml.so.1"));
        std::fs::write(&source, SOURCE).unwrap();
        let mut command = Command::new("cc");
        command.args(options).args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
        let Ok(status) = command.status() else {
            cupola_testkit::skip("nvml", "a C compiler");
            return None;
        };
        assert!(status.success());
        Some(library)
    }

    #[test]
    fn a_machine_without_the_driver_has_no_cards() {
        let folder = tempfile::tempdir().unwrap();
        assert!(NvmlCards::open(Some(folder.path().join("missing.so").as_os_str())).is_none());
        let text = folder.path().join("text.so");
        std::fs::write(&text, "no library").unwrap();
        assert!(NvmlCards::open(Some(text.as_os_str())).is_none());
        let Some(broken) = library(folder.path(), &["-DINIT_FAILS"]) else { return };
        assert!(NvmlCards::open(Some(broken.as_os_str())).is_none());
    }

    #[test]
    fn figures_come_from_the_library_and_what_a_card_does_not_support_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let Some(library) = library(folder.path(), &[]) else { return };
        let cards = NvmlCards::open(Some(library.as_os_str())).unwrap();
        assert_eq!(cards.count(), 2);
        let found = cards.read(GpuCards::All);
        let first = GpuFigures {
            index: 0,
            name: "Fake H100".to_owned(),
            address: Some("0000:07:00.0".parse().unwrap()),
            busy: Some(0.37),
            memory_used: Some(12 << 30),
            memory_total: Some(80 << 30),
            watts: Some(345.678),
            celsius: Some(61.0),
        };
        let second = GpuFigures {
            index: 1,
            name: "Fake A100 with MIG".to_owned(),
            address: Some("0001:0a:00.0".parse().unwrap()),
            memory_used: Some(1 << 30),
            memory_total: Some(40 << 30),
            ..GpuFigures::default()
        };
        assert_eq!(found, [first, second.clone()]);
        assert_eq!(cards.read(GpuCards::at(Some("0001:0A:00.0"))), [second]);
    }
}
