//! Implementation of the inference service.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Extensions, HeaderMap};
use cupola_budget::Accounts;
use cupola_runtime::TensorSpec;
use cupola_serving::access::{AccessControl, AuditEvent, AuditedCall, Caller, PendingCall, Scope};
use cupola_serving::{Catalog, Error, Lifecycle, ModelVersion, Pipeline};
use futures::{Stream, StreamExt, stream};
use tonic::{Code, Request, Response, Status, Streaming};

use super::super::repository::{self, VersionStatistics};
use super::super::wire::DataType;
use super::super::{EXTENSIONS, NAME, data_type, parse_version, shape};
use super::deadline::deadline;
use super::infer::infer;
use super::proto;
use super::proto::grpc_inference_service_server::GrpcInferenceService;
use super::proto::model_metadata_response::TensorMetadata;
#[allow(clippy::wildcard_imports, reason = "nearly all of the messages")]
use super::proto::*;
use crate::error::ApiError;
use crate::request::{budget_of, token};
use crate::state::{EndlessStreams, RequestLimits};

/// Interval at which a stream looks for the end of the server.
const DRAIN_INTERVAL: Duration = Duration::from_millis(200);

const LOAD: &str = "/inference.GRPCInferenceService/RepositoryModelLoad";
const UNLOAD: &str = "/inference.GRPCInferenceService/RepositoryModelUnload";

type Reply<T> = Result<Response<T>, Status>;

#[derive(Clone)]
pub(super) struct InferenceService {
    pub catalog: Arc<Catalog>,
    pub pipeline: Arc<Pipeline>,
    pub lifecycle: Arc<Lifecycle>,
    pub access: Arc<AccessControl>,
    pub limits: RequestLimits,
    pub accounts: Accounts,
    pub streams: EndlessStreams,
}

impl InferenceService {
    /// Version of a model, if the caller may know of it.
    fn find(
        &self,
        extensions: &Extensions,
        name: &str,
        version: &str,
    ) -> Result<Arc<ModelVersion>, ApiError> {
        caller_of(extensions)?.require_sight(name)?;
        Ok(self.catalog.find(name, parse_version(version)?)?)
    }

    async fn infer(
        &self,
        caller: Option<&Caller>,
        headers: &HeaderMap,
        request: ModelInferRequest,
    ) -> Result<ModelInferResponse, ApiError> {
        let timeout = deadline(headers, self.limits.timeout)?;
        let budget = budget_of(&self.accounts, caller, timeout);
        infer(&self.pipeline, headers, timeout, &budget, request).await
    }

    /// Runs a message of a stream, which is admitted on its own.
    async fn infer_next(
        &self,
        headers: &HeaderMap,
        request: ModelInferRequest,
    ) -> Result<ModelInferResponse, ApiError> {
        let caller = self.access.admit(token(headers))?;
        caller.require(Scope::Predict, &request.model_name)?;
        self.infer(Some(&caller), headers, request).await
    }

    /// Administrative call that begins now. Its path does not name the model, unlike that of REST.
    fn pending<'a>(
        &'a self,
        extensions: &'a Extensions,
        path: &'static str,
        model: &'a str,
    ) -> PendingCall<'a> {
        let call = AuditedCall {
            event: AuditEvent::Administration,
            key: extensions.get::<Caller>().map_or("-", Caller::id),
            method: "POST",
            path,
            model: Some(model),
            status: 0,
        };
        PendingCall::new(self.access.audit(), call)
    }
}

/// Status that the audit log records.
fn status_of(result: &Result<(), ApiError>) -> u16 {
    result.as_ref().err().map_or(200, |error| error.status.as_u16())
}

#[tonic::async_trait]
impl GrpcInferenceService for InferenceService {
    async fn server_live(&self, _: Request<ServerLiveRequest>) -> Reply<ServerLiveResponse> {
        Ok(Response::new(ServerLiveResponse { live: true }))
    }

    async fn server_ready(&self, _: Request<ServerReadyRequest>) -> Reply<ServerReadyResponse> {
        Ok(Response::new(ServerReadyResponse { ready: self.lifecycle.is_ready() }))
    }

    async fn model_ready(&self, request: Request<ModelReadyRequest>) -> Reply<ModelReadyResponse> {
        let (_, extensions, ModelReadyRequest { name, version }) = request.into_parts();
        // An unknown model is not ready.
        let ready = self.lifecycle.is_ready() && self.find(&extensions, &name, &version).is_ok();
        Ok(Response::new(ModelReadyResponse { ready }))
    }

    async fn server_metadata(&self, _: Request<ServerMetadataRequest>) -> Reply<ServerMetadataResponse> {
        Ok(Response::new(ServerMetadataResponse {
            name: NAME.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            extensions: EXTENSIONS.iter().map(|name| (*name).to_owned()).collect(),
        }))
    }

    async fn model_metadata(&self, request: Request<ModelMetadataRequest>) -> Reply<ModelMetadataResponse> {
        let (_, extensions, ModelMetadataRequest { name, version }) = request.into_parts();
        let version = self.find(&extensions, &name, &version)?;
        let tensors = |specs: &[TensorSpec]| {
            let each = specs.iter().map(|spec| TensorMetadata {
                name: spec.name.clone(),
                datatype: data_type(spec).name().to_owned(),
                shape: shape(spec),
            });
            each.collect()
        };
        Ok(Response::new(ModelMetadataResponse {
            name,
            versions: vec![version.manifest.version.to_string()],
            platform: NAME.to_owned(),
            inputs: tensors(&version.model.inputs),
            outputs: tensors(&version.model.all_outputs()),
        }))
    }

    async fn model_infer(&self, request: Request<ModelInferRequest>) -> Reply<ModelInferResponse> {
        let Some(caller) = request.extensions().get::<Caller>() else {
            return Err(ApiError::undeclared().into());
        };
        caller.require(Scope::Predict, &request.get_ref().model_name).map_err(ApiError::from)?;
        let caller = caller.clone();
        let (metadata, _, message) = request.into_parts();
        let headers = metadata.into_headers();
        Ok(Response::new(self.infer(Some(&caller), &headers, message).await?))
    }

    type ModelStreamInferStream =
        Pin<Box<dyn Stream<Item = Result<ModelStreamInferResponse, Status>> + Send>>;

    /// Runs requests one after another. A request that fails is reported in its place, and the stream continues
    /// until the client or the server ends it.
    async fn model_stream_infer(
        &self,
        request: Request<Streaming<ModelInferRequest>>,
    ) -> Reply<Self::ModelStreamInferStream> {
        let permit = self.streams.inference.open(request.extensions())?;
        let (metadata, _, requests) = request.into_parts();
        let headers = Arc::new(metadata.into_headers());
        let this = self.clone();
        let lifecycle = Arc::clone(&self.lifecycle);
        let drained = draining(Arc::clone(&lifecycle));
        let responses = requests.take_until(drained).then(move |request| {
            let (this, headers) = (this.clone(), Arc::clone(&headers));
            async move {
                // The decoder of messages reports a large one as out of range.
                let request = request.map_err(|status| match status.code() {
                    Code::OutOfRange => ApiError::too_large(this.limits.body_bytes).into(),
                    _ => status,
                })?;
                let (model_name, id) = (request.model_name.clone(), request.id.clone());
                let (error_message, response) = match this.infer_next(&headers, request).await {
                    Ok(response) => (String::new(), response),
                    Err(error) => {
                        (error.message, ModelInferResponse { model_name, id, ..Default::default() })
                    }
                };
                Ok(ModelStreamInferResponse { error_message, infer_response: Some(response) })
            }
        });
        let last = move || {
            let _held_until_the_end = &permit;
            lifecycle.is_draining().then(|| Err(ApiError::from(Error::Draining).into()))
        };
        let last = stream::iter([()]).filter_map(move |()| std::future::ready(last()));
        Ok(Response::new(Box::pin(responses.chain(last))))
    }

    async fn model_config(&self, request: Request<ModelConfigRequest>) -> Reply<ModelConfigResponse> {
        let (_, extensions, ModelConfigRequest { name, version }) = request.into_parts();
        let version = self.find(&extensions, &name, &version)?;
        let (inputs, outputs) = (&version.model.inputs, version.model.all_outputs());
        let config = ModelConfig {
            name,
            platform: NAME.to_owned(),
            backend: NAME.to_owned(),
            max_batch_size: i32::try_from(version.scheduler.limits().batch_rows).unwrap_or(i32::MAX),
            input: inputs.iter().map(config_input).collect(),
            output: outputs.iter().map(config_output).collect(),
        };
        Ok(Response::new(ModelConfigResponse { config: Some(config) }))
    }

    async fn model_statistics(
        &self,
        request: Request<ModelStatisticsRequest>,
    ) -> Reply<ModelStatisticsResponse> {
        let (_, extensions, ModelStatisticsRequest { name, version }) = request.into_parts();
        let versions = if name.is_empty() {
            repository::visible_versions(&self.catalog, caller_of(&extensions)?)
        } else {
            vec![self.find(&extensions, &name, &version)?]
        };
        let model_stats = versions.iter().map(|version| statistics(version)).collect();
        Ok(Response::new(ModelStatisticsResponse { model_stats }))
    }

    async fn repository_index(
        &self,
        request: Request<RepositoryIndexRequest>,
    ) -> Reply<RepositoryIndexResponse> {
        let (_, extensions, RepositoryIndexRequest { ready, .. }) = request.into_parts();
        let versions = repository::index(&self.catalog, caller_of(&extensions)?, ready);
        let models = versions.into_iter().map(|version| repository_index_response::ModelIndex {
            name: version.name,
            version: version.version.to_string(),
            state: repository::state(version.loaded).to_owned(),
            reason: String::new(),
        });
        Ok(Response::new(RepositoryIndexResponse { models: models.collect() }))
    }

    async fn repository_model_load(
        &self,
        request: Request<RepositoryModelLoadRequest>,
    ) -> Reply<RepositoryModelLoadResponse> {
        let (_, extensions, message) = request.into_parts();
        let name = message.model_name;
        let pending = self.pending(&extensions, LOAD, &name);
        let loaded = repository::load(&self.catalog, name.clone()).await;
        pending.finish(status_of(&loaded));
        loaded?;
        Ok(Response::new(RepositoryModelLoadResponse {}))
    }

    async fn repository_model_unload(
        &self,
        request: Request<RepositoryModelUnloadRequest>,
    ) -> Reply<RepositoryModelUnloadResponse> {
        let (_, extensions, message) = request.into_parts();
        let pending = self.pending(&extensions, UNLOAD, &message.model_name);
        let unloaded = repository::unload(&self.catalog, &message.model_name);
        pending.finish(status_of(&unloaded));
        unloaded?;
        Ok(Response::new(RepositoryModelUnloadResponse {}))
    }
}

/// Caller that the access check has admitted.
fn caller_of(extensions: &Extensions) -> Result<&Caller, ApiError> {
    extensions.get::<Caller>().ok_or_else(ApiError::undeclared)
}

/// Resolves when the server takes no more requests.
async fn draining(lifecycle: Arc<Lifecycle>) {
    while !lifecycle.is_draining() {
        tokio::time::sleep(DRAIN_INTERVAL).await;
    }
}

fn config_type(spec: &TensorSpec) -> i32 {
    let kind = match data_type(spec) {
        DataType::Bytes => proto::DataType::TypeString,
        DataType::Fp64 => proto::DataType::TypeFp64,
        _ => proto::DataType::TypeFp32,
    };
    kind as i32
}

fn config_input(spec: &TensorSpec) -> ModelInput {
    ModelInput { name: spec.name.clone(), data_type: config_type(spec), dims: shape(spec).split_off(1) }
}

fn config_output(spec: &TensorSpec) -> ModelOutput {
    ModelOutput { name: spec.name.clone(), data_type: config_type(spec), dims: shape(spec).split_off(1) }
}

fn statistics(version: &ModelVersion) -> ModelStatistics {
    let statistics = VersionStatistics::new(version);
    let duration = |count, ns| Some(StatisticDuration { count, ns });
    ModelStatistics {
        name: version.manifest.name.clone(),
        version: version.manifest.version.to_string(),
        last_inference: 0,
        inference_count: statistics.requests,
        execution_count: statistics.executions,
        inference_stats: Some(InferStatistics {
            success: duration(statistics.requests, statistics.total_ns),
            fail: duration(0, 0),
            queue: duration(statistics.requests, statistics.queue_ns),
            compute_input: duration(statistics.requests, statistics.preparation_ns),
            compute_infer: duration(statistics.executions, statistics.inference_ns),
            compute_output: duration(statistics.requests, 0),
        }),
    }
}
