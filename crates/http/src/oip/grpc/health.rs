//! `grpc.health.v1`: health of the server as a whole, or of a model by its name for callers who may know of it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cupola_serving::access::{Caller, Scope};
use cupola_serving::{Catalog, Lifecycle};
use futures::Stream;
use tonic::{Request, Response, Status};

use crate::state::{EndlessStreams, ServerState, StreamPermit};

#[allow(clippy::all, clippy::pedantic, missing_docs, reason = "generated from proto/health.proto")]
mod proto {
    tonic::include_proto!("grpc.health.v1");
}

use proto::health_check_response::ServingStatus;
use proto::health_server::{Health, HealthServer};
use proto::{HealthCheckRequest, HealthCheckResponse};

/// Interval at which a watched status is read.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

pub(super) fn service(state: &ServerState) -> HealthServer<HealthService> {
    HealthServer::new(HealthService {
        catalog: Arc::clone(&state.catalog),
        lifecycle: Arc::clone(&state.lifecycle),
        streams: state.streams.clone(),
    })
}

#[derive(Clone)]
pub(super) struct HealthService {
    catalog: Arc<Catalog>,
    lifecycle: Arc<Lifecycle>,
    streams: EndlessStreams,
}

/// State of a watch.
struct Watch {
    health: HealthService,
    service: String,
    caller: Option<Caller>,
    /// Status that the client knows.
    known: Option<ServingStatus>,
    _permit: StreamPermit,
}

impl Watch {
    /// Next status that differs; `None` when the server ends.
    async fn next(&mut self) -> Option<HealthCheckResponse> {
        loop {
            let now = self.health.status(self.caller.as_ref(), &self.service);
            if self.known.replace(now) != Some(now) {
                return Some(HealthCheckResponse { status: now as i32 });
            }
            if self.health.lifecycle.is_draining() {
                return None;
            }
            tokio::time::sleep(WATCH_INTERVAL).await;
        }
    }
}

impl HealthService {
    fn status(&self, caller: Option<&Caller>, service: &str) -> ServingStatus {
        let whole = service.is_empty() || service == "inference.GRPCInferenceService";
        let visible = || caller.is_some_and(|caller| caller.has(Scope::Predict, service));
        if !whole && (!visible() || self.catalog.find(service, None).is_err()) {
            return ServingStatus::ServiceUnknown;
        }
        if self.lifecycle.is_ready() { ServingStatus::Serving } else { ServingStatus::NotServing }
    }
}

#[tonic::async_trait]
impl Health for HealthService {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match self.status(request.extensions().get(), &request.get_ref().service) {
            ServingStatus::ServiceUnknown => Err(Status::not_found("unknown service")),
            status => Ok(Response::new(HealthCheckResponse { status: status as i32 })),
        }
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// The current status, and each later one that differs, until the server ends.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let permit = self.streams.watches.open(request.extensions())?;
        let (_, mut extensions, message) = request.into_parts();
        let (service, caller) = (message.service, extensions.remove());
        let watch = Watch { health: self.clone(), service, caller, known: None, _permit: permit };
        let changes = futures::stream::unfold(watch, |mut watch| async move {
            let status = watch.next().await?;
            Some((Ok(status), watch))
        });
        Ok(Response::new(Box::pin(changes)))
    }
}
