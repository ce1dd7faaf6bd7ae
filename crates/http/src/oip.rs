//! The Open Inference Protocol, version 2: REST with the binary tensor extension, and gRPC
//! (<https://github.com/kserve/open-inference-protocol>), with Triton's extensions for repository, configuration
//! and statistics.

mod grpc;
mod infer;
mod repository;
mod rest;
mod wire;

use axum::Router;
use cupola_runtime::{ElementType, TensorSpec};

pub(crate) use self::grpc::CallSet;
use self::wire::DataType;
use crate::error::ApiError;
use crate::middleware::Routes;
use crate::state::ServerState;

/// Name of the server and its platform.
const NAME: &str = "cupola";
/// Supported extensions.
const EXTENSIONS: [&str; 4] = ["binary_tensor_data", "model_configuration", "model_repository", "statistics"];

/// Health, metadata and inference over REST.
pub(crate) fn models() -> Routes<ServerState> {
    rest::models()
}

/// Triton's model repository over REST.
pub(crate) fn repository() -> Routes<ServerState> {
    rest::repository()
}

/// gRPC services: inference and health.
pub(crate) fn grpc(state: &ServerState, set: CallSet) -> Router {
    grpc::inference(state, set).merge(grpc::health(state))
}

/// Element type of a tensor.
fn data_type(spec: &TensorSpec) -> DataType {
    match spec.element {
        ElementType::Float => DataType::Fp32,
        ElementType::Double => DataType::Fp64,
        ElementType::Bytes => DataType::Bytes,
    }
}

/// Shape of a tensor with its batch axis, `-1`.
fn shape(spec: &TensorSpec) -> Vec<i64> {
    std::iter::once(-1)
        .chain(spec.shape.iter().map(|axis| i64::try_from(*axis).unwrap_or(i64::MAX)))
        .collect()
}

/// Version of a request; empty if it names none.
fn parse_version(text: &str) -> Result<Option<u64>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| ApiError::invalid_version(text))
}
