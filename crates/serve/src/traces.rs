//! Traces of requests, sent to a collector by OTLP over gRPC (`OpenTelemetry` 1.x): a span for each request,
//! and one each for its preparation, its time in the queue and its forward pass; of a request for texts, for the
//! time to the first piece and for the rest.
//!
//! `traceparent` of a request (W3C Trace Context) is the parent. Which requests are traced, and under which
//! name, say the standard's own variables: `OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME`.

use std::time::{Instant, SystemTime};

use axum::http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Span as _, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use crate::error::Error;

/// Where traces go.
#[derive(Debug)]
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// When a request's parts began and ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marks {
    pub prepared: Instant,
    pub started: Instant,
    pub ended: Instant,
}

impl Marks {
    /// The parts of a request that began then.
    pub fn parts(self, began: Instant) -> [Part; 3] {
        [
            ("prepare", began, self.prepared),
            ("queue", self.prepared, self.started),
            ("forward", self.started, self.ended),
        ]
    }
}

/// A part of a request, from when to when.
pub(crate) type Part = (&'static str, Instant, Instant);

/// What is told of a request.
pub(crate) struct Told<'a> {
    /// `predict`, or what the conventions for generative models call it.
    pub operation: &'static str,
    pub name: &'a str,
    pub version: u64,
    pub request: &'a str,
    pub status: u16,
    pub began: Instant,
    /// Of one that was run.
    pub parts: &'a [Part],
    /// Tokens that came and tokens that were made.
    pub tokens: Option<[u64; 2]>,
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(axum::http::HeaderName::as_str).collect()
    }
}

impl Traces {
    /// To the collector at `http://HOST:4317`. Has to be called within a runtime; a collector that is not
    /// there loses traces and holds nothing up.
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

    /// Notes a request that is over.
    pub fn note(&self, headers: &HeaderMap, told: &Told<'_>) {
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
        let now = Instant::now();
        let clock = Clock { instant: now, time: SystemTime::now() };
        let mut attributes = vec![
            KeyValue::new("cupola.model", told.name.to_owned()),
            KeyValue::new("cupola.version", i64::try_from(told.version).unwrap_or(i64::MAX)),
            KeyValue::new("cupola.request_id", told.request.to_owned()),
            KeyValue::new("http.response.status_code", i64::from(told.status)),
        ];
        if let Some(tokens) = told.tokens {
            let [came, made] = tokens.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
            attributes.extend([
                KeyValue::new("gen_ai.operation.name", told.operation),
                KeyValue::new("gen_ai.request.model", told.name.to_owned()),
                KeyValue::new("gen_ai.usage.input_tokens", came),
                KeyValue::new("gen_ai.usage.output_tokens", made),
            ]);
        }
        let builder = self.tracer.span_builder(format!("{} {}", told.operation, told.name));
        let builder = builder
            .with_kind(SpanKind::Server)
            .with_start_time(clock.at(told.began))
            .with_attributes(attributes);
        let mut span = self.tracer.build_with_context(builder, &parent);
        if told.status >= 500 {
            span.set_status(Status::error(""));
        }
        if span.is_recording() {
            let inner = parent.with_remote_span_context(span.span_context().clone());
            for &(name, from, to) in told.parts {
                let part = self.tracer.span_builder(name).with_start_time(clock.at(from));
                self.tracer.build_with_context(part, &inner).end_with_timestamp(clock.at(to));
            }
        }
        span.end_with_timestamp(clock.time);
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // What waits is sent.
        let _ = self.provider.shutdown();
    }
}

/// The one clock in the other's terms.
struct Clock {
    instant: Instant,
    time: SystemTime,
}

impl Clock {
    fn at(&self, when: Instant) -> SystemTime {
        self.time - self.instant.saturating_duration_since(when)
    }
}
