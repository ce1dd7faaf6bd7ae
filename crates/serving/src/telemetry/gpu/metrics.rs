//! Prometheus metrics of the GPUs.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::GpuMeter;
use super::figures::GpuFigures;

/// Shows the latest figures when the metrics are read.
pub(crate) struct GpuCollector(pub Arc<GpuMeter>);

impl fmt::Debug for GpuCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GpuCollector")
    }
}

#[derive(EncodeLabelSet, Clone, Debug, Hash, PartialEq, Eq)]
struct GpuLabels {
    gpu: u32,
    name: String,
}

/// Name, unit, meaning and value of a gauge.
type GpuMetric = (&'static str, &'static str, &'static str, fn(&GpuFigures) -> Option<f64>);

/// Gauges of a card.
const METRICS: [GpuMetric; 5] = [
    ("cupola_gpu_busy_share", "", "Share of the time that the GPU was busy", |card| card.busy),
    ("cupola_gpu_memory_used", "bytes", "Memory of the GPU in use", |card| {
        card.memory_used.map(|bytes| bytes as f64)
    }),
    ("cupola_gpu_memory_total", "bytes", "Memory of the GPU", |card| {
        card.memory_total.map(|bytes| bytes as f64)
    }),
    ("cupola_gpu_power", "watts", "Power of the GPU", |card| card.watts),
    ("cupola_gpu_temperature", "celsius", "Temperature of the GPU", |card| card.celsius),
];

impl Collector for GpuCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let cards = self.0.figures(Instant::now());
        for (name, unit, help, value) in METRICS {
            let shown: Vec<(&GpuFigures, f64)> =
                cards.iter().filter_map(|card| Some((card, value(card)?))).collect();
            if shown.is_empty() {
                continue;
            }
            let unit = (!unit.is_empty()).then(|| Unit::Other(unit.to_owned()));
            let mut family = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
            for (card, value) in shown {
                let labels = GpuLabels { gpu: card.index, name: card.name.clone() };
                ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
