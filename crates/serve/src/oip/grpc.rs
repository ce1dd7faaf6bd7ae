//! The protocol over gRPC, as Triton's clients speak it.

use std::pin::Pin;
use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use cupola_runtime::Values;
use futures::{Stream, StreamExt};
use tonic::{Code, Request, Response, Status, Streaming};

use super::repository::{Stats, load_now, unload_now};
use super::wire::{DataType, Given, data_type_of, from_raw, to_raw};
use super::{EXTENSIONS, Infer, NAME, bad, data_type, infer, shape, version};
use crate::answer::Refusal;
use crate::catalog::Model;
use crate::guard::admitted;
use crate::request::{deadline, request_id};
use crate::state::Shared;

#[allow(clippy::all, clippy::pedantic, missing_docs, reason = "generated from proto/inference.proto")]
mod proto {
    tonic::include_proto!("inference");
}

use proto::grpc_inference_service_server::{GrpcInferenceService, GrpcInferenceServiceServer};
use proto::model_infer_request::InferInputTensor;
use proto::model_infer_response::InferOutputTensor;
use proto::model_metadata_response::TensorMetadata;
#[allow(clippy::wildcard_imports, reason = "all but three of the messages")]
use proto::*;

/// The service, for messages up to the body limit.
pub(crate) fn service(app: Arc<Shared>) -> GrpcInferenceServiceServer<Service> {
    let most = app.settings.body_bytes;
    GrpcInferenceServiceServer::new(Service { app })
        .max_decoding_message_size(most)
        .max_encoding_message_size(usize::MAX)
}

pub(crate) struct Service {
    app: Arc<Shared>,
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.status {
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::PAYLOAD_TOO_LARGE => {
                Code::InvalidArgument
            }
            StatusCode::UNAUTHORIZED => Code::Unauthenticated,
            StatusCode::FORBIDDEN => Code::PermissionDenied,
            StatusCode::NOT_FOUND => Code::NotFound,
            StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
            StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
            StatusCode::GATEWAY_TIMEOUT => Code::DeadlineExceeded,
            _ => Code::Internal,
        };
        Self::new(code, refusal.message)
    }
}

impl Service {
    /// Who asks may do this.
    fn admit<T>(&self, request: &Request<T>, scope: &str, name: &str) -> Result<HeaderMap, Status> {
        let headers = request.metadata().clone().into_headers();
        admitted(&self.app, &headers, scope, name)?;
        Ok(headers)
    }

    fn find(&self, name: &str, text: &str) -> Result<Arc<Model>, Status> {
        Ok(self.app.catalog.find(name, version(text)?)?)
    }
}

async fn model_infer(
    app: &Arc<Shared>,
    headers: &HeaderMap,
    request: ModelInferRequest,
) -> Result<ModelInferResponse, Refusal> {
    let id = request_id(headers);
    let timeout = deadline(headers, app.settings.timeout)?;
    let ModelInferRequest { model_name, model_version, id: own, inputs, outputs, raw_input_contents, .. } =
        request;
    let asked = Infer {
        name: &model_name,
        version: version(&model_version)?,
        headers,
        id: &id,
        timeout,
        wanted: outputs.into_iter().map(|output| output.name).collect(),
    };
    let inferred = infer(app, asked, || given(inputs, &raw_input_contents)).await?;
    let mut response = ModelInferResponse {
        model_version: inferred.version.to_string(),
        model_name,
        id: own,
        ..ModelInferResponse::default()
    };
    for tensor in inferred.tensors {
        let axis = |axis: &usize| i64::try_from(*axis).unwrap_or(i64::MAX);
        response.outputs.push(InferOutputTensor {
            name: tensor.name,
            datatype: data_type_of(&tensor.values).name().to_owned(),
            shape: tensor.shape.iter().map(axis).collect(),
            ..InferOutputTensor::default()
        });
        response.raw_output_contents.push(to_raw(&tensor.values).into());
    }
    Ok(response)
}

/// Tensors of a request: raw contents for all of them, or typed ones.
fn given(inputs: Vec<InferInputTensor>, raw: &[prost::bytes::Bytes]) -> Result<Vec<Given>, Refusal> {
    if !raw.is_empty() && raw.len() != inputs.len() {
        return Err(bad(format!("there are {} inputs and {} raw contents", inputs.len(), raw.len())));
    }
    let each = inputs.into_iter().enumerate().map(|(place, input)| {
        let wrong = |why: String| bad(format!("input `{}`: {why}", input.name));
        let data_type = DataType::of(&input.datatype).map_err(wrong)?;
        let values = match raw.get(place) {
            Some(raw) => from_raw(data_type, raw).map_err(wrong)?,
            None => typed(data_type, input.contents.unwrap_or_default()).map_err(wrong)?,
        };
        Ok(Given { name: input.name, data_type, shape: input.shape, values })
    });
    each.collect()
}

fn typed(kind: DataType, contents: InferTensorContents) -> Result<Values, String> {
    let doubles = |values: Vec<f64>| Ok(Values::Doubles(values));
    match kind {
        DataType::Fp32 => Ok(Values::Floats(contents.fp32_contents)),
        DataType::Fp64 => Ok(Values::Doubles(contents.fp64_contents)),
        DataType::Bool => doubles(contents.bool_contents.iter().map(|v| f64::from(u8::from(*v))).collect()),
        DataType::Int8 | DataType::Int16 | DataType::Int32 => {
            doubles(contents.int_contents.iter().map(|value| f64::from(*value)).collect())
        }
        DataType::Int64 => doubles(contents.int64_contents.iter().map(|value| *value as f64).collect()),
        DataType::Uint8 | DataType::Uint16 | DataType::Uint32 => {
            doubles(contents.uint_contents.iter().map(|value| f64::from(*value)).collect())
        }
        DataType::Uint64 => doubles(contents.uint64_contents.iter().map(|value| *value as f64).collect()),
        DataType::Bytes => Ok(Values::Bytes(contents.bytes_contents.iter().map(|b| b.to_vec()).collect())),
        DataType::Fp16 | DataType::Bf16 => Err(format!("{} comes as raw contents alone", kind.name())),
    }
}

#[tonic::async_trait]
impl GrpcInferenceService for Service {
    async fn server_live(
        &self,
        _: Request<ServerLiveRequest>,
    ) -> Result<Response<ServerLiveResponse>, Status> {
        Ok(Response::new(ServerLiveResponse { live: true }))
    }

    async fn server_ready(
        &self,
        _: Request<ServerReadyRequest>,
    ) -> Result<Response<ServerReadyResponse>, Status> {
        Ok(Response::new(ServerReadyResponse { ready: self.app.is_ready() }))
    }

    async fn model_ready(
        &self,
        request: Request<ModelReadyRequest>,
    ) -> Result<Response<ModelReadyResponse>, Status> {
        self.admit(&request, "", "")?;
        let ModelReadyRequest { name, version } = request.into_inner();
        // One that is not known is not ready.
        let ready = self.app.is_ready() && self.find(&name, &version).is_ok();
        Ok(Response::new(ModelReadyResponse { ready }))
    }

    async fn server_metadata(
        &self,
        request: Request<ServerMetadataRequest>,
    ) -> Result<Response<ServerMetadataResponse>, Status> {
        self.admit(&request, "", "")?;
        Ok(Response::new(ServerMetadataResponse {
            name: NAME.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            extensions: EXTENSIONS.iter().map(|name| (*name).to_owned()).collect(),
        }))
    }

    async fn model_metadata(
        &self,
        request: Request<ModelMetadataRequest>,
    ) -> Result<Response<ModelMetadataResponse>, Status> {
        self.admit(&request, "", "")?;
        let ModelMetadataRequest { name, version } = request.into_inner();
        let model = self.find(&name, &version)?;
        let tensors = |specs: &[cupola_runtime::TensorSpec]| {
            let each = specs.iter().map(|spec| TensorMetadata {
                name: spec.name.clone(),
                datatype: data_type(spec).name().to_owned(),
                shape: shape(spec),
            });
            each.collect()
        };
        Ok(Response::new(ModelMetadataResponse {
            name,
            versions: vec![model.manifest.version.to_string()],
            platform: NAME.to_owned(),
            inputs: tensors(&model.sealed.inputs),
            outputs: tensors(&model.sealed.outputs),
        }))
    }

    async fn model_infer(
        &self,
        request: Request<ModelInferRequest>,
    ) -> Result<Response<ModelInferResponse>, Status> {
        let headers = self.admit(&request, "predict", &request.get_ref().model_name)?;
        Ok(Response::new(model_infer(&self.app, &headers, request.into_inner()).await?))
    }

    type ModelStreamInferStream =
        Pin<Box<dyn Stream<Item = Result<ModelStreamInferResponse, Status>> + Send>>;

    async fn model_stream_infer(
        &self,
        request: Request<Streaming<ModelInferRequest>>,
    ) -> Result<Response<Self::ModelStreamInferStream>, Status> {
        let headers = Arc::new(self.admit(&request, "", "")?);
        let app = Arc::clone(&self.app);
        // One after another: a request that is refused says so in its place, and the stream goes on.
        let answers = request.into_inner().then(move |asked| {
            let (app, headers) = (Arc::clone(&app), Arc::clone(&headers));
            async move {
                let asked = asked?;
                let (name, id) = (asked.model_name.clone(), asked.id.clone());
                let answered = match admitted(&app, &headers, "predict", &name) {
                    Ok(_) => model_infer(&app, &headers, asked).await,
                    Err(refusal) => Err(refusal),
                };
                Ok(match answered {
                    Ok(response) => ModelStreamInferResponse {
                        error_message: String::new(),
                        infer_response: Some(response),
                    },
                    Err(refusal) => ModelStreamInferResponse {
                        error_message: refusal.message,
                        infer_response: Some(ModelInferResponse {
                            model_name: name,
                            id,
                            ..Default::default()
                        }),
                    },
                })
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn model_config(
        &self,
        request: Request<ModelConfigRequest>,
    ) -> Result<Response<ModelConfigResponse>, Status> {
        self.admit(&request, "", "")?;
        let ModelConfigRequest { name, version } = request.into_inner();
        let model = self.find(&name, &version)?;
        let kind = |spec: &cupola_runtime::TensorSpec| match data_type(spec) {
            DataType::Bytes => proto::DataType::TypeString as i32,
            DataType::Fp64 => proto::DataType::TypeFp64 as i32,
            _ => proto::DataType::TypeFp32 as i32,
        };
        let dims = |spec: &cupola_runtime::TensorSpec| shape(spec).split_off(1);
        let (inputs, outputs) = (&model.sealed.inputs, &model.sealed.outputs);
        let input = |spec: &cupola_runtime::TensorSpec| ModelInput {
            name: spec.name.clone(),
            data_type: kind(spec),
            dims: dims(spec),
        };
        let output = |spec: &cupola_runtime::TensorSpec| ModelOutput {
            name: spec.name.clone(),
            data_type: kind(spec),
            dims: dims(spec),
        };
        let config = ModelConfig {
            name,
            platform: NAME.to_owned(),
            backend: NAME.to_owned(),
            max_batch_size: i32::try_from(self.app.settings.limits.batch_rows).unwrap_or(i32::MAX),
            input: inputs.iter().map(input).collect(),
            output: outputs.iter().map(output).collect(),
        };
        Ok(Response::new(ModelConfigResponse { config: Some(config) }))
    }

    async fn model_statistics(
        &self,
        request: Request<ModelStatisticsRequest>,
    ) -> Result<Response<ModelStatisticsResponse>, Status> {
        self.admit(&request, "", "")?;
        let ModelStatisticsRequest { name, version } = request.into_inner();
        let models =
            if name.is_empty() { self.app.catalog.models() } else { vec![self.find(&name, &version)?] };
        let model_stats = models.iter().map(|model| statistics(model)).collect();
        Ok(Response::new(ModelStatisticsResponse { model_stats }))
    }

    async fn repository_index(
        &self,
        request: Request<RepositoryIndexRequest>,
    ) -> Result<Response<RepositoryIndexResponse>, Status> {
        self.admit(&request, "", "")?;
        let only_ready = request.into_inner().ready;
        let each = self.app.catalog.all().into_iter().filter(|(.., ready)| *ready || !only_ready);
        let models = each.map(|(name, version, ready)| repository_index_response::ModelIndex {
            name,
            version: version.to_string(),
            state: if ready { "READY" } else { "UNAVAILABLE" }.to_owned(),
            reason: String::new(),
        });
        Ok(Response::new(RepositoryIndexResponse { models: models.collect() }))
    }

    async fn repository_model_load(
        &self,
        request: Request<RepositoryModelLoadRequest>,
    ) -> Result<Response<RepositoryModelLoadResponse>, Status> {
        self.admit(&request, "admin", "")?;
        load_now(&self.app, request.into_inner().model_name).await?;
        Ok(Response::new(RepositoryModelLoadResponse {}))
    }

    async fn repository_model_unload(
        &self,
        request: Request<RepositoryModelUnloadRequest>,
    ) -> Result<Response<RepositoryModelUnloadResponse>, Status> {
        self.admit(&request, "admin", "")?;
        unload_now(&self.app, &request.into_inner().model_name)?;
        Ok(Response::new(RepositoryModelUnloadResponse {}))
    }
}

fn statistics(model: &Model) -> ModelStatistics {
    let stats = Stats::of(model);
    let each = |count, ns| Some(StatisticDuration { count, ns });
    ModelStatistics {
        name: model.manifest.name.clone(),
        version: model.manifest.version.to_string(),
        last_inference: 0,
        inference_count: stats.requests,
        execution_count: stats.executions,
        inference_stats: Some(InferStatistics {
            success: each(stats.requests, stats.total_ns),
            fail: each(0, 0),
            queue: each(stats.requests, stats.queue_ns),
            compute_input: each(stats.requests, stats.prepare_ns),
            compute_infer: each(stats.executions, stats.infer_ns),
            compute_output: each(stats.requests, 0),
        }),
    }
}
