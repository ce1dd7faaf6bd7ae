//! Inference on tensors, for REST and gRPC alike.

use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use cupola_budget::Budget;
use cupola_runtime::{
    ElementType, IntervalRequest, LoadedPackage, OutputTensor, PredictInput, TensorSpec, TensorValues,
};
use cupola_serving::{Pipeline, PredictRequest, checked_coverage};
use serde_json::Value;

use super::wire::InputTensor;
use super::{data_type, shape};
use crate::error::ApiError;
use crate::request::Headers;

/// Inputs that an error message lists.
const LISTED: usize = 12;

/// Request of either transport.
pub(super) struct InferRequest<'a> {
    pub name: &'a str,
    pub version: Option<u64>,
    pub headers: &'a HeaderMap,
    pub id: &'a str,
    pub timeout: Duration,
    pub budget: &'a Budget,
    /// Size of its message in bytes.
    pub size: usize,
    /// Names of the requested outputs; all of them if there are none.
    pub outputs: Vec<String>,
    /// Coverage of intervals, if a parameter asks for them; names of their outputs ask for the sealed one.
    pub interval: Option<IntervalRequest>,
}

/// Result of a request.
pub(super) struct InferResponse {
    pub version: u64,
    pub tensors: Vec<OutputTensor>,
}

/// Runs a request whose tensors `read` parses.
pub(super) async fn infer(
    pipeline: &Pipeline,
    request: InferRequest<'_>,
    read: impl FnOnce() -> Result<Vec<InputTensor>, ApiError> + Send,
) -> Result<InferResponse, ApiError> {
    let predict = PredictRequest {
        name: request.name,
        version: request.version,
        metadata: &Headers(request.headers),
        id: request.id,
        began: Instant::now(),
        timeout: request.timeout,
        budget: request.budget,
        size: request.size,
    };
    let mut coverage = None;
    let read = |model: &LoadedPackage| {
        let named = request.outputs.iter().any(|name| is_interval(model, name));
        let interval = request.interval.or(named.then_some(IntervalRequest::Sealed));
        coverage = interval.map(|interval| checked_coverage(model, interval)).transpose()?;
        input(model, read()?)
    };
    let response = pipeline.predict(&predict, read).await?;
    let model = &response.version.model;
    let specs = &model.outputs;
    let is_known = |name: &&String| specs.iter().any(|spec| spec.name == **name) || is_interval(model, name);
    if let Some(name) = request.outputs.iter().find(|name| !is_known(name)) {
        return Err(unknown("output", name, &model.all_outputs()));
    }
    let tensors = || {
        pipeline.record_tensors(request.id, &response);
        response.tensors(&request.outputs, coverage)
    };
    let tensors = pipeline.answer(&response, request.budget, tensors).await??;
    let version = response.version.manifest.version;
    pipeline.observe(response);
    Ok(InferResponse { version, tensors })
}

/// Refuses the parameter `explain`, which the native protocol answers: an explanation is no tensor.
///
/// # Errors
/// [`ApiError`] for a value other than false.
pub(super) fn refuse_explain(model: &str, parameter: Option<&Value>) -> Result<(), ApiError> {
    if parameter.is_none_or(|value| value.is_null() || *value == Value::Bool(false)) {
        return Ok(());
    }
    let message = format!(
        "tensors have no explanations; send `\"explain\": true` with the rows to POST /v1/models/{model}/predict"
    );
    Err(ApiError::invalid_value(message, "explain"))
}

/// `true` for an output of intervals or sets.
fn is_interval(model: &LoadedPackage, name: &str) -> bool {
    model.interval_outputs.iter().any(|spec| spec.name == name)
}

fn unknown(what: &str, name: &str, specs: &[TensorSpec]) -> ApiError {
    let known: Vec<&str> = specs.iter().take(LISTED).map(|spec| spec.name.as_str()).collect();
    ApiError::malformed(format!("unknown {what} `{name}`; expected one of: {}", known.join(", ")))
}

/// Checks tensors against the model's inputs: every name known and given once, every shape right.
fn input(model: &LoadedPackage, tensors: Vec<InputTensor>) -> Result<PredictInput, ApiError> {
    let specs = &model.inputs;
    let mut rows: Option<usize> = None;
    let mut columns: Vec<(usize, TensorValues)> = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let name = tensor.name.as_str();
        let position = specs.iter().position(|spec| spec.name == name);
        let position = position.ok_or_else(|| unknown("input", name, specs))?;
        if columns.iter().any(|(known, _)| *known == position) {
            return Err(ApiError::malformed(format!("input `{name}` is given twice")));
        }
        let count = check(&specs[position], &tensor)?;
        let texts = model.check_texts(&specs[position], &tensor.values);
        texts.map_err(|error| ApiError::malformed(error.to_string()))?;
        let expected = *rows.get_or_insert(count);
        if expected != count {
            return Err(ApiError::malformed(format!(
                "input `{name}` has {count} rows, another one has {expected}"
            )));
        }
        columns.push((position, tensor.values));
    }
    let given = |position: &usize| columns.iter().any(|(known, _)| known == position);
    let missing = (0..specs.len()).filter(|position| !specs[*position].nullable && !given(position));
    let missing: Vec<&str> = missing.map(|position| specs[position].name.as_str()).collect();
    match missing.as_slice() {
        [] => {}
        [one] => return Err(ApiError::malformed(format!("input `{one}` is missing"))),
        all => return Err(ApiError::malformed(format!("inputs `{}` are missing", all.join("`, `")))),
    }
    match rows {
        Some(rows) if rows > 0 => Ok(model.input_from_tensors(columns, rows)),
        _ => Err(ApiError::malformed("the request has no rows; send at least one")),
    }
}

/// Checks shape, length and type of a tensor and returns its number of rows.
fn check(spec: &TensorSpec, tensor: &InputTensor) -> Result<usize, ApiError> {
    let wrong = |expected: &dyn std::fmt::Display, found: &dyn std::fmt::Display| {
        ApiError::malformed(format!("input `{}`: expected {expected}, found {found}", spec.name))
    };
    let Some(rows) = rows_of(spec, &tensor.shape) else {
        return Err(wrong(&format!("the shape {:?}", shape(spec)), &format!("{:?}", tensor.shape)));
    };
    let (expected, found) = (rows * spec.width(), tensor.values.len());
    if found != expected {
        return Err(wrong(&format!("{expected} elements"), &found));
    }
    let is_bytes = matches!(tensor.values, TensorValues::Bytes(_));
    if is_bytes != (spec.element == ElementType::Bytes) {
        return Err(wrong(&data_type(spec).name(), &tensor.data_type.name()));
    }
    Ok(rows)
}

/// Number of rows of a shape; `None` if the shape does not fit. A column of width 1 may omit its second axis.
fn rows_of(spec: &TensorSpec, shape: &[i64]) -> Option<usize> {
    let (rows, rest) = shape.split_first()?;
    let rest: Vec<usize> = rest.iter().map(|axis| usize::try_from(*axis).ok()).collect::<Option<_>>()?;
    let fits = rest == spec.shape || (spec.shape == [1] && rest.is_empty());
    usize::try_from(*rows).ok().filter(|rows| fits && rows.checked_mul(spec.width()).is_some())
}
