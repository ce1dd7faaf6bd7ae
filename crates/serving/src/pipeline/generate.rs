//! Text generation: admission of a request's sequences and the stream of their pieces.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cupola_runtime::{LoadedPackage, Sequence, TextPiece};
use opentelemetry::Context;
use tokio::sync::mpsc::UnboundedReceiver;

use super::Pipeline;
use crate::catalog::ModelVersion;
use crate::error::{Error, ProtocolError};
use crate::metadata::RequestMetadata;
use crate::scheduler::GenerationEvent;
use crate::telemetry::{RequestSpan, TraceExporter};

/// Status of a request whose client left before its text was complete, as nginx logs it.
pub const GENERATION_CANCELLED: u16 = 499;

/// Time that the engine may take beyond the deadline to report that it has passed.
const DEADLINE_GRACE: Duration = Duration::from_millis(100);

/// Request for one or more generated sequences.
pub struct GenerateRequest<'a> {
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
    /// Operation name of the `OpenTelemetry` conventions: `chat` or `text_completion`.
    pub operation: &'static str,
}

/// Token counts of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenUsage {
    /// Tokens of all prompts.
    pub prompt: u64,
    /// Tokens of prompts that came from the prefix cache.
    pub cached: u64,
    /// Generated tokens.
    pub generated: u64,
}

/// Progress of a sequence.
#[derive(Debug, Clone, Copy, Default)]
struct SequenceProgress {
    prompt: usize,
    tokens: u64,
    cached: usize,
    finished: bool,
}

/// Pieces of a request's sequences as they are generated. Dropping it cancels the sequences; metrics and trace
/// are written then, however it ends.
pub struct GenerationStream {
    pipeline: Arc<Pipeline>,
    /// Holds the version while its sequences run.
    version: Arc<ModelVersion>,
    parent: Context,
    name: String,
    id: String,
    operation: &'static str,
    began: Instant,
    deadline: Instant,
    first_token: Option<Instant>,
    events: UnboundedReceiver<GenerationEvent>,
    sequences: Vec<SequenceProgress>,
    status: u16,
}

impl Pipeline {
    /// Admits a request for generated text, whose sequences `begin` makes, given the model that it goes to.
    ///
    /// # Errors
    /// Errors of `begin`, [`Error::Draining`], [`Error::UnknownModel`], [`Error::UnknownVersion`], [`Error::Overloaded`].
    pub fn generate<E: ProtocolError>(
        self: &Arc<Self>,
        request: &GenerateRequest<'_>,
        begin: impl FnOnce(&LoadedPackage) -> Result<Vec<Sequence>, E>,
    ) -> Result<GenerationStream, E> {
        self.check_accepting()?;
        let route = self.catalog().route(request.name, request.version, request.metadata, request.id)?;
        let version = route.version;
        let generations = begin(&version.model)?;
        let progress = |generation: &Sequence| SequenceProgress {
            prompt: generation.prompt_tokens,
            ..SequenceProgress::default()
        };
        let sequences = generations.iter().map(progress).collect();
        let deadline = request.began + request.timeout;
        let events = version.scheduler.generate(generations, deadline);
        let events = events.ok_or(Error::Overloaded { limit: version.scheduler.limits().queue })?;
        let parent = match &self.traces {
            Some(_) => TraceExporter::parent(request.metadata),
            None => Context::new(),
        };
        Ok(GenerationStream {
            pipeline: Arc::clone(self),
            version,
            parent,
            name: request.name.to_owned(),
            id: request.id.to_owned(),
            operation: request.operation,
            began: request.began,
            deadline,
            first_token: None,
            events,
            sequences,
            status: GENERATION_CANCELLED,
        })
    }
}

impl GenerationStream {
    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.sequences.len()
    }

    /// `true` if there are no sequences.
    pub fn is_empty(&self) -> bool {
        self.sequences.is_empty()
    }

    /// `true` if every sequence has ended.
    pub fn is_complete(&self) -> bool {
        self.sequences.iter().all(|sequence| sequence.finished)
    }

    /// Token counts so far.
    pub fn usage(&self) -> TokenUsage {
        self.usage_of_choices(1)
    }

    /// Token counts so far, those of a prompt once for each `choices` sequences, which have it in common.
    pub fn usage_of_choices(&self, choices: usize) -> TokenUsage {
        let generated = self.sequences.iter().map(|sequence| sequence.tokens).sum();
        let prompts = || self.sequences.iter().step_by(choices.max(1));
        let prompt: usize = prompts().map(|sequence| sequence.prompt).sum();
        let cached: usize = prompts().map(|sequence| sequence.cached).sum();
        TokenUsage { prompt: prompt as u64, cached: cached as u64, generated }
    }

    /// Next piece, with the index of its sequence.
    ///
    /// # Errors
    /// [`Error::GenerationDeadline`], [`Error::ResponseFormat`], [`Error::Inference`].
    pub async fn next<E: ProtocolError>(&mut self) -> Result<(usize, TextPiece), E> {
        match self.receive().await.map_err(E::from) {
            Ok(next) => {
                if self.is_complete() {
                    self.status = 200;
                }
                Ok(next)
            }
            Err(error) => {
                self.status = error.status();
                Err(error)
            }
        }
    }

    async fn receive(&mut self) -> Result<(usize, TextPiece), Error> {
        let until = self.deadline + DEADLINE_GRACE;
        let event = tokio::time::timeout_at(until.into(), self.events.recv()).await;
        let Ok(Some(GenerationEvent { index, piece })) = event else { return Err(Error::GenerationDeadline) };
        let piece = piece.map_err(|error| {
            // A grammar may lead to where no token of the model goes on, or to where following it is too much work.
            if matches!(*error, cupola_runtime::Error::Grammar { .. }) {
                return Error::ResponseFormat(error);
            }
            tracing::error!(%error, "generation failed");
            Error::Inference(error)
        })?;
        if self.first_token.is_none() {
            self.first_token = Some(Instant::now());
            self.version.metrics.record_first_token(self.began.elapsed().as_secs_f64());
        }
        let sequence = &mut self.sequences[index];
        sequence.tokens = piece.generated_tokens;
        (sequence.finished, sequence.cached) = (piece.finish.is_some(), piece.cached_tokens);
        Ok((index, piece))
    }
}

impl Drop for GenerationStream {
    fn drop(&mut self) {
        let now = Instant::now();
        let metrics = &self.version.metrics;
        let seconds = (now - self.began).as_secs_f64();
        metrics.record_request(seconds);
        if let Some(monitor) = &self.version.monitor {
            monitor.record_request(self.status, seconds);
        }
        let TokenUsage { prompt, cached, generated } = self.usage();
        metrics.count_tokens([prompt, cached, generated]);
        let Some(traces) = &self.pipeline.traces else { return };
        let phases =
            self.first_token.map(|first| [("first token", self.began, first), ("tokens", first, now)]);
        let span = RequestSpan {
            operation: self.operation,
            name: &self.name,
            version: self.version.manifest.version,
            request: &self.id,
            status: self.status,
            began: self.began,
            phases: phases.as_ref().map_or(&[], |phases| phases.as_slice()),
            tokens: Some([prompt, generated]),
        };
        traces.export(&self.parent, &span);
    }
}
