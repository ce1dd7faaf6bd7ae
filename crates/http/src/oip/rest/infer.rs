//! Inference over REST, with tensors as JSON or as raw bytes behind the JSON.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use cupola_runtime::OutputTensor;
use cupola_serving::{ModelVersion, Pipeline};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::infer::{InferRequest, infer as run, refuse_explain};
use super::super::wire::{DataType, InputTensor, TensorData, data_type_of, from_raw, to_json, to_raw};
use super::super::{data_type, parse_version};
use super::{ModelPath, OipError};
use crate::error::ApiError;
use crate::native::interval::interval_of;
use crate::request::{RequestBudget, UnreadBody, request_id, timeout, with_request_id};
use crate::state::RequestLimits;

/// Length of the JSON in bytes; raw tensors follow it.
const JSON_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// Bytes of an element as a JSON value.
const ELEMENT_BYTES: usize = 72;

/// JSON part of a request.
#[derive(Deserialize)]
struct RequestBody<'a> {
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
    data: Option<TensorData>,
}

#[derive(Deserialize)]
struct RequestOutput {
    name: String,
    #[serde(default)]
    parameters: Map<String, Value>,
}

/// Outputs that the client wants as raw bytes.
struct BinaryOutputs {
    all: bool,
    outputs: Vec<RequestOutput>,
}

impl BinaryOutputs {
    fn contains(&self, name: &str) -> bool {
        let output = self.outputs.iter().find(|output| output.name == name);
        output.and_then(|output| output.parameters.get("binary_data")?.as_bool()).unwrap_or(self.all)
    }
}

/// `POST /v2/models/{name}/infer`
pub(super) async fn infer(
    State(pipeline): State<Arc<Pipeline>>,
    State(limits): State<RequestLimits>,
    Path(path): Path<ModelPath>,
    RequestBudget(budget): RequestBudget,
    headers: HeaderMap,
    body: UnreadBody,
) -> Response {
    let id = request_id(&headers);
    let response = async {
        let version = pipeline.catalog().find(&path.name, parse_version(&path.version)?)?;
        let body = body.read().await?;
        let (json, raw) = split(&headers, &body)?;
        let size = body.len();
        let values = json.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
        budget.charge_each(values, ELEMENT_BYTES)?;
        budget.charge(size)?;
        let parsed = || if json.is_empty() { bare(&version, raw) } else { parse(json) };
        let body = pipeline.parse(size, &budget, parsed).await??;
        let RequestBody { id: own_id, parameters, inputs, outputs } = body;
        refuse_explain(&path.name, parameters.get("explain"))?;
        let request = InferRequest {
            name: &path.name,
            version: parse_version(&path.version)?,
            headers: &headers,
            id: &id,
            timeout: timeout(&headers, limits.timeout)?,
            budget: &budget,
            size,
            outputs: outputs.iter().map(|output| output.name.clone()).collect(),
            interval: parameters.get("interval").map_or(Ok(None), interval_of)?,
        };
        let inferred = run(&pipeline, request, || tensors(inputs, raw)).await?;
        let all = parameters.get("binary_data_output").and_then(Value::as_bool).unwrap_or(false);
        let mut head = json!({
            "model_name": path.name,
            "model_version": inferred.version.to_string(),
            "outputs": [],
        });
        if let Some(id) = own_id {
            head["id"] = id.into();
        }
        let elements: usize = inferred.tensors.iter().map(|tensor| tensor.values.len()).sum();
        budget.charge_each(elements, ELEMENT_BYTES)?;
        let write = || respond(head, &inferred.tensors, &BinaryOutputs { all, outputs });
        Ok::<_, ApiError>(pipeline.parse(elements, &budget, write).await?)
    };
    let response = response.await.unwrap_or_else(|error| OipError(error.without_422()).into_response());
    with_request_id(response, &id)
}

fn parse(json: &[u8]) -> Result<RequestBody<'_>, ApiError> {
    serde_json::from_slice(json).map_err(|error| ApiError::malformed(format!("invalid JSON: {error}")))
}

/// Response with its tensors as JSON, or as raw bytes behind the JSON.
fn respond(mut head: Value, outputs: &[OutputTensor], binary: &BinaryOutputs) -> Response {
    let mut tail = Vec::new();
    let mut any_binary = false;
    let mut tensors = Vec::new();
    for tensor in outputs {
        let mut value = json!({
            "name": tensor.name,
            "datatype": data_type_of(&tensor.values).name(),
            "shape": tensor.shape,
        });
        if binary.contains(&tensor.name) {
            let raw = to_raw(&tensor.values);
            value["parameters"] = json!({ "binary_data_size": raw.len() });
            tail.extend(raw);
            any_binary = true;
        } else {
            value["data"] = to_json(&tensor.values);
        }
        tensors.push(value);
    }
    head["outputs"] = tensors.into();
    if !any_binary {
        return Json(head).into_response();
    }
    let mut body = head.to_string().into_bytes();
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (JSON_LENGTH, body.len().to_string()),
    ];
    body.extend(tail);
    (headers, body).into_response()
}

/// Splits a body into its JSON and its raw bytes.
fn split<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), ApiError> {
    let Some(value) = headers.get(JSON_LENGTH) else { return Ok((body, &[])) };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    let length: usize =
        length.ok_or_else(|| ApiError::malformed(format!("`{JSON_LENGTH}` must be a number of bytes")))?;
    body.split_at_checked(length).ok_or_else(|| {
        ApiError::malformed(format!("`{JSON_LENGTH}` is {length}, but the body has {} bytes", body.len()))
    })
}

/// Request of a body without JSON: one row of the model's only input.
fn bare<'a>(version: &ModelVersion, raw: &[u8]) -> Result<RequestBody<'a>, ApiError> {
    let specs = &version.model.inputs;
    let [spec] = specs.as_slice() else {
        return Err(ApiError::malformed(format!(
            "a body without JSON requires a model with one input, this one has {}; send JSON",
            specs.len()
        )));
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
    Ok(RequestBody { id: None, parameters, inputs: vec![input], outputs: Vec::new() })
}

/// Tensors of a request, from its JSON or from the raw bytes.
fn tensors(inputs: Vec<RequestInput<'_>>, mut raw: &[u8]) -> Result<Vec<InputTensor>, ApiError> {
    let mut out = Vec::with_capacity(inputs.len());
    for input in inputs {
        let wrong = |why: String| ApiError::malformed(format!("input `{}`: {why}", input.name));
        let data_type = DataType::parse(&input.datatype).map_err(|error| wrong(error.to_string()))?;
        let size = input.parameters.get("binary_data_size").and_then(Value::as_u64);
        let values = match (size, input.data) {
            (Some(size), None) => {
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                let (own, rest) = raw
                    .split_at_checked(size)
                    .ok_or_else(|| wrong(format!("expected {size} bytes, found {}", raw.len())))?;
                raw = rest;
                from_raw(data_type, own).map_err(|error| wrong(error.to_string()))?
            }
            (None, Some(data)) => data.values(data_type).map_err(|error| wrong(error.to_string()))?,
            (Some(_), Some(_)) => {
                return Err(wrong("the tensor is given twice, as `data` and as raw bytes".to_owned()));
            }
            (None, None) => return Err(wrong("`data` is missing".to_owned())),
        };
        out.push(InputTensor { name: input.name, data_type, shape: input.shape, values });
    }
    if raw.is_empty() {
        Ok(out)
    } else {
        Err(ApiError::malformed(format!("{} bytes of the body belong to no input", raw.len())))
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
        headers.insert(JSON_LENGTH, HeaderValue::from(json.len()));
        let read = |headers: &HeaderMap, body: &[u8]| {
            let (json, raw) = split(headers, body)?;
            tensors(parse(json)?.inputs, raw)
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
