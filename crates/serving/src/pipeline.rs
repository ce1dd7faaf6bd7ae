//! Protocol-independent request pipeline.

mod explain;
mod generate;
mod intervals;
mod lifecycle;
mod shadow;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cupola_budget::Budget;
use cupola_prep::{Examples, Predictions};
use cupola_runtime::{LoadedPackage, OutputTensor, PredictInput};

pub use self::generate::{GENERATION_CANCELLED, GenerateRequest, GenerationStream, TokenUsage};
pub use self::intervals::checked_coverage;
pub use self::lifecycle::Lifecycle;
use crate::capture::{OutcomeJoin, RecordSampler};
use crate::catalog::{Catalog, ModelVersion, Route};
use crate::error::{Error, ProtocolError};
use crate::metadata::RequestMetadata;
use crate::processors::{Processors, WorkSize};
use crate::scheduler::{ForwardPass, ForwardResult, Ticket};
use crate::telemetry::{Observation, Phase, RequestSpan, Telemetry, TraceExporter};

/// Request before its body is parsed.
pub struct PredictRequest<'a> {
    /// Name of the model.
    pub name: &'a str,
    /// Version that must respond; `None` leaves the choice to the traffic split.
    pub version: Option<u64>,
    /// Headers.
    pub metadata: &'a dyn RequestMetadata,
    /// Id of the request.
    pub id: &'a str,
    /// Time of arrival.
    pub began: Instant,
    /// Time that it may take from its arrival.
    pub timeout: Duration,
    /// Memory that it may use.
    pub budget: &'a Budget,
    /// Size of its body in bytes, or that of one with as much work, by which it is quick or not.
    pub size: usize,
}

/// Result of a request.
pub struct PredictResponse {
    /// Rows of the request.
    pub input: PredictInput,
    /// Version that ran them.
    pub version: Arc<ModelVersion>,
    logits: Vec<f32>,
    /// Inputs that a reconstruction is compared with.
    references: Vec<f32>,
    timings: Timings,
}

impl PredictResponse {
    /// Typed predictions, one per row.
    ///
    /// # Errors
    /// [`Error::Row`] for a row whose prediction overflows, [`Error::Inference`].
    pub fn predictions(&self) -> Result<Vec<Predictions>, Error> {
        self.version.model.predictions(&self.logits, &self.references).map_err(decode_error)
    }

    /// Bytes of its predictions and of the response.
    fn answer_bytes(&self) -> usize {
        let rows = self.logits.len() / self.version.model.plan.width().max(1);
        rows.saturating_mul(self.version.model.answer_bytes())
    }

    /// Predictions as tensors with these names; all of them if there are no names. Intervals and sets need a `coverage`.
    ///
    /// # Errors
    /// As [`Self::predictions`] and [`Self::add_intervals`].
    pub fn tensors(&self, names: &[String], coverage: Option<f64>) -> Result<Vec<OutputTensor>, Error> {
        let interval = coverage.map(|coverage| (coverage, &self.input));
        let tensors = self.version.model.output_tensors(&self.logits, &self.references, names, interval);
        tensors.map_err(intervals::interval_error)
    }
}

/// Logits that do not decode: those of a single row may be due to its values.
fn decode_error(error: cupola_runtime::Error) -> Error {
    match error {
        cupola_runtime::Error::NotFinite { .. } => Error::Row(error),
        error => Error::Inference(Arc::new(error)),
    }
}

/// Ends of a request's phases.
#[derive(Debug, Clone, Copy)]
struct Timings {
    began: Instant,
    prepared: Instant,
    started: Instant,
    ended: Instant,
}

impl Timings {
    fn phases(self) -> [Phase; 3] {
        [
            ("prepare", self.began, self.prepared),
            ("queue", self.prepared, self.started),
            ("forward", self.started, self.ended),
        ]
    }
}

/// Pipeline of every request: version, examples, queue, forward pass, telemetry.
pub struct Pipeline {
    catalog: Arc<Catalog>,
    lifecycle: Arc<Lifecycle>,
    telemetry: Arc<Telemetry>,
    pub(crate) traces: Option<TraceExporter>,
    sampler: Option<RecordSampler>,
    outcomes: Option<OutcomeJoin>,
    processors: Processors,
}

/// Bytes of predictions and response that are written within a millisecond.
const QUICK_ANSWER_BYTES: usize = 1 << 16;
/// Size of a body that is parsed within a millisecond.
pub const QUICK_BODY_BYTES: usize = 1 << 13;

impl Pipeline {
    /// Pipeline without traces and records.
    pub fn new(catalog: Arc<Catalog>, lifecycle: Arc<Lifecycle>, telemetry: Arc<Telemetry>) -> Self {
        Self {
            catalog,
            lifecycle,
            telemetry,
            traces: None,
            sampler: None,
            outcomes: None,
            processors: Processors::default(),
        }
    }

    /// Exports a trace of every request.
    pub fn set_traces(&mut self, traces: TraceExporter) {
        self.traces = Some(traces);
    }

    /// Compares predictions with feedback.
    pub fn set_outcomes(&mut self, outcomes: OutcomeJoin) {
        self.outcomes = Some(outcomes);
    }

    /// Recent predictions that feedback is compared with; `None` if nobody asks for it.
    pub fn outcomes(&self) -> Option<&OutcomeJoin> {
        self.outcomes.as_ref()
    }

    /// Records a sample of the predictions.
    pub fn set_sampler(&mut self, sampler: RecordSampler) {
        self.sampler = Some(sampler);
    }

    /// Processor time for the long work of requests.
    pub fn processors(&self) -> &Processors {
        &self.processors
    }

    /// Models that it serves.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Runs the parsing of a body: outside the runtime's threads if it is large.
    ///
    /// # Errors
    /// [`Error::Exceeded`] if no processor is free within the deadline.
    pub async fn parse<T: Send>(
        &self,
        size: usize,
        budget: &Budget,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, Error> {
        Ok(self.processors.run(WorkSize::of_bytes(size, QUICK_BODY_BYTES), budget, work).await?)
    }

    /// Runs the writing of a response: outside the runtime's threads if it has many rows.
    ///
    /// # Errors
    /// [`Error::Exceeded`] if no processor is free within the deadline.
    pub async fn answer<T: Send>(
        &self,
        response: &PredictResponse,
        budget: &Budget,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, Error> {
        let size = WorkSize::of_bytes(response.answer_bytes(), QUICK_ANSWER_BYTES);
        Ok(self.processors.run(size, budget, work).await?)
    }

    /// Checks that new requests are accepted.
    ///
    /// # Errors
    /// [`Error::Draining`].
    pub fn check_accepting(&self) -> Result<(), Error> {
        if self.lifecycle.is_draining() { Err(Error::Draining) } else { Ok(()) }
    }

    /// Runs a request whose body `read` turns into rows, given the model that it goes to.
    ///
    /// # Errors
    /// Errors of `read`, and those of [`Error`]'s second group.
    pub async fn predict<E: ProtocolError>(
        &self,
        request: &PredictRequest<'_>,
        read: impl FnOnce(&LoadedPackage) -> Result<PredictInput, E> + Send,
    ) -> Result<PredictResponse, E> {
        self.check_accepting()?;
        request.budget.check().map_err(Error::from)?;
        let route = self.catalog.route(request.name, request.version, request.metadata, request.id);
        let Route { version, shadow } = route?;
        let result = self.run(request, &version, read).await;
        self.account(request, &version, &result);
        let response = result?;
        if let Some(shadow) = shadow
            && let Ok(Ok(predictions)) =
                self.answer(&response, request.budget, || response.predictions()).await
        {
            let expected = shadow::Expected { input: response.input.clone(), predictions };
            let comparison = shadow::Comparison {
                telemetry: Arc::clone(&self.telemetry),
                processors: self.processors.clone(),
                budget: request.budget.clone(),
                timeout: request.timeout,
            };
            comparison.start(shadow, expected);
        }
        Ok(response)
    }

    /// Records the response's rows if the request belongs to the sample.
    pub fn record(&self, request_id: &str, response: &PredictResponse, predictions: &[Predictions]) {
        if let Some(sampler) = &self.sampler {
            let began = response.timings.began;
            sampler.record(request_id, began, &response.version, &response.input, predictions);
        }
        if let Some(outcomes) = &self.outcomes {
            let manifest = &response.version.manifest;
            outcomes.remember(request_id, &manifest.name, manifest.version, predictions);
        }
    }

    /// As [`Self::record`], for a response of tensors: its predictions are decoded only if something keeps them.
    pub fn record_tensors(&self, request_id: &str, response: &PredictResponse) {
        let sampled = self.sampler.as_ref().is_some_and(|sampler| sampler.includes(request_id));
        if !sampled && self.outcomes.is_none() {
            return;
        }
        // Predictions that do not decode have failed as tensors too.
        if let Ok(predictions) = response.predictions() {
            self.record(request_id, response, &predictions);
        }
    }

    /// Adds the rows and predictions of an answered request to the sketches of its version. This is the last use of the
    /// response: they move to another thread.
    pub fn observe(&self, response: PredictResponse) {
        if let Some(monitor) = &response.version.monitor {
            let model = Arc::clone(&response.version.model);
            let outputs = (response.logits, response.references);
            let observation = || Observation::new(Arc::clone(monitor), model, response.input, outputs);
            self.telemetry.live.push(monitor, observation);
        }
    }

    /// Adds what has been observed so far to the sketches, so that a report has it. Blocks.
    pub fn flush_observations(&self) {
        self.telemetry.live.flush();
    }

    /// Counts and traces a finished request.
    fn account<E: ProtocolError>(
        &self,
        request: &PredictRequest<'_>,
        version: &ModelVersion,
        result: &Result<PredictResponse, E>,
    ) {
        let status = result.as_ref().map_or_else(E::status, |_| 200);
        self.telemetry.count_response(request.name, status);
        let seconds = request.began.elapsed().as_secs_f64();
        version.metrics.record_request(seconds);
        if let Some(monitor) = &version.monitor {
            monitor.record_request(status, seconds);
        }
        let Some(traces) = &self.traces else { return };
        let phases = result.as_ref().ok().map(|response| response.timings.phases());
        let span = RequestSpan {
            operation: "predict",
            name: request.name,
            version: version.manifest.version,
            request: request.id,
            status,
            began: request.began,
            phases: phases.as_ref().map_or(&[], |phases| phases.as_slice()),
            tokens: None,
        };
        traces.export(&TraceExporter::parent(request.metadata), &span);
    }

    async fn run<E: ProtocolError>(
        &self,
        request: &PredictRequest<'_>,
        version: &Arc<ModelVersion>,
        read: impl FnOnce(&LoadedPackage) -> Result<PredictInput, E> + Send,
    ) -> Result<PredictResponse, E> {
        let _in_flight = version.scheduler.in_flight();
        let size = WorkSize::of_bytes(request.size, version.model.quick_bytes());
        let prepare = || prepare(request.budget, version, read);
        let prepared = self.processors.run(size, request.budget, prepare).await;
        let (input, examples, references) = prepared.map_err(Error::from)??;
        let prepared = Instant::now();
        version.metrics.record_preparation((prepared - request.began).as_secs_f64());
        let deadline = request.began + request.timeout;
        let ticket = version.scheduler.submit(examples, deadline);
        let ticket = ticket.ok_or(Error::Overloaded { limit: version.scheduler.limits().queue })?;
        let ForwardPass { logits, started, ended } = wait(ticket, deadline, request.timeout).await?;
        let timings = Timings { began: request.began, prepared, started, ended };
        Ok(PredictResponse { input, version: Arc::clone(version), logits, references, timings })
    }
}

/// Rows of a request, their examples, and the inputs that a reconstruction is compared with.
type PreparedRows = (PredictInput, Examples, Vec<f32>);

/// Parses and transforms the rows. What their predictions will need is charged before they are transformed.
fn prepare<E: ProtocolError>(
    budget: &Budget,
    version: &ModelVersion,
    read: impl FnOnce(&LoadedPackage) -> Result<PredictInput, E> + Send,
) -> Result<PreparedRows, E> {
    let model = &version.model;
    let input = read(model)?;
    let rows = input.rows(model.signature.inputs.len());
    budget.charge_each(rows, model.answer_bytes()).map_err(Error::from)?;
    let examples = model.examples_of_input(&input, budget).map_err(Error::Row)?;
    let references = model.inputs_to_compare(&examples);
    budget.charge_each(references.len(), size_of::<f32>()).map_err(Error::from)?;
    Ok((input, examples, references))
}

async fn wait(ticket: Ticket, deadline: Instant, timeout: Duration) -> Result<ForwardPass, Error> {
    let late = Error::Deadline { timeout };
    let result: ForwardResult = match ticket {
        Ticket::Ready(result) => result,
        Ticket::Queued(result) => match tokio::time::timeout_at(deadline.into(), result).await {
            Ok(Ok(result)) => result,
            Err(_) => return Err(late),
            // The engine drops requests whose deadline has passed.
            Ok(Err(_)) if Instant::now() >= deadline => return Err(late),
            Ok(Err(_)) => return Err(Error::EngineStopped),
        },
    };
    result.map_err(|error| {
        tracing::error!(%error, "inference failed");
        Error::Inference(error)
    })
}
