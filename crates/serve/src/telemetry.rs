//! Prometheus metrics.

use std::sync::{Arc, Mutex, PoisonError};

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
    loaded: Family<ModelLabels, Gauge>,
    reload_failures: Family<NameLabels, Counter>,
    shadows: Family<ShadowLabels, Counter>,
    preparation: Histograms,
    request: Histograms,
    queue: Histograms,
    inference: Histograms,
    batch: Histograms,
    first_token: Histograms,
    tokens: Family<TokenLabels, Counter>,
}

/// Metrics of one model version.
#[derive(Clone)]
pub struct ModelMetrics {
    request: Histogram,
    preparation: Histogram,
    queue: Histogram,
    inference: Histogram,
    batch: Histogram,
    first_token: Histogram,
    /// That came, that were known of another text, that were made.
    tokens: [Counter; 3],
    /// Requests in the queue.
    pub waiting: Gauge,
    sums: Arc<Mutex<Sums>>,
}

/// What has been measured of a version so far, times in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sums {
    /// Requests that were run.
    pub requests: u64,
    /// Forward passes.
    pub executions: u64,
    /// From the first byte of the body to the answer.
    pub total: f64,
    /// From the body to the examples.
    pub preparation: f64,
    /// In the queue.
    pub queue: f64,
    /// In the engine.
    pub inference: f64,
}

impl ModelMetrics {
    fn add(&self, add: impl FnOnce(&mut Sums)) {
        add(&mut self.sums.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What has been measured so far.
    pub fn sums(&self) -> Sums {
        *self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request was answered, or refused, after so long.
    pub fn answered(&self, seconds: f64) {
        self.request.observe(seconds);
        self.add(|sums| sums.total += seconds);
    }

    /// A request's examples were made.
    pub fn prepared(&self, seconds: f64) {
        self.preparation.observe(seconds);
        self.add(|sums| sums.preparation += seconds);
    }

    /// A request left the queue.
    pub fn left_queue(&self, seconds: f64) {
        self.queue.observe(seconds);
        self.add(|sums| (sums.requests, sums.queue) = (sums.requests + 1, sums.queue + seconds));
    }

    /// The first piece of a request's texts came after so long.
    pub fn begun(&self, seconds: f64) {
        self.first_token.observe(seconds);
    }

    /// Texts are over: tokens of their prompts, those of them that were known before, and those that were made.
    pub fn made(&self, tokens: [u64; 3]) {
        for (counter, tokens) in self.tokens.iter().zip(tokens) {
            counter.inc_by(tokens);
        }
    }

    /// A batch was run.
    pub fn ran(&self, rows: usize, seconds: f64) {
        self.inference.observe(seconds);
        self.batch.observe(rows as f64);
        self.add(|sums| {
            (sums.executions, sums.inference) = (sums.executions + 1, sums.inference + seconds);
        });
    }
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
            loaded: Family::default(),
            reload_failures: Family::default(),
            shadows: Family::default(),
            preparation: Family::new_with_constructor(seconds),
            request: Family::new_with_constructor(seconds),
            queue: Family::new_with_constructor(seconds),
            inference: Family::new_with_constructor(seconds),
            batch: Family::new_with_constructor(rows),
            first_token: Family::new_with_constructor(seconds),
            tokens: Family::default(),
        };
        this.registered()
    }

    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("cupola_requests", "Prediction requests by status code", self.requests.clone());
        registry.register("cupola_queue_requests", "Requests that wait for the engine", self.waiting.clone());
        for (name, help, family) in [
            ("cupola_request_duration", "Time from body to answer", &self.request),
            ("cupola_preparation_duration", "Time from the body to the examples", &self.preparation),
            ("cupola_queue_duration", "Time in the queue", &self.queue),
            ("cupola_inference_duration", "Time of one forward pass", &self.inference),
            ("cupola_first_token_duration", "Time to the first piece of a text", &self.first_token),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, family.clone());
        }
        let name = "cupola_model_loaded";
        registry.register(name, "1 for a version that is loaded", self.loaded.clone());
        let name = "cupola_reload_failures";
        registry.register(name, "Versions that did not load", self.reload_failures.clone());
        let name = "cupola_shadow_answers";
        registry.register(name, "Answers of a shadow, by whether they are the same", self.shadows.clone());
        let name = "cupola_tokens";
        registry.register(name, "Tokens of texts: of prompts, known before, made", self.tokens.clone());
        registry.register("cupola_batch_rows", "Rows in one forward pass", self.batch.clone());
        self
    }

    /// The metrics of one model version.
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
            waiting: self.waiting.get_or_create(&labels).clone(),
            sums: Arc::default(),
        }
    }

    /// Counts an answer. `model` is one that is served: labels are never a stranger's choice.
    pub fn answered(&self, model: &str, code: u16) {
        let labels = RequestLabels { model: model.to_owned(), code: u32::from(code) };
        self.requests.get_or_create(&labels).inc();
    }

    /// A version has come or gone.
    pub fn loaded(&self, model: &str, version: u64, here: bool) {
        let labels = ModelLabels { model: model.to_owned(), version: version.to_string() };
        self.loaded.get_or_create(&labels).set(i64::from(here));
    }

    /// A version did not load.
    pub fn reload_failed(&self, model: &str) {
        self.reload_failures.get_or_create(&NameLabels { model: model.to_owned() }).inc();
    }

    /// A shadow has answered, as the model did or otherwise.
    pub fn shadowed(&self, model: &str, version: u64, same: bool) {
        let (version, same) = (version.to_string(), same.to_string());
        self.shadows.get_or_create(&ShadowLabels { model: model.to_owned(), version, same }).inc();
    }

    /// The text that `/metrics` answers, `OpenMetrics` 1.0.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
