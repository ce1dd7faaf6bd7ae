//! `/v2` over HTTP. Errors are `{"error": "text"}`.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::wire::{DataType, Flat, Given, data_type_of, from_raw, to_json, to_raw};
use super::{EXTENSIONS, Infer, NAME, bad, data_type, infer, repository, shape, version};
use crate::answer::Refusal;
use crate::catalog::Model;
use crate::request::{deadline, refused_body, request_id, tag};
use crate::state::Shared;

type App = Arc<Shared>;

/// Says how many bytes of a body are JSON; tensors follow.
const LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// Health, metadata and inference.
pub(crate) fn models() -> Router<App> {
    Router::new()
        .route("/v2", get(server))
        .route("/v2/health/live", get(|| async { Json(json!({ "live": true })) }))
        .route("/v2/health/ready", get(ready))
        .route("/v2/models/{name}", get(metadata))
        .route("/v2/models/{name}/versions/{version}", get(metadata))
        .route("/v2/models/{name}/ready", get(model_ready))
        .route("/v2/models/{name}/versions/{version}/ready", get(model_ready))
        .route("/v2/models/{name}/config", get(config))
        .route("/v2/models/{name}/versions/{version}/config", get(config))
        .route("/v2/models/{name}/stats", get(repository::stats))
        .route("/v2/models/{name}/versions/{version}/stats", get(repository::stats))
        .route("/v2/models/stats", get(repository::all_stats))
        .route("/v2/models/{name}/infer", post(infer_rest))
        .route("/v2/models/{name}/versions/{version}/infer", post(infer_rest))
}

/// Triton's repository.
pub(crate) fn repository() -> Router<App> {
    Router::new()
        .route("/v2/repository/index", post(repository::index))
        .route("/v2/repository/models/{name}/load", post(repository::load))
        .route("/v2/repository/models/{name}/unload", post(repository::unload))
}

/// A refusal as this protocol has it.
pub(super) struct Wrong(pub Refusal);

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        self.0.into_text_response()
    }
}

/// Parts of a path.
#[derive(Deserialize)]
pub(super) struct At {
    pub name: String,
    #[serde(default)]
    pub version: String,
}

impl At {
    pub fn find(&self, app: &Shared) -> Result<Arc<Model>, Refusal> {
        app.catalog.find(&self.name, version(&self.version)?)
    }
}

async fn server() -> Json<Value> {
    Json(json!({ "name": NAME, "version": env!("CARGO_PKG_VERSION"), "extensions": EXTENSIONS }))
}

async fn ready(State(app): State<App>) -> StatusCode {
    if app.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn model_ready(State(app): State<App>, Path(at): Path<At>) -> StatusCode {
    if app.is_ready() && at.find(&app).is_ok() { StatusCode::OK } else { StatusCode::BAD_REQUEST }
}

async fn metadata(State(app): State<App>, Path(at): Path<At>) -> Result<Json<Value>, Wrong> {
    let model = at.find(&app)?;
    let tensors = |specs: &[cupola_runtime::TensorSpec]| -> Vec<Value> {
        let each = specs.iter().map(
            |spec| json!({ "name": spec.name, "datatype": data_type(spec).name(), "shape": shape(spec) }),
        );
        each.collect()
    };
    Ok(Json(json!({
        "name": at.name,
        "versions": [model.manifest.version.to_string()],
        "platform": NAME,
        "inputs": tensors(&model.sealed.inputs),
        "outputs": tensors(&model.sealed.outputs),
    })))
}

async fn config(State(app): State<App>, Path(at): Path<At>) -> Result<Json<Value>, Wrong> {
    let model = at.find(&app)?;
    let tensors = |specs: &[cupola_runtime::TensorSpec]| -> Vec<Value> {
        let each = specs.iter().map(|spec| {
            let kind = match data_type(spec) {
                DataType::Bytes => "STRING".to_owned(),
                other => other.name().to_owned(),
            };
            json!({ "name": spec.name, "data_type": format!("TYPE_{kind}"), "dims": spec.shape })
        });
        each.collect()
    };
    Ok(Json(json!({
        "name": at.name,
        "platform": NAME,
        "backend": NAME,
        "max_batch_size": app.settings.limits.batch_rows,
        "input": tensors(&model.sealed.inputs),
        "output": tensors(&model.sealed.outputs),
    })))
}

/// The JSON part of a request.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(borrow)]
    inputs: Vec<RequestInput<'a>>,
    #[serde(default)]
    outputs: Vec<RequestOutput>,
}

#[derive(Deserialize)]
struct RequestInput<'a> {
    name: String,
    shape: Vec<i64>,
    #[serde(borrow)]
    datatype: Cow<'a, str>,
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(default)]
    data: Option<Flat>,
}

#[derive(Deserialize)]
struct RequestOutput {
    name: String,
    #[serde(default)]
    parameters: Map<String, Value>,
}

async fn infer_rest(
    State(app): State<App>,
    Path(at): Path<At>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let id = request_id(&headers);
    let response = match answer(&app, &at, &headers, &id, body).await {
        Ok(response) => response,
        Err(refusal) => Wrong(as_v2(refusal)).into_response(),
    };
    tag(response, &id)
}

/// A row that does not fit is a bad request here.
fn as_v2(mut refusal: Refusal) -> Refusal {
    if refusal.status == StatusCode::UNPROCESSABLE_ENTITY {
        refusal.status = StatusCode::BAD_REQUEST;
    }
    refusal
}

async fn answer(
    app: &App,
    at: &At,
    headers: &HeaderMap,
    id: &str,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let found = at.find(app)?;
    let body = body.map_err(|rejection| refused_body(&rejection, app.settings.body_bytes))?;
    let (json, raw) = parts(headers, &body)?;
    let request: Request<'_> = if json.is_empty() {
        bare(&found, raw)?
    } else {
        serde_json::from_slice(json).map_err(|error| bad(format!("the JSON of the request: {error}")))?
    };
    let Request { id: own_id, parameters, inputs, outputs } = request;
    let all_binary = parameters.get("binary_data_output").and_then(Value::as_bool).unwrap_or(false);
    let binary = |name: &str| {
        let own = outputs.iter().find(|output| output.name == name);
        own.and_then(|output| output.parameters.get("binary_data")?.as_bool()).unwrap_or(all_binary)
    };
    let wanted = outputs.iter().map(|output| output.name.clone()).collect();
    let timeout = deadline(headers, app.settings.timeout)?;
    let asked = Infer { name: &at.name, version: version(&at.version)?, headers, id, timeout, wanted };
    let inferred = infer(app, asked, || given(inputs, raw)).await?;
    let mut tail = Vec::new();
    let mut any_binary = false;
    let mut tensors = Vec::new();
    for tensor in &inferred.tensors {
        let mut told = json!({
            "name": tensor.name,
            "datatype": data_type_of(&tensor.values).name(),
            "shape": tensor.shape,
        });
        if binary(&tensor.name) {
            let raw = to_raw(&tensor.values);
            told["parameters"] = json!({ "binary_data_size": raw.len() });
            tail.extend(raw);
            any_binary = true;
        } else {
            told["data"] = to_json(&tensor.values);
        }
        tensors.push(told);
    }
    let mut told = json!({
        "model_name": at.name,
        "model_version": inferred.version.to_string(),
        "outputs": tensors,
    });
    if let Some(id) = own_id {
        told["id"] = id.into();
    }
    if !any_binary {
        return Ok(Json(told).into_response());
    }
    let mut out = told.to_string().into_bytes();
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (LENGTH, out.len().to_string())];
    out.extend(tail);
    Ok((headers, out).into_response())
}

/// JSON and raw bytes of a body.
fn parts<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Refusal> {
    let Some(value) = headers.get(LENGTH) else { return Ok((body, &[])) };
    let length: usize = value
        .to_str()
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| bad(format!("{LENGTH} is no number of bytes")))?;
    body.split_at_checked(length)
        .ok_or_else(|| bad(format!("{LENGTH} is {length}, and the body has {} bytes", body.len())))
}

/// A body without JSON is the one tensor of a model, one row of it.
fn bare<'a>(model: &Model, raw: &[u8]) -> Result<Request<'a>, Refusal> {
    let specs = &model.sealed.inputs;
    let [spec] = specs.as_slice() else {
        return Err(bad(format!("a bare tensor is for models with one input; this one has {}", specs.len())));
    };
    let shape = std::iter::once(1).chain(spec.shape.iter().map(|axis| i64::try_from(*axis).unwrap_or(0)));
    let input = RequestInput {
        name: spec.name.clone(),
        shape: shape.collect(),
        datatype: data_type(spec).name().into(),
        parameters: Map::from_iter([("binary_data_size".to_owned(), raw.len().into())]),
        data: None,
    };
    let parameters = Map::from_iter([("binary_data_output".to_owned(), true.into())]);
    Ok(Request { id: None, parameters, inputs: vec![input], outputs: Vec::new() })
}

/// Tensors of a request, from its JSON or from the bytes after it.
fn given(inputs: Vec<RequestInput<'_>>, mut raw: &[u8]) -> Result<Vec<Given>, Refusal> {
    let mut out = Vec::with_capacity(inputs.len());
    for input in inputs {
        let wrong = |why: String| bad(format!("input `{}`: {why}", input.name));
        let data_type = DataType::of(&input.datatype).map_err(wrong)?;
        let size = input.parameters.get("binary_data_size").and_then(Value::as_u64);
        let values = match (size, input.data) {
            (Some(size), None) => {
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                let (own, rest) = raw.split_at_checked(size).ok_or_else(|| {
                    wrong(format!("it has {size} bytes, and {} are left of the body", raw.len()))
                })?;
                raw = rest;
                from_raw(data_type, own).map_err(wrong)?
            }
            (None, Some(data)) => data.values(data_type).map_err(wrong)?,
            (Some(_), Some(_)) => return Err(wrong("it is there twice, as `data` and as bytes".to_owned())),
            (None, None) => return Err(wrong("there is no `data`".to_owned())),
        };
        out.push(Given { name: input.name, data_type, shape: input.shape, values });
    }
    if raw.is_empty() {
        Ok(out)
    } else {
        Err(bad(format!("{} bytes of the body belong to no input", raw.len())))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn no_body_breaks_the_reader_of_tensors() {
        let json = r#"{"id": "a", "inputs": [{"name": "x", "shape": [2, 1], "datatype": "FP32", "parameters": {"binary_data_size": 8}}, {"name": "y", "shape": [2], "datatype": "BYTES", "data": [["a"], "b"]}], "outputs": [{"name": "z", "parameters": {"binary_data": true}}]}"#;
        let mut whole = json.as_bytes().to_vec();
        whole.extend(1.5_f32.to_le_bytes());
        whole.extend(2.5_f32.to_le_bytes());
        let mut headers = HeaderMap::new();
        headers.insert(LENGTH, HeaderValue::from(json.len()));
        let read = |headers: &HeaderMap, body: &[u8]| {
            let (json, raw) = parts(headers, body)?;
            let request: Request<'_> =
                serde_json::from_slice(json).map_err(|error| bad(error.to_string()))?;
            given(request.inputs, raw)
        };
        assert_eq!(read(&headers, &whole).unwrap().len(), 2);
        let raw: &[u8] = &[1, 0, 0, 0, b'a', 0, 0, 0, 0, 255, 255, 255, 255];
        cupola_testkit::fuzz(&[&whole, json.as_bytes(), raw], |body| {
            let _ = read(&headers, body);
            let _ = read(&HeaderMap::new(), body);
            for kind in [DataType::Bytes, DataType::Fp32, DataType::Int16, DataType::Bf16] {
                let _ = from_raw(kind, body);
            }
        });
    }
}
