//! `POST /v1/embeddings`

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cupola_budget::Budget;
use cupola_prep::{Column, ColumnType, FittedTarget, Frame, PredictedValue};
use cupola_runtime::{LoadedPackage, PredictInput};
use cupola_serving::access::{Caller, Scope};
use cupola_serving::{Pipeline, PredictRequest};
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::fields::Fields;
use super::input::{TextInput, Truncation};
use crate::error::ApiError;
use crate::request::{
    FullBody, Headers, RequestBudget, held_response, name_and_version, request_id, timeout, with_request_id,
};
use crate::state::RequestLimits;

/// Texts of a request, as in `OpenAI`'s API.
const MAX_TEXTS: usize = 2_048;

/// Bytes of parsed values for each byte of a body.
const PARSED_BYTES: usize = 16;
/// Bytes that a tokenizer needs for each byte of a text.
const TOKENIZER_BYTES: usize = 48;

/// Body of `POST /v1/embeddings` without its model. Unknown fields are ignored, because clients send many.
struct EmbeddingsBody {
    input: TextInput,
    encoding: EmbeddingEncoding,
    dimensions: Option<usize>,
    truncation: Truncation,
}

impl EmbeddingsBody {
    fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let input = TextInput::parse(fields.require("input")?, "input")?;
        if input.len() > MAX_TEXTS {
            return Err(fields.invalid("input", &format!("at most {MAX_TEXTS} texts are supported at once")));
        }
        if let TextInput::Texts(texts) = &input
            && let Some(index) = texts.iter().position(String::is_empty)
        {
            let path = if texts.len() == 1 { "input".to_owned() } else { format!("input[{index}]") };
            return Err(ApiError::invalid_value(format!("`{path}` is an empty text; leave it out"), &path));
        }
        let encoding: Option<String> = fields.take("encoding_format")?;
        Ok(Self {
            input,
            encoding: EmbeddingEncoding::parse(encoding.as_deref())?,
            dimensions: fields.take("dimensions")?,
            truncation: Truncation::take(&mut fields)?,
        })
    }
}

/// Embeddings of texts.
pub(super) async fn embeddings(
    State(pipeline): State<Arc<Pipeline>>,
    State(limits): State<RequestLimits>,
    Extension(caller): Extension<Caller>,
    RequestBudget(budget): RequestBudget,
    headers: HeaderMap,
    FullBody(body): FullBody,
) -> Response {
    let (id, began) = (request_id(&headers), Instant::now());
    let response = async {
        let body = body?;
        let size = body.len();
        let _parsing = budget.take_each(size, PARSED_BYTES)?;
        let mut fields = pipeline.parse(size, &budget, || Fields::parse(&body)).await??;
        let model: String = fields.require("model")?;
        let (name, version) = name_and_version(&model)?;
        caller.require(Scope::Predict, name)?;
        let body = EmbeddingsBody::parse(fields)?;
        let timeout = timeout(&headers, limits.timeout)?;
        let metadata = Headers(&headers);
        let request = PredictRequest {
            name,
            version,
            metadata: &metadata,
            id: &id,
            began,
            timeout,
            budget: &budget,
            size,
        };
        embed(&pipeline, &request, &body, &model).await
    };
    let response = match response.await {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => error.into_openai_response(),
    };
    with_request_id(response, &id)
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
    body: &EmbeddingsBody,
    model: &str,
) -> Result<Bytes, ApiError> {
    let unsupported =
        || ApiError::invalid_value(format!("`{}` does not make embeddings of texts", request.name), "model");
    let mut tokens = 0;
    let read = |model: &LoadedPackage| -> Result<PredictInput, ApiError> {
        let column = text_column(model).ok_or_else(unsupported)?;
        let (input, count) = encode(model, column, body, request.budget)?;
        tokens = count;
        Ok(input)
    };
    let response = pipeline.predict(request, read).await?;
    let write = || {
        let mut vectors = Vec::new();
        for prediction in response.predictions()? {
            let Some(PredictedValue::Numbers(vector)) =
                prediction.values().next().map(|prediction| &prediction.value)
            else {
                return Err(unsupported());
            };
            vectors.push(truncate(vector, body.dimensions)?);
        }
        let json = Embeddings { vectors, tokens }.into_json(model, body.encoding).to_string();
        Ok(held_response(json.into_bytes(), request.budget)?)
    };
    let bytes = pipeline.answer(&response, request.budget, write).await??;
    pipeline.observe(response);
    Ok(bytes)
}

/// Name of the column that a model embeds; `None` if it does not embed texts.
fn text_column(model: &LoadedPackage) -> Option<&str> {
    let [column] = model.signature.inputs.as_slice() else { return None };
    let embeds = matches!(model.plan.targets.first(), FittedTarget::Embedding { .. });
    (embeds && column.kind == ColumnType::Text).then_some(column.name.as_str())
}

/// Rows of the texts, and the number of tokens that the model sees of them.
fn encode(
    model: &LoadedPackage,
    column: &str,
    body: &EmbeddingsBody,
    budget: &Budget,
) -> Result<(PredictInput, usize), ApiError> {
    let context = model.context_length().unwrap_or(usize::MAX);
    let most = match body.truncation {
        Truncation::To(most) if most > context => {
            let message = format!("the model takes at most {context} tokens; truncate to that many or fewer");
            return Err(ApiError::invalid_value(message, "truncate"));
        }
        Truncation::To(most) => most,
        Truncation::Auto | Truncation::Never => context,
    };
    let fits = |found: usize| {
        if found <= most || body.truncation != Truncation::Never {
            Ok(())
        } else {
            Err(too_long(most, found))
        }
    };
    let mut tokens = 0;
    match &body.input {
        TextInput::Texts(texts) if most == context => {
            for text in texts {
                budget.check()?;
                let _tokens = budget.take_each(text.len(), TOKENIZER_BYTES)?;
                let found = model.count_tokens([text.as_str()].into_iter());
                fits(found)?;
                tokens += found.min(most);
            }
            let columns = IndexMap::from([(column.to_owned(), Column::texts(texts.iter().map(Some)))]);
            Ok((PredictInput::Frame(Frame::new(columns)), tokens))
        }
        TextInput::Texts(texts) => {
            let invalid = |error: cupola_runtime::Error| ApiError::invalid_value(error.to_string(), "input");
            let texts = texts.iter().map(|text| {
                budget.check()?;
                let _tokens = budget.take_each(text.len(), TOKENIZER_BYTES)?;
                model.token_ids(text, most).map_err(invalid)
            });
            let texts: Vec<Vec<u32>> = texts.collect::<Result<_, ApiError>>()?;
            tokens += texts.iter().map(Vec::len).sum::<usize>();
            Ok((PredictInput::Tokens(texts), tokens))
        }
        TextInput::Tokens(texts) => {
            let checked = model.check_tokens(texts.iter().flatten().copied());
            checked.map_err(|error| ApiError::invalid_value(error.to_string(), "input"))?;
            for ids in texts {
                fits(ids.len())?;
                tokens += ids.len().min(most);
            }
            let cut = texts.iter().map(|ids| ids[..ids.len().min(most)].to_vec());
            Ok((PredictInput::Tokens(cut.collect()), tokens))
        }
    }
}

/// Error in the words of `OpenAI`'s API, which clients search for.
fn too_long(context: usize, found: usize) -> ApiError {
    let message = format!(
        "This model's maximum context length is {context} tokens, however you requested {found} tokens ({found} in your \
         prompt; 0 for the completion). Please reduce your prompt; or completion length, or send `truncate`."
    );
    ApiError::context_length_exceeded(message, "input")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &Value) -> Result<EmbeddingsBody, String> {
        let fields = Fields::parse(body.to_string().as_bytes()).unwrap();
        EmbeddingsBody::parse(fields).map_err(|error| error.field.unwrap())
    }

    #[test]
    fn null_equals_absence_and_errors_name_the_field() {
        let nulls = json!({ "input": "a", "dimensions": null, "encoding_format": null, "user": null, "truncate": null });
        let body = parsed(&nulls).unwrap();
        assert!(body.dimensions.is_none() && matches!(body.encoding, EmbeddingEncoding::Float));
        for (body, field) in [
            (json!({}), "input"),
            (json!({ "input": null }), "input"),
            (json!({ "input": "" }), "input"),
            (json!({ "input": [] }), "input"),
            (json!({ "input": ["a", ""] }), "input[1]"),
            (json!({ "input": [[]] }), "input[0]"),
            (json!({ "input": [1, 1.5] }), "input[1]"),
            (json!({ "input": vec!["a"; 2_049] }), "input"),
            (json!({ "input": "a", "encoding_format": "int8" }), "encoding_format"),
            (json!({ "input": "a", "dimensions": -1 }), "dimensions"),
            (json!({ "input": "a", "truncate": 0 }), "truncate"),
        ] {
            assert_eq!(parsed(&body).map(|_| ()).unwrap_err(), field, "{body}");
        }
    }
}
