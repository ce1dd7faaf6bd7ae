//! Cards of AMD and Intel, by the files of Linux.
//!
//! `amdgpu` tells all figures (Documentation/gpu/amdgpu/thermal.rst of the kernel). `i915` and `xe` count the time in which a
//! part of the card was idle and the energy, from which share and power are computed between two readings; neither tells the
//! memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::figures::{GpuFigures, share_of_percent};
use super::{GpuCards, PciAddress};

/// Folder with a folder for each card.
const CARDS: &str = "/sys/class/drm";
/// Longest text of a file of sysfs: one page.
const PAGE: u64 = 4096;
/// PCI numbers of the makers, with their names.
const MAKERS: [(&str, &str); 2] = [("0x1002", "AMD"), ("0x8086", "Intel")];

/// Cards of AMD and Intel.
pub(super) struct SysfsCards {
    root: PathBuf,
    /// Counters of each card at the last reading.
    counters: BTreeMap<PathBuf, Counters>,
}

/// Counters that only grow.
struct Counters {
    at: Instant,
    /// Milliseconds in which each part of the card was idle.
    idle: Vec<u64>,
    /// Energy in microjoules.
    energy: Option<u64>,
}

impl Default for SysfsCards {
    fn default() -> Self {
        Self::under(PathBuf::from(CARDS))
    }
}

impl SysfsCards {
    /// Cards with a folder in `root`.
    fn under(root: PathBuf) -> Self {
        Self { root, counters: BTreeMap::new() }
    }

    /// Figures of the chosen cards, which are numbered from `first` on.
    pub fn read(&mut self, cards: GpuCards, first: u32, now: Instant) -> Vec<GpuFigures> {
        let mut found = Vec::new();
        let folders = numbered(&self.root, "card").into_iter();
        let known = folders.filter_map(|folder| Some((maker(&folder.join("device"))?, folder)));
        for (index, (maker, folder)) in (first..).zip(known) {
            let event = text(&folder.join("device/uevent")).unwrap_or_default();
            let value = |key: &str| event.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            let address = value("PCI_SLOT_NAME").and_then(|address| address.parse::<PciAddress>().ok());
            if cards.contain(address) {
                let model = value("PCI_ID").map_or_else(|| maker.to_owned(), |id| format!("{maker} {id}"));
                let name = text(&folder.join("device/product_name")).filter(|name| !name.is_empty());
                let card =
                    GpuFigures { index, name: name.unwrap_or(model), address, ..GpuFigures::default() };
                found.push(self.with_figures(card, &folder, now));
            }
        }
        found
    }

    fn with_figures(&mut self, card: GpuFigures, folder: &Path, now: Instant) -> GpuFigures {
        let device = folder.join("device");
        let sensors = numbered(&device.join("hwmon"), "hwmon");
        let sensor = |name: &str| sensors.iter().find_map(|folder| number(&folder.join(name)));
        let micro = |value: u64| value as f64 / 1e6;
        let (busy, watts) = self.rates(folder, &device, sensor("energy1_input"), now);
        let watts = sensor("power1_average").or_else(|| sensor("power1_input")).map(micro).or(watts);
        GpuFigures {
            busy: number(&device.join("gpu_busy_percent")).and_then(share_of_percent).or(busy),
            memory_used: number(&device.join("mem_info_vram_used")),
            memory_total: number(&device.join("mem_info_vram_total")),
            watts,
            // `xe` has no first sensor; its second one is the package.
            celsius: sensor("temp1_input").or_else(|| sensor("temp2_input")).map(|milli| milli as f64 / 1e3),
            ..card
        }
    }

    /// Busy share of the busiest part of a card, and watts, since the last reading.
    fn rates(
        &mut self,
        folder: &Path,
        device: &Path,
        energy: Option<u64>,
        now: Instant,
    ) -> (Option<f64>, Option<f64>) {
        let current = Counters { at: now, idle: idle(folder, device), energy };
        let rates = self.counters.get(folder).map(|before| {
            let elapsed = now.saturating_duration_since(before.at);
            (busy_since(&before.idle, &current.idle, elapsed), watts_since(before.energy, energy, elapsed))
        });
        self.counters.insert(folder.to_owned(), current);
        rates.unwrap_or_default()
    }
}

/// Share of the time in which the busiest part was not idle. `None` if a counter was set back, as by a reset of the driver.
fn busy_since(before: &[u64], now: &[u64], elapsed: Duration) -> Option<f64> {
    let milliseconds = elapsed.as_secs_f64() * 1e3;
    if before.len() != now.len() || milliseconds <= 0.0 {
        return None;
    }
    let idle: Option<Vec<u64>> =
        now.iter().zip(before).map(|(now, before)| now.checked_sub(*before)).collect();
    let least = idle?.into_iter().min()?;
    Some((1.0 - least as f64 / milliseconds).clamp(0.0, 1.0))
}

fn watts_since(before: Option<u64>, now: Option<u64>, elapsed: Duration) -> Option<f64> {
    let joules = now?.checked_sub(before?)? as f64 / 1e6;
    (elapsed > Duration::ZERO).then(|| joules / elapsed.as_secs_f64())
}

/// Idle milliseconds of each part of a card: RC6 of `i915`, of the whole card with older kernels, or `gtidle` of `xe`.
fn idle(folder: &Path, device: &Path) -> Vec<u64> {
    let of = |parts: Vec<PathBuf>, file: &str| -> Vec<u64> {
        parts.iter().filter_map(|part| number(&part.join(file))).collect()
    };
    let found = of(numbered(&folder.join("gt"), "gt"), "rc6_residency_ms");
    if !found.is_empty() {
        return found;
    }
    let tiles = numbered(device, "tile");
    let found = of(tiles.iter().flat_map(|tile| numbered(tile, "gt")).collect(), "gtidle/idle_residency_ms");
    if found.is_empty() { of(vec![folder.join("power")], "rc6_residency_ms") } else { found }
}

/// Name of the maker; `None` for others, whose drivers do not tell the figures this way.
fn maker(device: &Path) -> Option<&'static str> {
    let vendor = text(&device.join("vendor"))?;
    MAKERS.iter().find(|(number, _)| *number == vendor).map(|(_, name)| *name)
}

/// Entries that are called `prefix` and a number, in the order of the numbers.
fn numbered(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?, entry.path()))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

fn number(path: &Path) -> Option<u64> {
    text(path)?.parse().ok()
}

fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(PAGE).read_to_string(&mut text).ok()?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Writes files under a folder, with the folders above them.
    fn write(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{text}\n")).unwrap();
        }
    }

    /// Reads twice, the second time a second later and after `between`.
    fn twice(root: &Path, cards: GpuCards, between: impl FnOnce()) -> (Vec<GpuFigures>, Vec<GpuFigures>) {
        let (mut reader, now) = (SysfsCards::under(root.to_owned()), Instant::now());
        let first = reader.read(cards, 0, now);
        between();
        (first, reader.read(cards, 0, now + Duration::from_secs(1)))
    }

    #[test]
    fn amdgpu_tells_all_figures_and_connectors_and_other_makers_are_no_cards() {
        let root = tempfile::tempdir().unwrap();
        let used = (600 * MIB).to_string();
        write(
            root.path(),
            &[
                ("card0/device/vendor", "0x1a03"),
                ("card10/device/vendor", "0x1002"),
                ("card10/device/uevent", "DRIVER=amdgpu\nPCI_ID=1002:744C\nPCI_SLOT_NAME=0000:03:00.0"),
                ("card10/device/gpu_busy_percent", "41"),
                ("card10/device/mem_info_vram_used", &used),
                ("card10/device/mem_info_vram_total", "25753026560"),
                ("card10/device/hwmon/hwmon3/power1_average", "89000000"),
                ("card10/device/hwmon/hwmon3/temp1_input", "47500"),
                ("card10-DP-1/device/vendor", "0x1002"),
                ("card2/device/vendor", "0x1002"),
                ("card2/device/uevent", "PCI_SLOT_NAME=0000:c3:00.0"),
                ("card2/device/product_name", "Radeon PRO W7900"),
                ("card2/device/hwmon/hwmon4/power1_input", "12500000"),
                ("renderD128/device/vendor", "0x1002"),
                ("version", "drm 1.1.0 20060810"),
            ],
        );
        let expected = GpuFigures {
            index: 1,
            name: "AMD 1002:744C".to_owned(),
            address: Some("0000:03:00.0".parse().unwrap()),
            busy: Some(0.41),
            memory_used: Some(600 * MIB),
            memory_total: Some(25_753_026_560),
            watts: Some(89.0),
            celsius: Some(47.5),
        };
        let (found, _) = twice(root.path(), GpuCards::All, || {});
        assert_eq!(
            (found.len(), found[0].name.as_str(), found[0].watts),
            (2, "Radeon PRO W7900", Some(12.5))
        );
        assert_eq!(found[1], expected);
        // A chosen card keeps its number.
        let (chosen, _) = twice(root.path(), GpuCards::at(Some("0000:03:00.0")), || {});
        assert_eq!(chosen, [expected]);
    }

    #[test]
    fn counters_of_intel_become_shares_and_watts_between_two_readings() {
        let root = tempfile::tempdir().unwrap();
        let (dg2, arc) = ("card0/device/hwmon/hwmon1/energy1_input", "card1/device/tile0/gt0/gtidle");
        let idle = format!("{arc}/idle_residency_ms");
        write(
            root.path(),
            &[
                ("card0/device/vendor", "0x8086"),
                ("card0/device/uevent", "DRIVER=i915\nPCI_ID=8086:56A0"),
                ("card0/gt/gt0/rc6_residency_ms", "5000"),
                ("card0/gt/gt1/rc6_residency_ms", "9000"),
                (dg2, "1000000"),
                ("card1/device/vendor", "0x8086"),
                ("card1/device/uevent", "DRIVER=xe\nPCI_ID=8086:E20B"),
                (&idle, "100"),
                ("card1/device/hwmon/hwmon2/temp2_input", "39000"),
                ("card2/device/vendor", "0x8086"),
                ("card2/power/rc6_residency_ms", "100"),
            ],
        );
        let between = || {
            let changed = [
                ("card0/gt/gt0/rc6_residency_ms", "5200"),
                ("card0/gt/gt1/rc6_residency_ms", "10003"),
                (dg2, "31500000"),
                (&idle, "1103"),
                ("card2/power/rc6_residency_ms", "7"),
            ];
            write(root.path(), &changed);
        };
        let (first, second) = twice(root.path(), GpuCards::All, between);
        assert!(first.iter().all(|card| card.busy.is_none() && card.watts.is_none()), "{first:?}");
        let busy: Vec<Option<f64>> = second.iter().map(|card| card.busy).collect();
        // The second card was idle, by a little more than the clock; the counter of the third one was set back.
        assert_eq!(busy, [Some(0.8), Some(0.0), None]);
        assert_eq!((second[0].watts, second[0].memory_used), (Some(30.5), None));
        assert_eq!((second[1].celsius, second[1].watts), (Some(39.0), None));
        assert_eq!((second[0].name.as_str(), second[2].name.as_str()), ("Intel 8086:56A0", "Intel"));
    }

    #[test]
    fn a_missing_tree_and_garbage_in_files_leave_the_figures_empty() {
        let root = tempfile::tempdir().unwrap();
        assert!(
            SysfsCards::under(root.path().join("missing")).read(GpuCards::All, 0, Instant::now()).is_empty()
        );
        write(
            root.path(),
            &[
                ("card0/device/vendor", "0x1002"),
                ("card0/device/uevent", "PCI_SLOT_NAME"),
                ("card0/device/gpu_busy_percent", "101"),
                ("card0/device/mem_info_vram_used", "-5"),
                ("card0/device/mem_info_vram_total", "99999999999999999999999"),
                ("card0/device/hwmon/hwmon0/power1_average", "n/a"),
                ("card0/device/hwmon/hwmonX/temp1_input", "1"),
                ("card0/gt/gt0/rc6_residency_ms", "1e9"),
                ("card99999999999/device/vendor", "0x1002"),
            ],
        );
        std::fs::write(root.path().join("card0/device/product_name"), [0xff, 0xfe]).unwrap();
        std::fs::create_dir_all(root.path().join("card0/device/hwmon/hwmon0/temp1_input")).unwrap();
        std::fs::write(root.path().join("card0/device/hwmon/hwmon0/temp2_input"), "9".repeat(1 << 16))
            .unwrap();
        let (_, found) = twice(root.path(), GpuCards::All, || {});
        let empty = GpuFigures { name: "AMD".to_owned(), ..GpuFigures::default() };
        assert_eq!(found, [empty]);
    }
}
