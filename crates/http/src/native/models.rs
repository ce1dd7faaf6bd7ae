//! `/v1/models`: metadata of the models that the caller may use.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use cupola_runtime::{ExampleRequest, LoadedPackage};
use cupola_serving::Catalog;
use cupola_serving::access::{Caller, Scope};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::request::name_and_version;

/// `GET /v1/models`. `OpenAI`'s clients read `data`, everybody else `models`.
pub(super) async fn list(
    State(catalog): State<Arc<Catalog>>,
    Extension(caller): Extension<Caller>,
) -> Json<Value> {
    let names = catalog.names().into_iter().filter(|name| caller.has(Scope::Predict, name));
    let models: Vec<Value> = names.filter_map(|name| catalog.describe(&name).ok()).collect();
    let data = models.iter().map(|model| {
        let created = model["created"].as_str().and_then(unix_seconds).unwrap_or_default();
        let mut entry =
            json!({ "id": model["name"], "object": "model", "created": created, "owned_by": "cupola" });
        add_context_length(&mut entry, &model["context_length"]);
        entry
    });
    let data: Vec<Value> = data.collect();
    Json(json!({ "object": "list", "data": data, "models": models }))
}

/// `GET /v1/models/{name}`, of a loaded version `NAME:VERSION`, with an example of a request.
pub(super) async fn get(
    State(catalog): State<Arc<Catalog>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let (name, version) = name_and_version(&name)?;
    caller.require_sight(name)?;
    let loaded = catalog.find(name, version)?;
    let mut model = if version.is_some() { loaded.describe() } else { catalog.describe(name)? };
    // Keys that OpenAI's clients read.
    model["id"] = name.into();
    model["object"] = "model".into();
    model["owned_by"] = "cupola".into();
    let context = model["context_length"].clone();
    add_context_length(&mut model, &context);
    model["lineage"] = json!(loaded.manifest.lineage);
    add_example(&mut model, name, &loaded.model);
    Ok(Json(model))
}

/// Adds the body of a request that can be sent as it is, and what the numbers of a row may be.
fn add_example(about: &mut Value, name: &str, model: &LoadedPackage) {
    let request = ExampleRequest::of(name, model);
    about["example"] = request.body;
    about["example_path"] = request.path.into();
    about["example_is_real"] = request.real.into();
    if let Some(example) = &model.example {
        about["ranges"] = json!(example.ranges);
        about["units"] = json!(example.units);
    }
}

/// Adds the number of tokens that a model of texts sees at once, also by the name that vLLM's clients read.
fn add_context_length(model: &mut Value, tokens: &Value) {
    if !tokens.is_null() {
        model["context_length"] = tokens.clone();
        model["max_model_len"] = tokens.clone();
    }
}

fn unix_seconds(rfc3339: &str) -> Option<i64> {
    rfc3339.parse::<Timestamp>().ok().map(Timestamp::as_second)
}
