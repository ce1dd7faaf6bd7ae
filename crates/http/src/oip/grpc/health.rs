//! `grpc.health.v1`: health of the server as a whole, or of a model by its name for callers who may know of it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cupola_serving::access::{Caller, Scope};
use cupola_serving::{Catalog, Lifecycle};
use futures::Stream;
use tonic::{Request, Response, Status};

#[allow(clippy::all, clippy::pedantic, missing_docs, reason = "generated from proto/health.proto")]
mod proto {
    tonic::include_proto!("grpc.health.v1");
}

use proto::health_check_response::ServingStatus;
use proto::health_server::{Health, HealthServer};
use proto::{HealthCheckRequest, HealthCheckResponse};

/// Interval at which a watched status is read.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

pub(super) fn service(catalog: Arc<Catalog>, lifecycle: Arc<Lifecycle>) -> HealthServer<HealthService> {
    HealthServer::new(HealthService { catalog, lifecycle })
}

#[derive(Clone)]
pub(super) struct HealthService {
    catalog: Arc<Catalog>,
    lifecycle: Arc<Lifecycle>,
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

    /// The current status, and each later one that differs.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (_, mut extensions, message) = request.into_parts();
        let (this, service, caller) = (self.clone(), message.service, extensions.remove::<Caller>());
        let changes = futures::stream::unfold(None, move |before| {
            let (this, service, caller) = (this.clone(), service.clone(), caller.clone());
            async move {
                loop {
                    let now = this.status(caller.as_ref(), &service);
                    if before != Some(now) {
                        return Some((Ok(HealthCheckResponse { status: now as i32 }), Some(now)));
                    }
                    tokio::time::sleep(WATCH_INTERVAL).await;
                }
            }
        });
        Ok(Response::new(Box::pin(changes)))
    }
}
