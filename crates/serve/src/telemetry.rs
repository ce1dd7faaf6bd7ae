//! Prometheus metrics.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Bounds of every duration, in seconds.
const SECONDS: [f64; 15] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const ROWS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1024.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ModelLabels {
    model: String,
    version: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    model: String,
    code: u32,
}

type Histograms = Family<ModelLabels, Histogram, fn() -> Histogram>;

/// All metrics of a server.
pub struct Telemetry {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    waiting: Family<ModelLabels, Gauge>,
    request: Histograms,
    queue: Histograms,
    inference: Histograms,
    batch: Histograms,
}

/// Metrics of one model version.
#[derive(Clone)]
pub struct ModelMetrics {
    /// From the first byte of the body to the answer.
    pub request_seconds: Histogram,
    /// In the queue.
    pub queue_seconds: Histogram,
    /// In the engine.
    pub inference_seconds: Histogram,
    /// Rows in a batch.
    pub batch_rows: Histogram,
    /// Requests in the queue.
    pub waiting: Gauge,
}

impl Telemetry {
    /// Registers every metric.
    pub fn new() -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(SECONDS);
        let rows: fn() -> Histogram = || Histogram::new(ROWS);
        let this = Self {
            registry: Registry::default(),
            requests: Family::default(),
            waiting: Family::default(),
            request: Family::new_with_constructor(seconds),
            queue: Family::new_with_constructor(seconds),
            inference: Family::new_with_constructor(seconds),
            batch: Family::new_with_constructor(rows),
        };
        this.registered()
    }

    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("cupola_requests", "Prediction requests by status code", self.requests.clone());
        registry.register("cupola_queue_requests", "Requests that wait for the engine", self.waiting.clone());
        for (name, help, family) in [
            ("cupola_request_duration", "Time from body to answer", &self.request),
            ("cupola_queue_duration", "Time in the queue", &self.queue),
            ("cupola_inference_duration", "Time of one forward pass", &self.inference),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, family.clone());
        }
        registry.register("cupola_batch_rows", "Rows in one forward pass", self.batch.clone());
        self
    }

    /// The metrics of one model version.
    pub fn model(&self, model: &str, version: u64) -> ModelMetrics {
        let labels = ModelLabels { model: model.to_owned(), version: version.to_string() };
        ModelMetrics {
            request_seconds: self.request.get_or_create(&labels).clone(),
            queue_seconds: self.queue.get_or_create(&labels).clone(),
            inference_seconds: self.inference.get_or_create(&labels).clone(),
            batch_rows: self.batch.get_or_create(&labels).clone(),
            waiting: self.waiting.get_or_create(&labels).clone(),
        }
    }

    /// Counts an answer. `model` is one that is served: labels are never a stranger's choice.
    pub fn answered(&self, model: &str, code: u16) {
        let labels = RequestLabels { model: model.to_owned(), code: u32::from(code) };
        self.requests.get_or_create(&labels).inc();
    }

    /// The text that `/metrics` answers, `OpenMetrics` 1.0.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
