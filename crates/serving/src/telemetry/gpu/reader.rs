//! Figures of all cards of a machine, from the library of NVIDIA's driver and from the files of Linux.

use std::time::Instant;

use super::GpuCards;
use super::figures::GpuFigures;
use super::nvml::NvmlCards;
use super::sysfs::SysfsCards;

/// Reader of the figures of the chosen cards.
pub(super) struct GpuReader {
    cards: GpuCards,
    nvml: Option<NvmlCards>,
    sysfs: SysfsCards,
}

impl GpuReader {
    /// Opens what the machine has.
    pub fn open(cards: GpuCards) -> Self {
        Self { cards, nvml: NvmlCards::open(None), sysfs: SysfsCards::default() }
    }

    /// Figures of the chosen cards. Cards of which nothing is told are left out. May hang with a broken driver.
    pub fn read(&mut self, now: Instant) -> Vec<GpuFigures> {
        let nvidia = self.nvml.as_ref().map_or(0, NvmlCards::count);
        let mut figures = self.nvml.as_ref().map(|nvml| nvml.read(self.cards)).unwrap_or_default();
        figures.extend(self.sysfs.read(self.cards, nvidia, now));
        figures.retain(|card| {
            card.busy.is_some()
                || card.memory_used.is_some()
                || card.watts.is_some()
                || card.celsius.is_some()
        });
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_read_without_an_error_whatever_it_has() {
        let mut reader = GpuReader::open(GpuCards::All);
        for card in reader.read(Instant::now()) {
            assert!(card.busy.is_none_or(|busy| (0.0..=1.0).contains(&busy)), "{card:?}");
        }
        // No card has this address.
        let none = GpuCards::At("ffff:ff:1f.7".parse().unwrap());
        assert!(GpuReader::open(none).read(Instant::now()).is_empty());
    }
}
