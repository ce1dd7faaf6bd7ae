//! `POST /v1/embeddings`

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cupola_prep::{Column, ColumnType, FittedTarget, Frame, PredictedValue};
use cupola_runtime::{LoadedPackage, PredictInput};
use cupola_serving::access::{Caller, Scope};
use cupola_serving::{Pipeline, PredictRequest};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{TextOrList, parse};
use crate::error::ApiError;
use crate::request::{FullBody, Headers, name_and_version, request_id, timeout, with_request_id};
use crate::state::RequestLimits;

#[derive(Deserialize)]
struct EmbeddingsBody {
    model: String,
    input: TextOrList,
    #[serde(default)]
    encoding_format: Option<String>,
    #[serde(default)]
    dimensions: Option<usize>,
}

/// Embeddings of texts.
pub(super) async fn embeddings(
    State(pipeline): State<Arc<Pipeline>>,
    State(limits): State<RequestLimits>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    FullBody(body): FullBody,
) -> Response {
    let (id, began) = (request_id(&headers), Instant::now());
    let response = async {
        let body: EmbeddingsBody = parse(&body?)?;
        let (name, version) = name_and_version(&body.model)?;
        caller.require(Scope::Predict, name)?;
        let texts = texts(&body.input)?;
        let encoding = EmbeddingEncoding::parse(body.encoding_format.as_deref())?;
        let timeout = timeout(&headers, limits.timeout)?;
        let metadata = Headers(&headers);
        let request = PredictRequest { name, version, metadata: &metadata, id: &id, began, timeout };
        let data = embed(&pipeline, &request, texts, body.dimensions).await?;
        Ok::<_, ApiError>(data.into_json(&body.model, encoding))
    };
    let response = match response.await {
        Ok(value) => Json(value).into_response(),
        Err(error) => error.into_openai_response(),
    };
    with_request_id(response, &id)
}

fn texts(input: &TextOrList) -> Result<&[String], ApiError> {
    let texts = match input {
        TextOrList::One(text) => std::slice::from_ref(text),
        TextOrList::Many(texts) => texts,
    };
    if texts.is_empty() {
        return Err(ApiError::invalid_value("`input` is empty; send a text, or a list of texts", "input"));
    }
    Ok(texts)
}

#[derive(Clone, Copy)]
enum EmbeddingEncoding {
    Float,
    Base64,
}

impl EmbeddingEncoding {
    fn parse(text: Option<&str>) -> Result<Self, ApiError> {
        match text {
            None | Some("float") => Ok(Self::Float),
            Some("base64") => Ok(Self::Base64),
            Some(other) => {
                let message = format!("unknown encoding `{other}`; expected float or base64");
                Err(ApiError::invalid_value(message, "encoding_format"))
            }
        }
    }

    fn encode(self, vector: Vec<f32>) -> Value {
        match self {
            Self::Float => vector.into(),
            // Little-endian 32-bit floats, which the clients request by default.
            Self::Base64 => {
                STANDARD.encode(vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()).into()
            }
        }
    }
}

struct Embeddings {
    vectors: Vec<Vec<f32>>,
    tokens: usize,
}

impl Embeddings {
    fn into_json(self, model: &str, encoding: EmbeddingEncoding) -> Value {
        let data = self.vectors.into_iter().enumerate().map(|(index, vector)| {
            json!({ "object": "embedding", "index": index, "embedding": encoding.encode(vector) })
        });
        json!({
            "object": "list",
            "model": model,
            "data": data.collect::<Vec<_>>(),
            "usage": { "prompt_tokens": self.tokens, "total_tokens": self.tokens },
        })
    }
}

async fn embed(
    pipeline: &Pipeline,
    request: &PredictRequest<'_>,
    texts: &[String],
    dimensions: Option<usize>,
) -> Result<Embeddings, ApiError> {
    let unsupported =
        || ApiError::invalid_value(format!("`{}` does not make embeddings of texts", request.name), "model");
    let response = pipeline.predict(request, |model| input(model, texts).ok_or_else(unsupported)).await?;
    let mut vectors = Vec::new();
    for prediction in response.predictions()? {
        let Some(PredictedValue::Numbers(vector)) =
            prediction.values().next().map(|prediction| &prediction.value)
        else {
            return Err(unsupported());
        };
        vectors.push(truncate(vector, dimensions)?);
    }
    let tokens = response.version.model.count_tokens(texts.iter().map(String::as_str));
    Ok(Embeddings { vectors, tokens })
}

/// Texts as rows; `None` if the model does not embed texts.
fn input(model: &LoadedPackage, texts: &[String]) -> Option<PredictInput> {
    let [column] = model.signature.inputs.as_slice() else { return None };
    let embeds = matches!(model.plan.targets.first(), FittedTarget::Embedding { .. });
    if !embeds || column.kind != ColumnType::Text {
        return None;
    }
    let columns = IndexMap::from([(column.name.clone(), Column::texts(texts.iter().map(Some)))]);
    Some(PredictInput::Frame(Frame::new(columns)))
}

/// First `dimensions` of a vector, scaled to length 1 (Kusupati et al. 2022, "Matryoshka"); all of them unchanged
/// without `dimensions`.
#[allow(clippy::cast_possible_truncation, reason = "embeddings are 32-bit floats")]
fn truncate(vector: &[f64], dimensions: Option<usize>) -> Result<Vec<f32>, ApiError> {
    let Some(count) = dimensions.filter(|count| *count != vector.len()) else {
        return Ok(vector.iter().map(|x| *x as f32).collect());
    };
    if count == 0 || count > vector.len() {
        let message = format!("`dimensions` must be between 1 and {}", vector.len());
        return Err(ApiError::invalid_value(message, "dimensions"));
    }
    let norm = vector[..count].iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    Ok(vector[..count].iter().map(|x| (x / norm) as f32).collect())
}
