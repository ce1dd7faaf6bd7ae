//! `grpc.health.v1`: the server as a whole, or a model by its name.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use tonic::{Request, Response, Status};

use crate::state::Shared;

#[allow(clippy::all, clippy::pedantic, missing_docs, reason = "generated from proto/health.proto")]
mod proto {
    tonic::include_proto!("grpc.health.v1");
}

use proto::health_check_response::ServingStatus;
use proto::health_server::{Health, HealthServer};
use proto::{HealthCheckRequest, HealthCheckResponse};

pub(crate) fn service(app: Arc<Shared>) -> HealthServer<Service> {
    HealthServer::new(Service { app })
}

pub(crate) struct Service {
    app: Arc<Shared>,
}

fn status(app: &Shared, service: &str) -> ServingStatus {
    let own = service.is_empty() || service == "inference.GRPCInferenceService";
    if !own && app.catalog.find(service, None).is_err() {
        return ServingStatus::ServiceUnknown;
    }
    if app.is_ready() { ServingStatus::Serving } else { ServingStatus::NotServing }
}

#[tonic::async_trait]
impl Health for Service {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match status(&self.app, &request.get_ref().service) {
            ServingStatus::ServiceUnknown => Err(Status::not_found("there is no such service")),
            status => Ok(Response::new(HealthCheckResponse { status: status as i32 })),
        }
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// The status now, and each time it has changed.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (app, service) = (Arc::clone(&self.app), request.into_inner().service);
        let told = futures::stream::unfold(None, move |before| {
            let (app, service) = (Arc::clone(&app), service.clone());
            async move {
                loop {
                    let now = status(&app, &service);
                    if before != Some(now) {
                        return Some((Ok(HealthCheckResponse { status: now as i32 }), Some(now)));
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        });
        Ok(Response::new(Box::pin(told)))
    }
}
