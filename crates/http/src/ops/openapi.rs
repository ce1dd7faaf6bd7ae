//! `GET /openapi.json`: the current API, with the types of each model's rows and predictions.

mod alerts;
mod monitor;

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use cupola_prep::{ColumnType, FittedTarget, InputColumn, OutputColumn, Signature};
use cupola_runtime::{ExampleRequest, ExplainMethod, LoadedPackage, MOST_EXPLAINED};
use cupola_serving::Catalog;
use cupola_serving::access::{AccessControl, Caller, Scope};
use serde_json::{Map, Value, json};

/// Schema of an input value.
fn input_schema(column: &InputColumn) -> Value {
    let mut kinds = match column.kind {
        ColumnType::Number => vec!["number"],
        ColumnType::Category => vec!["string", "number", "boolean"],
        ColumnType::Date | ColumnType::Text | ColumnType::File => vec!["string"],
    };
    if column.nullable {
        kinds.push("null");
    }
    let mut schema = json!({ "type": kinds });
    if column.kind == ColumnType::File {
        schema["contentEncoding"] = "base64".into();
    }
    if let Some(categories) = &column.categories {
        schema["examples"] = json!(categories.iter().take(8).collect::<Vec<_>>());
    }
    schema
}

fn output_schema(column: &OutputColumn, target: &FittedTarget) -> Value {
    let value = match (column.kind, column.length) {
        (_, Some(length)) => json!({
            "type": "array", "items": { "type": "number" }, "minItems": 1, "maxItems": length,
        }),
        (ColumnType::Category, _) => json!({ "type": ["string", "number"] }),
        (ColumnType::Text, _) => json!({ "type": "string" }),
        _ => json!({ "type": "number" }),
    };
    let mut properties = json!({ "value": value });
    if let Some(group) = &column.orders {
        let says = format!("Score that orders the rows of one `{group}`, the largest first");
        properties["value"]["description"] = json!(says);
    }
    if column.categories.is_some() {
        properties["probabilities"] = json!({ "type": "object", "additionalProperties": { "type": "number", "minimum": 0, "maximum": 1 } });
    }
    if matches!(target, FittedTarget::Reconstruct { threshold: Some(_), .. }) {
        properties["threshold"] =
            json!({ "type": "number", "description": "Score above which a row counts as an anomaly" });
        properties["anomaly"] = json!({ "type": "boolean" });
    }
    if column.frequency.is_some() {
        properties["timestamps"] =
            json!({ "type": "array", "items": { "type": "string" }, "description": "Times of the values" });
    }
    json!({ "type": "object", "required": ["value"], "properties": properties })
}

fn object<'a>(each: impl Iterator<Item = (&'a str, Value)>) -> Value {
    let properties: Map<String, Value> = each.map(|(name, schema)| (name.to_owned(), schema)).collect();
    let required: Vec<&String> = properties.keys().collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

fn response(schema: &Value, description: &str) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

/// Responses of a path: success and errors.
fn responses(errors: &[(u16, &str)], schema: &Value, description: &str) -> Map<String, Value> {
    let error = json!({ "$ref": "#/components/schemas/Error" });
    let each = errors.iter().map(|(status, why)| (status.to_string(), response(&error, why)));
    each.chain([("200".to_owned(), response(schema, description))]).collect()
}

const ERRORS: [(u16, &str); 10] = [
    (400, "The body is malformed"),
    (401, "A key is required"),
    (403, "The key lacks the scope"),
    (404, "The model is unknown"),
    (413, "The body is too large"),
    (415, "The content encoding or the charset is not supported"),
    (422, "A row does not fit the signature; the error names row and column"),
    (429, "Overloaded, or the key exceeds its rate limit; see Retry-After"),
    (503, "Draining, or the engine has stopped"),
    (504, "The deadline has passed"),
];

/// Outputs of a model with their targets.
fn outputs(model: &LoadedPackage) -> impl Iterator<Item = (&OutputColumn, &FittedTarget)> {
    model.signature.outputs.iter().zip(model.plan.targets.iter())
}

fn predict(name: &str, model: &LoadedPackage) -> Value {
    let signature = &model.signature;
    let row = object(signature.inputs.iter().map(|c| (c.name.as_str(), input_schema(c))));
    let is_explained = explains(model);
    let output = |(c, target): (&OutputColumn, &FittedTarget)| {
        let mut schema = output_schema(c, target);
        add_interval(&mut schema, c, target, model);
        if is_explained {
            schema["properties"]["explanation"] = json!({ "$ref": "#/components/schemas/Explanation" });
        }
        schema
    };
    let each = outputs(model).map(|(c, target)| (c.name.clone(), output((c, target))));
    let each: Vec<(String, Value)> = each.collect();
    let prediction = object(each.iter().map(|(name, schema)| (name.as_str(), schema.clone())));
    let mut body = json!({
        "type": "object",
        "required": ["rows"],
        "additionalProperties": false,
        "properties": { "rows": { "type": "array", "minItems": signature.window.unwrap_or(1), "items": row } },
        "example": ExampleRequest::of(name, model).predict_body(),
    });
    if let Some(uncertainty) = &model.plan.uncertainty {
        body["properties"]["interval"] = interval_schema(uncertainty.coverage);
    }
    if is_explained {
        body["properties"]["explain"] = explain_schema(model);
    }
    let predicted = json!({
        "type": "object",
        "required": ["model", "version", "request_id", "predictions"],
        "properties": {
            "model": { "type": "string" },
            "version": { "type": "integer" },
            "request_id": { "type": "string" },
            "predictions": { "type": "array", "items": prediction },
            "warnings": {
                "type": "array", "items": { "type": "string" },
                "description": "Columns of the rows that the model does not have; left out if there are none",
            },
        },
    });
    let responses = responses(&ERRORS, &predicted, "One prediction per row");
    json!({ "post": {
        "operationId": format!("predict_{name}"),
        "summary": format!("Predictions of {name}"),
        "tags": ["predict"],
        "parameters": parameters(model, is_explained),
        "requestBody": { "required": true, "content": bodies(signature, &body) },
        "responses": responses,
    }})
}

/// Schema of the option `interval`: a coverage, or `true` for the one that the model was trained with.
fn interval_schema(coverage: f64) -> Value {
    json!({
        "oneOf": [{ "type": "boolean" }, { "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 }],
        "description": format!("Adds bounds or sets of classes that hold the target with this probability; true for {coverage}"),
    })
}

/// Adds the interval or the set of a prediction, which a request has to ask for.
fn add_interval(schema: &mut Value, column: &OutputColumn, target: &FittedTarget, model: &LoadedPackage) {
    let Some(uncertainty) = &model.plan.uncertainty else { return };
    if !uncertainty.targets.contains_key(target.name()) {
        return;
    }
    let value = schema["properties"]["value"].clone();
    if column.categories.is_some() {
        schema["properties"]["set"] = json!({
            "type": "array", "items": value, "minItems": 1,
            "description": "Classes that hold the target with the coverage of `interval`, the likeliest first",
        });
    } else {
        schema["properties"]["interval"] = json!({
            "type": "object",
            "required": ["coverage", "low", "high"],
            "properties": { "coverage": { "type": "number" }, "low": value.clone(), "high": value },
        });
    }
}

/// `true` if predictions of the model have explanations.
fn explains(model: &LoadedPackage) -> bool {
    model.explained_by().is_some()
}

/// Schema of the option of a request.
fn explain_schema(model: &LoadedPackage) -> Value {
    let targets: Vec<&str> = model.signature.outputs.iter().map(|output| output.name.as_str()).collect();
    let options = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "target": { "enum": targets, "description": "All targets if left out" },
            "class": { "type": ["string", "number"], "description": "The predicted class if left out" },
            "method": { "enum": ExplainMethod::NAMES },
            "budget_ms": { "type": "integer", "minimum": 1, "maximum": 3_600_000 },
        },
    });
    json!({
        "oneOf": [{ "type": "boolean" }, options],
        "description": format!("Adds the share of each column to each prediction, of at most {MOST_EXPLAINED} rows"),
    })
}

/// Schema of an explanation.
fn explanation_schema() -> Value {
    let shares = json!({ "type": "object", "additionalProperties": { "type": "number" } });
    let map = json!({ "type": "array", "items": { "type": "array", "items": { "type": "number" } } });
    let grid = json!({
        "type": "array", "items": { "type": "integer" }, "minItems": 2, "maxItems": 2,
        "description": "Rows and columns of the patches that pixels are explained by",
    });
    let lags = json!({
        "type": "object",
        "required": ["from", "to", "value"],
        "properties": {
            "from": { "type": "integer", "description": "Smallest lag; 1 is the last row of the window" },
            "to": { "type": "integer", "description": "Largest lag" },
            "value": { "type": "number" },
        },
    });
    let token = json!({
        "type": "object",
        "required": ["text", "value"],
        "properties": {
            "text": { "type": "string" },
            "start": { "type": "integer", "description": "First byte in the column's text" },
            "end": { "type": "integer" },
            "value": { "type": "number" },
        },
    });
    json!({
        "type": "object",
        "required": ["method", "scale", "base", "output", "values", "completeness_error", "reference"],
        "properties": {
            "method": { "enum": ExplainMethod::NAMES },
            "scale": { "enum": ["log_odds", "logit", "probability", "value", "log", "root"] },
            "class": { "type": "string" },
            "base": { "type": "number", "description": "Score of the reference" },
            "output": { "type": "number", "description": "Score of the row: base and all values" },
            "values": shares,
            "heat_maps": { "type": "object", "additionalProperties": map },
            "patches": { "type": "object", "additionalProperties": grid },
            "lags": { "type": "object", "additionalProperties": { "type": "array", "items": lags } },
            "tokens": { "type": "object", "additionalProperties": { "type": "array", "items": token } },
            "completeness_error": { "type": "number", "minimum": 0 },
            "standard_errors": shares,
            "evaluations": { "type": "integer" },
            "reference": { "type": "string" },
        },
    })
}

/// Content of a request for predictions by content type: rows, and of a model that takes one picture or sound the file.
fn bodies(signature: &Signature, rows: &Value) -> Value {
    let mut content = json!({ "application/json": { "schema": rows } });
    if let [InputColumn { name, kind: ColumnType::File, .. }] = signature.inputs.as_slice() {
        content["image/png"] = json!({ "schema": { "type": "string", "format": "binary" } });
        content["image/jpeg"] = content["image/png"].clone();
        let file = json!({ "type": "string", "format": "binary", "description": "One file for each row" });
        let form = json!({ "type": "object", "required": [name], "properties": { name.as_str(): file } });
        content["multipart/form-data"] = json!({ "schema": form });
    }
    content
}

fn parameters(model: &LoadedPackage, is_explained: bool) -> Value {
    let signature = &model.signature;
    let mut all = vec![json!({
        "name": "strict", "in": "query", "schema": { "type": "boolean", "default": false },
        "description": "Refuse rows with columns that the model does not have, instead of a warning",
    })];
    if let Some(uncertainty) = &model.plan.uncertainty {
        all.push(json!({
            "name": "interval", "in": "query", "schema": interval_schema(uncertainty.coverage),
            "description": "Coverage of the intervals of a body that has no option for it, such as CSV",
        }));
    }
    if is_explained {
        all.push(json!({
            "name": "explain", "in": "query", "schema": { "type": "boolean", "default": false },
            "description": "Explain predictions of a body that has no option for it, such as CSV or a picture",
        }));
    }
    let length = signature.outputs.iter().find_map(|output| output.length);
    if let (Some(length), Some(_)) = (length, signature.window) {
        all.push(json!({
            "name": "horizon", "in": "query", "schema": { "type": "integer", "minimum": 1, "maximum": length },
            "description": "Rows ahead that a forecast is cut to",
        }));
        all.push(json!({
            "name": "windows", "in": "query", "schema": { "enum": ["last", "all"], "default": "last" },
            "description": "A forecast from the end of the history of each series, or from each of its windows",
        }));
    }
    all.into()
}

fn feedback(name: &str, model: &LoadedPackage) -> Value {
    let targets = outputs(model).map(|(column, target)| {
        let schema = output_schema(column, target);
        (column.name.clone(), schema["properties"]["value"].clone())
    });
    let mut properties: Map<String, Value> = targets.collect();
    properties.insert("request_id".to_owned(), json!({ "type": "string", "minLength": 1, "maxLength": 128 }));
    properties.insert("row".to_owned(), json!({ "type": "integer", "minimum": 1, "default": 1 }));
    let row =
        json!({ "type": "object", "required": ["request_id"], "minProperties": 2, "properties": properties });
    let body = json!({
        "type": "object",
        "required": ["rows"],
        "properties": { "rows": { "type": "array", "minItems": 1, "items": row } },
    });
    let stored = json!({ "type": "object", "properties": { "kept": { "type": "integer" } } });
    let responses = responses(&ERRORS, &stored, "The rows are stored on disk");
    json!({ "post": {
        "operationId": format!("feedback_{name}"),
        "summary": format!("True values for predictions of {name}"),
        "tags": ["feedback"],
        "requestBody": { "required": true, "content": { "application/json": { "schema": body } } },
        "responses": responses,
    }})
}

fn get(summary: &str, operation: &str, schema: &Value) -> Value {
    let responses = responses(&[(401, "A key is required"), (503, "Not ready")], schema, summary);
    json!({ "get": { "operationId": operation, "summary": summary, "responses": responses } })
}

fn rows() -> Value {
    let body = json!({
        "type": "object",
        "required": ["rows"],
        "properties": { "rows": { "type": "array", "minItems": 1, "items": { "type": "object" } } },
    });
    let stored = json!({ "type": "object", "properties": { "kept": { "type": "integer" } } });
    let responses = responses(&ERRORS, &stored, "The rows are stored on disk");
    json!({ "post": {
        "operationId": "push_rows",
        "summary": "Rows for a dataset; all of them are stored, or none",
        "parameters": [{ "name": "name", "in": "path", "required": true, "schema": { "type": "string" } }],
        "requestBody": { "required": true, "content": { "application/json": { "schema": body } } },
        "responses": responses,
    }})
}

/// Document of the models that the caller may use: their schemas show columns, and values of the training data.
pub(super) async fn document(
    State(catalog): State<Arc<Catalog>>,
    State(access): State<Arc<AccessControl>>,
    caller: Option<Extension<Caller>>,
) -> Json<Value> {
    let any = json!({ "type": "object" });
    let mut paths = Map::new();
    let mut put = |path: &str, item: Value| paths.insert(path.to_owned(), item);
    put("/health/live", get("Liveness of the process", "live", &any));
    put("/health/ready", get("Readiness for requests", "ready", &any));
    put("/v1/models", get("Served models", "models", &any));
    put("/v1/datasets/{name}/rows", rows());
    for (path, operations) in alerts::paths() {
        put(path, operations);
    }
    let covers = |name: &String| caller.as_ref().is_some_and(|caller| caller.has(Scope::Predict, name));
    for name in catalog.names().into_iter().filter(covers) {
        let Ok(version) = catalog.find(&name, None) else { continue };
        put(&format!("/v1/models/{name}"), get("Metadata of a model", &format!("model_{name}"), &any));
        put(&format!("/v1/models/{name}/predict"), predict(&name, &version.model));
        put(&format!("/v1/models/{name}/feedback"), feedback(&name, &version.model));
        put(&format!("/v1/models/{name}/monitor"), monitor::operation(&name));
    }
    Json(json!({
        "openapi": "3.1.0",
        "info": { "title": "Cupola", "version": env!("CARGO_PKG_VERSION"),
            "description": "Predictions of the served models. The server also speaks the Open Inference Protocol under /v2, and OpenAI's embeddings and completions under /v1." },
        "paths": paths,
        "components": {
            "schemas": { "Explanation": explanation_schema(), "Error": {
                "type": "object",
                "required": ["error"],
                "properties": { "error": {
                    "type": "object",
                    "required": ["code", "message"],
                    "properties": {
                        "code": { "type": "string" },
                        "message": { "type": "string" },
                        "field": { "type": "string" },
                    },
                } },
            } },
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } },
        },
        "security": if access.is_open() { json!([]) } else { json!([{ "key": [] }]) },
    }))
}
