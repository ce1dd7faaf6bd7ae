//! Embeddings, completions and chats, as `OpenAI`'s clients ask for them
//! (<https://platform.openai.com/docs/api-reference>).

mod body;
mod talk;
mod text;

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cupola_prep::{Column, ColumnType, FittedTarget, Frame, Label};
use cupola_runtime::Input;
use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::answer::Refusal;
use crate::ask::{Asked, ask};
use crate::guard::forbidden;
use crate::keys::Caller;
use crate::predict::named;
use crate::request::{deadline, refused_body, request_id, tag};
use crate::state::Shared;

pub(crate) use self::text::{chat, completions};

type App = Arc<Shared>;

/// A body as JSON; keys that nobody here knows are left alone, as clients send many.
fn read<T: DeserializeOwned>(app: &Shared, body: Result<Bytes, BytesRejection>) -> Result<T, Refusal> {
    let body = body.map_err(|rejection| refused_body(&rejection, app.settings.body_bytes))?;
    serde_json::from_slice(&body)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "malformed", format!("the body: {error}")))
}

fn bad(message: impl Into<String>, param: &str) -> Refusal {
    let mut refusal = Refusal::new(StatusCode::BAD_REQUEST, "invalid_value", message);
    refusal.field = Some(param.to_owned());
    refusal
}

/// The caller may ask this model.
fn allowed(caller: &Caller, name: &str) -> Result<(), Refusal> {
    if caller.may("predict", name) { Ok(()) } else { Err(forbidden(caller, "predict", name)) }
}

#[derive(Deserialize)]
struct Wanted {
    model: String,
    input: Texts,
    #[serde(default)]
    encoding_format: Option<String>,
    #[serde(default)]
    dimensions: Option<usize>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

/// `POST /v1/embeddings`
pub(crate) async fn embeddings(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let (id, began) = (request_id(&headers), Instant::now());
    let response = match embedded(&app, &caller, &headers, &id, began, body).await {
        Ok(value) => axum::Json(value).into_response(),
        Err(refusal) => refusal.into_openai_response(),
    };
    tag(response, &id)
}

async fn embedded(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    id: &str,
    began: Instant,
    body: Result<Bytes, BytesRejection>,
) -> Result<Value, Refusal> {
    let Wanted { model, input, encoding_format, dimensions } = read(app, body)?;
    let (name, version) = named(&model)?;
    allowed(caller, name)?;
    let texts = match input {
        Texts::One(text) => vec![text],
        Texts::Many(texts) => texts,
    };
    if texts.is_empty() {
        return Err(bad("`input` is empty; send a text, or a list of them", "input"));
    }
    let base64 = match encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(other) => {
            return Err(bad(format!("`{other}` is no encoding; use float or base64"), "encoding_format"));
        }
    };
    let timeout = deadline(headers, app.settings.timeout)?;
    let asked = Asked { name, version, headers, id, began, timeout };
    let answered = ask(app, &asked, |sealed| {
        let [column] = sealed.signature.inputs.as_slice() else {
            return Err(bad(format!("`{name}` makes no embeddings of texts"), "model"));
        };
        let embeds = matches!(sealed.plan.targets.first(), FittedTarget::Embedding { .. });
        if !embeds || column.kind != ColumnType::Text {
            return Err(bad(format!("`{name}` makes no embeddings of texts"), "model"));
        }
        let columns = IndexMap::from([(column.name.clone(), Column::texts(texts.iter().map(Some)))]);
        Ok(Input::Frame(Frame::new(columns)))
    })
    .await?;
    let mut data = Vec::new();
    for (index, answer) in answered.answers()?.iter().enumerate() {
        let Some(Label::Numbers(vector)) = answer.values().next().map(|prediction| &prediction.value) else {
            return Err(bad(format!("`{name}` makes no embeddings"), "model"));
        };
        let vector = cut(vector, dimensions)?;
        let embedding = if base64 { Value::from(packed(&vector)) } else { Value::from(vector) };
        data.push(json!({ "object": "embedding", "index": index, "embedding": embedding }));
    }
    let tokens = answered.model.sealed.tokens(texts.iter().map(String::as_str));
    Ok(json!({
        "object": "list",
        "model": model,
        "data": data,
        "usage": { "prompt_tokens": tokens, "total_tokens": tokens },
    }))
}

/// The first `dimensions`, of length 1 again (Kusupati et al. 2022); all where none are asked for.
#[allow(clippy::cast_possible_truncation, reason = "embeddings are 32-bit numbers")]
fn cut(vector: &[f64], dimensions: Option<usize>) -> Result<Vec<f32>, Refusal> {
    let Some(wanted) = dimensions.filter(|wanted| *wanted != vector.len()) else {
        return Ok(vector.iter().map(|x| *x as f32).collect());
    };
    if wanted == 0 || wanted > vector.len() {
        return Err(bad(format!("embeddings have {} dimensions; ask for fewer", vector.len()), "dimensions"));
    }
    let norm = vector[..wanted].iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    Ok(vector[..wanted].iter().map(|x| (x / norm) as f32).collect())
}

/// Little-endian 32-bit numbers in base64, as the clients ask for by default.
fn packed(vector: &[f32]) -> String {
    STANDARD.encode(vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())
}
