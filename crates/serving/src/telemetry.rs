//! Prometheus metrics, live monitoring and `OpenTelemetry` traces.

mod alerts;
pub mod export;
mod gpu;
mod limits;
mod list;
mod model;
mod monitoring;
mod outcomes;
mod performance;
mod queue_share;
mod traces;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub use self::alerts::AlertMetrics;
pub use self::gpu::GpuCards;
use self::gpu::{GpuCollector, GpuMeter};
pub use self::limits::LimitMetrics;
pub use self::list::{MetricDescription, MetricKind, duration_bound, metric_list};
pub use self::model::{ModelMetrics, ModelTotals};
pub(crate) use self::monitoring::Observation;
use self::monitoring::{LiveMonitor, MonitorCollector};
pub use self::monitoring::{MonitorSettings, VersionMonitor, WindowChoice};
pub use self::outcomes::OutcomeMetrics;
pub use self::performance::PerformanceLogger;
pub use self::queue_share::QueueTimes;
pub use self::traces::TraceExporter;
pub(crate) use self::traces::{Phase, RequestSpan};

/// Bucket bounds of every duration, in seconds.
pub(crate) const DURATION_BUCKETS: [f64; 15] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const ROW_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1024.0];

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

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct NameLabels {
    model: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ShadowLabels {
    model: String,
    version: String,
    same: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TokenLabels {
    model: String,
    version: String,
    kind: &'static str,
}

type Histograms = Family<ModelLabels, Histogram, fn() -> Histogram>;

/// All metrics of a server.
pub struct Telemetry {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    waiting: Family<ModelLabels, Gauge>,
    queue_share: Family<NameLabels, Gauge<f64, AtomicU64>>,
    loaded: Family<ModelLabels, Gauge>,
    created: Family<ModelLabels, Gauge>,
    feedback: Family<NameLabels, Counter>,
    reload_failures: Family<NameLabels, Counter>,
    shadows: Family<ShadowLabels, Counter>,
    preparation: Histograms,
    request: Histograms,
    queue: Histograms,
    inference: Histograms,
    batch: Histograms,
    first_token: Histograms,
    tokens: Family<TokenLabels, Counter>,
    explanations: Family<ModelLabels, Counter>,
    explanation_seconds: Family<ModelLabels, Counter<f64, AtomicU64>>,
    alerts: AlertMetrics,
    outcomes: OutcomeMetrics,
    limits: LimitMetrics,
    /// Figures of the GPUs.
    gpu: Arc<GpuMeter>,
    /// Sketches of what the versions receive and predict.
    pub(crate) live: Arc<LiveMonitor>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

impl Telemetry {
    /// Registers every metric. Nothing is monitored beside them.
    pub fn new() -> Self {
        Self::monitoring(None)
    }

    /// Registers every metric, and monitors rows and predictions if there are settings for it.
    pub fn monitoring(settings: Option<MonitorSettings>) -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(DURATION_BUCKETS);
        let rows: fn() -> Histogram = || Histogram::new(ROW_BUCKETS);
        let this = Self {
            registry: Registry::default(),
            requests: Family::default(),
            waiting: Family::default(),
            queue_share: Family::default(),
            loaded: Family::default(),
            created: Family::default(),
            feedback: Family::default(),
            reload_failures: Family::default(),
            shadows: Family::default(),
            preparation: Family::new_with_constructor(seconds),
            request: Family::new_with_constructor(seconds),
            queue: Family::new_with_constructor(seconds),
            inference: Family::new_with_constructor(seconds),
            batch: Family::new_with_constructor(rows),
            first_token: Family::new_with_constructor(seconds),
            tokens: Family::default(),
            explanations: Family::default(),
            explanation_seconds: Family::default(),
            alerts: AlertMetrics::default(),
            outcomes: OutcomeMetrics::default(),
            limits: LimitMetrics::default(),
            gpu: Arc::default(),
            live: LiveMonitor::new(settings),
        };
        this.registered()
    }

    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("cupola_requests", "Prediction requests by status code", self.requests.clone());
        registry.register("cupola_queue_requests", "Requests waiting for an engine", self.waiting.clone());
        let help = "Share of the requests' time in the queue, of the last 15 seconds";
        registry.register("cupola_queue_time_share", help, self.queue_share.clone());
        for (name, help, family) in [
            ("cupola_request_duration", "Time from the body to the response", &self.request),
            ("cupola_preparation_duration", "Time from the body to the examples", &self.preparation),
            ("cupola_queue_duration", "Time in the queue", &self.queue),
            ("cupola_inference_duration", "Time of one forward pass", &self.inference),
            ("cupola_first_token_duration", "Time to the first generated token", &self.first_token),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, family.clone());
        }
        let name = "cupola_model_loaded";
        registry.register(name, "1 for a loaded version", self.loaded.clone());
        let (name, help) = ("cupola_model_created_timestamp", "Time of the training of a version");
        registry.register_with_unit(name, help, Unit::Seconds, self.created.clone());
        registry.register("cupola_feedback_rows", "Rows of feedback that were stored", self.feedback.clone());
        self.alerts.register(registry);
        self.outcomes.register(registry);
        self.limits.register(registry);
        let name = "cupola_reload_failures";
        registry.register(name, "Versions that failed to load", self.reload_failures.clone());
        let name = "cupola_shadow_answers";
        registry.register(name, "Shadow predictions by agreement", self.shadows.clone());
        let name = "cupola_tokens";
        registry.register(name, "Tokens: of prompts, cached, generated", self.tokens.clone());
        registry.register("cupola_explanations", "Explained rows", self.explanations.clone());
        let (name, help) = ("cupola_explanation", "Time of explanations");
        registry.register_with_unit(name, help, Unit::Seconds, self.explanation_seconds.clone());
        registry.register("cupola_batch_rows", "Rows in one forward pass", self.batch.clone());
        registry.register_collector(Box::new(GpuCollector(Arc::clone(&self.gpu))));
        registry.register_collector(Box::new(MonitorCollector(Arc::clone(&self.live))));
        self
    }

    /// Metrics of one model version.
    pub fn model(&self, model: &str, version: u64) -> ModelMetrics {
        let labels = ModelLabels { model: model.to_owned(), version: version.to_string() };
        let tokens = ["prompt", "cached", "made"].map(|kind| {
            let ModelLabels { model, version } = labels.clone();
            self.tokens.get_or_create(&TokenLabels { model, version, kind }).clone()
        });
        ModelMetrics {
            request: self.request.get_or_create(&labels).clone(),
            preparation: self.preparation.get_or_create(&labels).clone(),
            queue: self.queue.get_or_create(&labels).clone(),
            inference: self.inference.get_or_create(&labels).clone(),
            batch: self.batch.get_or_create(&labels).clone(),
            first_token: self.first_token.get_or_create(&labels).clone(),
            tokens,
            explanations: self.explanations.get_or_create(&labels).clone(),
            explanation_seconds: self.explanation_seconds.get_or_create(&labels).clone(),
            waiting: self.waiting.get_or_create(&labels).clone(),
            totals: Arc::default(),
            window: Arc::default(),
        }
    }

    /// Counts a response. `model` must be a served name, so that clients cannot create labels.
    pub fn count_response(&self, model: &str, status: u16) {
        let labels = RequestLabels { model: model.to_owned(), code: u32::from(status) };
        self.requests.get_or_create(&labels).inc();
    }

    /// Sets the share of the time in the queue of each served model.
    pub fn set_queue_shares(&self, times: &BTreeMap<&str, QueueTimes>) {
        for (model, times) in times {
            let labels = NameLabels { model: (*model).to_owned() };
            self.queue_share.get_or_create(&labels).set(times.share());
        }
    }

    /// Removes the share of a model that is served no longer.
    pub fn remove_queue_share(&self, model: &str) {
        self.queue_share.remove(&NameLabels { model: model.to_owned() });
    }

    /// Sets the gauge of a loaded or unloaded version.
    pub fn set_loaded(&self, model: &str, version: u64, loaded: bool) {
        let labels = ModelLabels { model: model.to_owned(), version: version.to_string() };
        self.loaded.get_or_create(&labels).set(i64::from(loaded));
    }

    /// Sets the time at which a version was trained, in seconds since 1970.
    pub fn set_created(&self, model: &str, version: u64, unix_seconds: i64) {
        let labels = ModelLabels { model: model.to_owned(), version: version.to_string() };
        self.created.get_or_create(&labels).set(unix_seconds);
    }

    /// Counts rows of feedback that were stored.
    pub fn count_feedback(&self, model: &str, rows: usize) {
        self.feedback.get_or_create(&NameLabels { model: model.to_owned() }).inc_by(rows as u64);
    }

    /// Metrics of alerts and their notifications.
    pub fn alert_metrics(&self) -> AlertMetrics {
        self.alerts.clone()
    }

    /// Metrics of the store of shared limits.
    pub fn limit_metrics(&self) -> LimitMetrics {
        self.limits.clone()
    }

    /// Starts to read the figures of GPUs, for the metrics and the performance log.
    pub fn watch_gpu(&self, cards: GpuCards) {
        self.gpu.watch(cards);
    }

    /// Counts a version that failed to load.
    pub fn count_reload_failure(&self, model: &str) {
        self.reload_failures.get_or_create(&NameLabels { model: model.to_owned() }).inc();
    }

    /// Counts a prediction of a shadow, by its agreement with the prediction that was sent.
    pub fn count_shadow(&self, model: &str, version: u64, same: bool) {
        let (version, same) = (version.to_string(), same.to_string());
        self.shadows.get_or_create(&ShadowLabels { model: model.to_owned(), version, same }).inc();
    }

    /// Metrics of predictions whose targets became known.
    pub fn outcome_metrics(&self) -> OutcomeMetrics {
        self.outcomes.clone()
    }

    /// All metrics as `OpenMetrics` 1.0 text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
