//! Live monitoring of a model.

use serde_json::{Value, json};

use super::{ERRORS, responses};

/// `GET /v1/models/{name}/monitor`.
pub(super) fn operation(name: &str) -> Value {
    let number = json!({ "type": ["number", "null"] });
    let column = json!({
        "type": "object",
        "required": ["name", "role", "kind", "rows", "verdict"],
        "properties": {
            "name": { "type": "string" },
            "role": { "enum": ["input", "prediction", "probability"] },
            "class": { "type": "string", "description": "Class of a probability" },
            "kind": { "enum": ["number", "category", "text"] },
            "rows": { "type": "integer" },
            "verdict": { "enum": ["stable", "drift", "few_rows", "no_reference"] },
            "psi": number, "jensen_shannon": number, "kolmogorov_smirnov": number, "wasserstein": number,
            "chi_square": number, "p_value": number,
            "missing": number, "reference_missing": number,
            "outside": { "type": ["number", "null"], "description": "Share of values that the training has not seen" },
        },
    });
    let embeddings = json!({
        "type": "object",
        "description": "Sampled rows beside the embeddings that are sealed with the model",
        "required": ["enabled"],
        "properties": {
            "enabled": { "type": "boolean" },
            "why": { "type": "string", "description": "Reason why embeddings are not watched, or why rows have none" },
            "verdict": { "enum": ["stable", "drift", "few_rows"] },
            "method": { "enum": ["model"] },
            "score": number, "threshold": number,
            "rows": { "type": "integer" }, "windows": { "type": "integer" },
            "reference_rows": { "type": "integer" }, "width": { "type": "integer" },
            "waiting": { "type": "integer", "description": "Sampled rows of the open window that are not embedded yet" },
        },
    });
    let report = json!({
        "type": "object",
        "required": ["enabled"],
        "properties": {
            "model": { "type": "string" },
            "version": { "type": "integer" },
            "enabled": { "type": "boolean" },
            "why": { "type": "string", "description": "Reason why there is no monitoring" },
            "reference": { "type": "object", "properties": { "present": { "type": "boolean" }, "why": { "type": "string" } } },
            "limits": { "type": "object" },
            "window": { "type": "object", "description": "Requests, rows and times of the chosen windows" },
            "drift": { "type": "object" },
            "columns": { "type": "array", "items": column },
            "columns_left_out": { "type": "integer" },
            "embeddings": embeddings,
            "history": { "type": "array", "items": { "type": "object" }, "description": "Each window that is kept, the open one last" },
            "clock_jumps": { "type": "integer" },
            "state": { "type": "object", "description": "Sketches of all windows, if asked for" },
        },
    });
    let window = json!({
        "oneOf": [{ "enum": ["recent", "current", "all"] }, { "type": "integer", "minimum": 1 }],
        "default": "recent",
    });
    json!({ "get": {
        "operationId": format!("monitor_{name}"),
        "summary": format!("Requests of {name}, and drift of its columns and predictions"),
        "tags": ["monitor"],
        "parameters": [
            { "name": "window", "in": "query", "schema": window,
              "description": "As many of the latest windows as have enough rows, the open one, all, or a number of the latest" },
            { "name": "state", "in": "query", "schema": { "type": "boolean", "default": false },
              "description": "Add the state of the sketches, which merges with that of other servers; the key needs `metrics` too" },
        ],
        "responses": responses(&ERRORS, &report, "Monitoring of the model's main version, or of a loaded version NAME:VERSION"),
    }})
}
