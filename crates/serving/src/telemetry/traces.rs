//! Traces of requests, exported by OTLP over gRPC (`OpenTelemetry` 1.x).
//!
//! Each request is a span with children for its phases: preparation, queue and forward pass of a prediction;
//! first token and remaining tokens of a generation. `traceparent` (W3C Trace Context) gives the parent span.
//! The standard environment variables `OTEL_TRACES_SAMPLER` and `OTEL_SERVICE_NAME` apply.

use std::time::{Instant, SystemTime};

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Span as _, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use crate::error::Error;
use crate::metadata::RequestMetadata;

/// Exporter of traces to a collector.
#[derive(Debug)]
pub struct TraceExporter {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// Named part of a request with its start and end.
pub(crate) type Phase = (&'static str, Instant, Instant);

/// Finished request to be exported as a span.
pub(crate) struct RequestSpan<'a> {
    /// `predict`, or the operation name of the conventions for generative models.
    pub operation: &'static str,
    pub name: &'a str,
    pub version: u64,
    pub request: &'a str,
    pub status: u16,
    pub began: Instant,
    /// Phases of a successful request.
    pub phases: &'a [Phase],
    /// Prompt tokens and generated tokens.
    pub tokens: Option<[u64; 2]>,
}

struct Carrier<'a>(&'a dyn RequestMetadata);

impl Extractor for Carrier<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.value(key).and_then(|value| std::str::from_utf8(value).ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.names()
    }
}

impl TraceExporter {
    /// Exports to the collector at `http://HOST:4317`. Must be called within a Tokio runtime. An unreachable
    /// collector loses traces and delays nothing.
    ///
    /// # Errors
    /// [`Error::Otlp`].
    pub fn open(endpoint: &str) -> Result<Self, Error> {
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build();
        let exporter = exporter
            .map_err(|error| Error::Otlp { endpoint: endpoint.to_owned(), why: error.to_string() })?;
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("cupola");
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        Ok(Self { tracer: provider.tracer("cupola"), provider })
    }

    /// Parent span that a request names; an empty context if it names none.
    pub(crate) fn parent(metadata: &dyn RequestMetadata) -> Context {
        TraceContextPropagator::new().extract_with_context(&Context::new(), &Carrier(metadata))
    }

    /// Exports a finished request.
    pub(crate) fn export(&self, parent: &Context, request: &RequestSpan<'_>) {
        let clock = WallClock { instant: Instant::now(), time: SystemTime::now() };
        let builder = self.tracer.span_builder(format!("{} {}", request.operation, request.name));
        let builder = builder
            .with_kind(SpanKind::Server)
            .with_start_time(clock.at(request.began))
            .with_attributes(attributes(request));
        let mut span = self.tracer.build_with_context(builder, parent);
        if request.status >= 500 {
            span.set_status(Status::error(""));
        }
        if span.is_recording() {
            let inner = parent.with_remote_span_context(span.span_context().clone());
            for &(name, from, to) in request.phases {
                let phase = self.tracer.span_builder(name).with_start_time(clock.at(from));
                self.tracer.build_with_context(phase, &inner).end_with_timestamp(clock.at(to));
            }
        }
        span.end_with_timestamp(clock.time);
    }
}

impl Drop for TraceExporter {
    fn drop(&mut self) {
        // Sends the spans that are still buffered.
        let _ = self.provider.shutdown();
    }
}

fn attributes(request: &RequestSpan<'_>) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("cupola.model", request.name.to_owned()),
        KeyValue::new("cupola.version", i64::try_from(request.version).unwrap_or(i64::MAX)),
        KeyValue::new("cupola.request_id", request.request.to_owned()),
        KeyValue::new("http.response.status_code", i64::from(request.status)),
    ];
    if let Some(tokens) = request.tokens {
        let [prompt, generated] = tokens.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        attributes.extend([
            KeyValue::new("gen_ai.operation.name", request.operation),
            KeyValue::new("gen_ai.request.model", request.name.to_owned()),
            KeyValue::new("gen_ai.usage.input_tokens", prompt),
            KeyValue::new("gen_ai.usage.output_tokens", generated),
        ]);
    }
    attributes
}

/// Converts instants of the monotonic clock to wall clock time.
struct WallClock {
    instant: Instant,
    time: SystemTime,
}

impl WallClock {
    fn at(&self, when: Instant) -> SystemTime {
        self.time - self.instant.saturating_duration_since(when)
    }
}
