//! gRPC side of the protocol, as Triton's clients speak it.

mod deadline;
mod health;
mod infer;
mod service;

use std::sync::Arc;

use axum::Router;
use cupola_serving::access::Scope;

use self::service::InferenceService;
use crate::middleware::{Access, RpcService, rpc};
use crate::state::ServerState;

#[allow(clippy::all, clippy::pedantic, missing_docs, reason = "generated from proto/inference.proto")]
mod proto {
    tonic::include_proto!("inference");
}

use self::proto::grpc_inference_service_server::GrpcInferenceServiceServer;

/// Calls of the inference service that a listener has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallSet {
    /// All of them.
    All,
    /// All but those of the model repository, which the administrative listener has.
    Inference,
    /// Health and the model repository.
    Administration,
}

impl CallSet {
    /// Calls that another listener has.
    fn elsewhere(self) -> &'static [&'static str] {
        match self {
            Self::All => &[],
            Self::Inference => &["RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"],
            Self::Administration => &[
                "ModelReady",
                "ServerMetadata",
                "ModelMetadata",
                "ModelInfer",
                "ModelStreamInfer",
                "ModelConfig",
                "ModelStatistics",
            ],
        }
    }
}

/// Inference service, for tensors up to the body limit.
pub(super) fn inference(state: &ServerState, set: CallSet) -> Router {
    let service = InferenceService {
        catalog: Arc::clone(&state.catalog),
        pipeline: Arc::clone(&state.pipeline),
        lifecycle: Arc::clone(&state.lifecycle),
        access: Arc::clone(&state.access),
        limits: state.limits,
        accounts: state.accounts.clone(),
        streams: state.streams.clone(),
    };
    let service = GrpcInferenceServiceServer::new(service)
        .max_decoding_message_size(state.limits.body_bytes)
        .max_encoding_message_size(usize::MAX);
    // Messages of inference name their model: the handlers check the scope `predict` for it.
    let calls = &[
        ("ServerLive", Access::Public),
        ("ServerReady", Access::Public),
        ("ModelReady", Access::AnyKey),
        ("ServerMetadata", Access::AnyKey),
        ("ModelMetadata", Access::AnyKey),
        ("ModelInfer", Access::AnyKey),
        ("ModelStreamInfer", Access::AnyKey),
        ("ModelConfig", Access::AnyKey),
        ("ModelStatistics", Access::AnyKey),
        ("RepositoryIndex", Access::AnyKey),
        ("RepositoryModelLoad", Access::Scope(Scope::Admin)),
        ("RepositoryModelUnload", Access::Scope(Scope::Admin)),
    ];
    let service = RpcService {
        path: "/inference.GRPCInferenceService/{call}",
        calls,
        elsewhere: set.elsewhere(),
        large: &["ModelInfer", "ModelStreamInfer"],
        streams: &["ModelStreamInfer"],
        service,
    };
    rpc(state.into(), service)
}

/// Standard health service.
pub(super) fn health(state: &ServerState) -> Router {
    let service = health::service(state);
    let calls = &[("Check", Access::OptionalKey), ("Watch", Access::OptionalKey)];
    let path = "/grpc.health.v1.Health/{call}";
    let service = RpcService { path, calls, elsewhere: &[], large: &[], streams: &[], service };
    rpc(state.into(), service)
}
