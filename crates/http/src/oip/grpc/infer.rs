//! Inference over gRPC: messages to tensors and back.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::HeaderMap;
use cupola_budget::Budget;
use cupola_runtime::{OutputTensor, TensorValues};
use cupola_serving::Pipeline;
use prost::Message as _;
use serde_json::Value;

use super::super::infer::{InferRequest, infer as run, refuse_explain};
use super::super::parse_version;
use super::super::wire::{DataType, InputTensor, WireError, data_type_of, from_raw, to_raw};
use super::proto::infer_parameter::ParameterChoice;
use super::proto::model_infer_request::InferInputTensor;
use super::proto::model_infer_response::InferOutputTensor;
use super::proto::{InferParameter, InferTensorContents, ModelInferRequest, ModelInferResponse};
use crate::error::ApiError;
use crate::native::interval::interval_of;
use crate::request::request_id;

/// Bytes of a decoded message for each byte of it.
const MESSAGE_BYTES: usize = 8;
/// Bytes of an element of a tensor of bytes, beside its contents, with the copy that the model gets.
const ELEMENT_BYTES: usize = 72;

/// Runs a request.
pub(super) async fn infer(
    pipeline: &Pipeline,
    headers: &HeaderMap,
    timeout: Duration,
    budget: &Budget,
    request: ModelInferRequest,
) -> Result<ModelInferResponse, ApiError> {
    let id = request_id(headers);
    let size = request.encoded_len();
    budget.charge_each(size, MESSAGE_BYTES)?;
    let elements = request.inputs.iter().filter_map(|input| input.contents.as_ref());
    budget.charge_each(elements.map(|contents| contents.bytes_contents.len()).sum(), ELEMENT_BYTES)?;
    let ModelInferRequest {
        model_name,
        model_version,
        id: own_id,
        inputs,
        outputs,
        parameters,
        raw_input_contents,
        ..
    } = request;
    refuse_explain(&model_name, parameter(&parameters, "explain").as_ref())?;
    let request = InferRequest {
        name: &model_name,
        version: parse_version(&model_version)?,
        headers,
        id: &id,
        timeout,
        budget,
        size,
        outputs: outputs.into_iter().map(|output| output.name).collect(),
        interval: parameter(&parameters, "interval").map_or(Ok(None), |value| interval_of(&value))?,
    };
    let inferred = run(pipeline, request, || tensors(inputs, &raw_input_contents)).await?;
    let mut response = ModelInferResponse {
        model_version: inferred.version.to_string(),
        model_name,
        id: own_id,
        ..ModelInferResponse::default()
    };
    for tensor in inferred.tensors {
        response.raw_output_contents.push(to_raw(&tensor.values).into());
        response.outputs.push(output(tensor));
    }
    Ok(response)
}

/// Value of a parameter: a boolean, a number, or either as a string.
fn parameter(parameters: &HashMap<String, InferParameter>, name: &str) -> Option<Value> {
    let choice = parameters.get(name)?.parameter_choice.as_ref()?;
    Some(match choice {
        ParameterChoice::BoolParam(value) => Value::from(*value),
        ParameterChoice::DoubleParam(value) => Value::from(*value),
        ParameterChoice::Int64Param(value) => Value::from(*value),
        ParameterChoice::Uint64Param(value) => Value::from(*value),
        ParameterChoice::StringParam(text) => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str()))
        }
    })
}

fn output(tensor: OutputTensor) -> InferOutputTensor {
    InferOutputTensor {
        datatype: data_type_of(&tensor.values).name().to_owned(),
        shape: tensor.shape.iter().map(|axis| i64::try_from(*axis).unwrap_or(i64::MAX)).collect(),
        name: tensor.name,
        ..InferOutputTensor::default()
    }
}

/// Tensors of a request: raw contents for all of them, or typed contents.
fn tensors(inputs: Vec<InferInputTensor>, raw: &[prost::bytes::Bytes]) -> Result<Vec<InputTensor>, ApiError> {
    if !raw.is_empty() && raw.len() != inputs.len() {
        return Err(ApiError::malformed(format!(
            "expected raw contents for all {} inputs, found {}",
            inputs.len(),
            raw.len()
        )));
    }
    let tensors = inputs.into_iter().enumerate().map(|(index, input)| {
        let wrong = |error: WireError| ApiError::malformed(format!("input `{}`: {error}", input.name));
        let data_type = DataType::parse(&input.datatype).map_err(wrong)?;
        let values = match raw.get(index) {
            Some(raw) => from_raw(data_type, raw).map_err(wrong)?,
            None => typed(data_type, input.contents.unwrap_or_default()).map_err(wrong)?,
        };
        Ok(InputTensor { name: input.name, data_type, shape: input.shape, values })
    });
    tensors.collect()
}

fn typed(kind: DataType, contents: InferTensorContents) -> Result<TensorValues, WireError> {
    let doubles = |values: Vec<f64>| Ok(TensorValues::Doubles(values));
    match kind {
        DataType::Fp32 => Ok(TensorValues::Floats(contents.fp32_contents)),
        DataType::Fp64 => Ok(TensorValues::Doubles(contents.fp64_contents)),
        DataType::Bool => doubles(contents.bool_contents.iter().map(|v| f64::from(u8::from(*v))).collect()),
        DataType::Int8 | DataType::Int16 | DataType::Int32 => {
            doubles(contents.int_contents.iter().map(|value| f64::from(*value)).collect())
        }
        DataType::Int64 => doubles(contents.int64_contents.iter().map(|value| *value as f64).collect()),
        DataType::Uint8 | DataType::Uint16 | DataType::Uint32 => {
            doubles(contents.uint_contents.iter().map(|value| f64::from(*value)).collect())
        }
        DataType::Uint64 => doubles(contents.uint64_contents.iter().map(|value| *value as f64).collect()),
        DataType::Bytes => {
            Ok(TensorValues::Bytes(contents.bytes_contents.iter().map(|b| b.to_vec()).collect()))
        }
        DataType::Fp16 | DataType::Bf16 => Err(WireError(format!("{} requires raw contents", kind.name()))),
    }
}
