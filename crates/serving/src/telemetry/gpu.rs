//! Figures of the GPUs that a server computes on.
//!
//! A thread of its own asks the drivers, since a broken one may hang; readers get the last figures, as long as they are fresh.

mod address;
mod figures;
mod metrics;
#[cfg(target_os = "linux")]
mod nvml;
#[cfg(target_os = "linux")]
mod reader;
#[cfg(target_os = "linux")]
mod sysfs;

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

pub use self::address::PciAddress;
use self::figures::GpuFigures;
pub(super) use self::metrics::GpuCollector;

/// Time between two samples.
const EVERY: Duration = Duration::from_secs(3);
/// Age above which figures are those of a driver that no longer answers.
const OLDEST: Duration = Duration::from_secs(15);

/// GPUs whose figures are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GpuCards {
    /// All of the machine.
    All,
    /// The one at this address.
    At(PciAddress),
}

impl GpuCards {
    /// Card at an address, or all cards if the address is not known.
    pub fn at(address: Option<&str>) -> Self {
        address.and_then(|text| text.parse().ok()).map_or(Self::All, Self::At)
    }

    /// `true` for a card whose figures are read.
    #[cfg(target_os = "linux")]
    fn contain(self, address: Option<PciAddress>) -> bool {
        match self {
            Self::All => true,
            Self::At(wanted) => address == Some(wanted),
        }
    }
}

/// Latest figures of the GPUs, and their use since it was last logged.
#[derive(Debug, Default)]
pub(crate) struct GpuMeter(Mutex<MeterState>);

#[derive(Debug, Default)]
struct MeterState {
    last: Option<(Instant, Vec<GpuFigures>)>,
    /// Sum and number of the busy shares since the last call of [`GpuMeter::take_logged`].
    busy: (f64, u32),
    /// Largest memory since then, in bytes.
    memory: Option<u64>,
}

/// Use of the GPUs over an interval. `None` without a GPU, or where the driver does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct GpuUse {
    /// Share of the time that they were busy, on average over cards and samples.
    pub busy: Option<f64>,
    /// Largest sum of their memory in bytes.
    pub memory_bytes: Option<u64>,
}

impl GpuMeter {
    /// Starts the thread that reads the figures. It ends soon after the last other reference to the meter is gone.
    #[cfg(target_os = "linux")]
    pub fn watch(self: &Arc<Self>, cards: GpuCards) {
        let meter = Arc::downgrade(self);
        let sample = move || sample(&meter, reader::GpuReader::open(cards));
        if let Err(error) = std::thread::Builder::new().name("gpu".to_owned()).spawn(sample) {
            tracing::warn!(%error, "failed to start the thread that reads the figures of the GPU");
        }
    }

    /// Does nothing: figures are read on Linux only.
    #[cfg(not(target_os = "linux"))]
    pub fn watch(self: &Arc<Self>, _: GpuCards) {}

    fn state(&self) -> std::sync::MutexGuard<'_, MeterState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the figures that were read at a time.
    fn set(&self, figures: Vec<GpuFigures>, at: Instant) {
        let found = use_of(&figures);
        let mut state = self.state();
        if let Some(busy) = found.busy {
            state.busy = (state.busy.0 + busy, state.busy.1 + 1);
        }
        state.memory = state.memory.max(found.memory_bytes);
        state.last = Some((at, figures));
    }

    /// Figures of each card; empty without cards, and if the last ones are too old.
    fn figures(&self, now: Instant) -> Vec<GpuFigures> {
        self.state().fresh(now).to_vec()
    }

    /// Use of the GPUs since the last call, or the last figures if none were read since.
    pub fn take_logged(&self, now: Instant) -> GpuUse {
        let mut state = self.state();
        let last = use_of(state.fresh(now));
        let (sum, count) = std::mem::take(&mut state.busy);
        let busy = if count > 0 { Some(sum / f64::from(count)) } else { last.busy };
        GpuUse { busy, memory_bytes: state.memory.take().or(last.memory_bytes) }
    }

    /// Sets figures of one card, so that each metric has a series.
    pub(super) fn touch(&self) {
        self.set(vec![GpuFigures::zero()], Instant::now());
    }
}

impl MeterState {
    fn fresh(&self, now: Instant) -> &[GpuFigures] {
        let fresh = self.last.as_ref().filter(|(at, _)| now.saturating_duration_since(*at) <= OLDEST);
        fresh.map_or(&[], |(_, figures)| figures)
    }
}

fn use_of(figures: &[GpuFigures]) -> GpuUse {
    let busy: Vec<f64> = figures.iter().filter_map(|card| card.busy).collect();
    let memory: Vec<u64> = figures.iter().filter_map(|card| card.memory_used).collect();
    GpuUse {
        busy: (!busy.is_empty()).then(|| busy.iter().sum::<f64>() / busy.len() as f64),
        memory_bytes: (!memory.is_empty())
            .then(|| memory.iter().fold(0, |sum: u64, one| sum.saturating_add(*one))),
    }
}

/// Reads the figures until the meter is gone.
#[cfg(target_os = "linux")]
fn sample(meter: &Weak<GpuMeter>, mut reader: reader::GpuReader) {
    loop {
        let figures = reader.read(Instant::now());
        let Some(meter) = meter.upgrade() else { return };
        meter.set(figures, Instant::now());
        drop(meter);
        std::thread::sleep(EVERY);
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    fn card(busy: Option<f64>, memory_used: Option<u64>) -> GpuFigures {
        GpuFigures { busy, memory_used, ..GpuFigures::default() }
    }

    #[test]
    fn an_interval_has_the_mean_and_the_most_of_its_samples_and_then_the_last_one() {
        let (meter, now) = (GpuMeter::default(), Instant::now());
        assert_eq!(meter.take_logged(now), GpuUse::default());
        meter.set(vec![card(Some(0.2), Some(700)), card(Some(0.4), Some(100))], now);
        meter.set(vec![card(Some(0.5), Some(500)), card(None, None)], now);
        let found = meter.take_logged(now);
        assert!((found.busy.unwrap() - 0.4).abs() < 1e-12, "{found:?}");
        assert_eq!(found.memory_bytes, Some(800));
        assert_eq!(meter.take_logged(now), GpuUse { busy: Some(0.5), memory_bytes: Some(500) });
    }

    #[test]
    fn figures_of_a_driver_that_hangs_disappear() {
        let (meter, now) = (GpuMeter::default(), Instant::now());
        meter.set(vec![card(Some(0.5), Some(500))], now);
        assert_eq!(meter.take_logged(now).busy, Some(0.5));
        assert_eq!(meter.figures(now + OLDEST).len(), 1);
        let late = now + OLDEST + Duration::from_secs(1);
        assert!(meter.figures(late).is_empty());
        assert_eq!(meter.take_logged(late), GpuUse::default());
    }

    #[test]
    fn a_card_is_chosen_by_its_address_and_all_are_where_it_is_not_known() {
        let wanted = GpuCards::at(Some("0000:07:00.0"));
        assert_eq!(wanted, GpuCards::At("00000000:07:00.0".parse().unwrap()));
        assert_eq!((GpuCards::at(None), GpuCards::at(Some("the first"))), (GpuCards::All, GpuCards::All));
    }

    fn text(meter: &Arc<GpuMeter>) -> String {
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register_collector(Box::new(GpuCollector(Arc::clone(meter))));
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn a_metric_shows_the_cards_that_have_it_and_a_server_without_cards_has_none() {
        let meter = Arc::new(GpuMeter::default());
        assert_eq!(text(&meter), "# EOF\n");
        let first = GpuFigures {
            name: "NVIDIA A \"1\"".to_owned(),
            busy: Some(0.25),
            memory_used: Some(3 << 30),
            watts: Some(71.5),
            ..GpuFigures::default()
        };
        let second = GpuFigures { index: 1, name: "b".to_owned(), busy: Some(1.0), ..GpuFigures::default() };
        meter.set(vec![first, second], Instant::now());
        let text = text(&meter);
        for line in [
            "cupola_gpu_busy_share{gpu=\"0\",name=\"NVIDIA A \\\"1\\\"\"} 0.25",
            "cupola_gpu_busy_share{gpu=\"1\",name=\"b\"} 1.0",
            "# UNIT cupola_gpu_memory_used_bytes bytes",
            "cupola_gpu_memory_used_bytes{gpu=\"0\",name=\"NVIDIA A \\\"1\\\"\"} 3221225472.0",
            "cupola_gpu_power_watts{gpu=\"0\",name=\"NVIDIA A \\\"1\\\"\"} 71.5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
        assert!(!text.contains("temperature") && !text.contains("memory_total"), "{text}");
    }
}
