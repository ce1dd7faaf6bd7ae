//! Operations on alerts in the `OpenAPI` document.

use serde_json::{Map, Value, json};

use super::{ERRORS, responses};

/// Paths of alerts with their operations.
pub(super) fn paths() -> [(&'static str, Value); 2] {
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let alert = json!({
        "type": "object",
        "required": ["fingerprint", "status", "labels", "summary", "started"],
        "properties": {
            "fingerprint": { "type": "string" },
            "status": { "enum": ["pending", "firing", "resolved"] },
            "labels": texts,
            "summary": { "type": "string" },
            "value": { "type": ["number", "null"] },
            "started": { "type": "string", "format": "date-time" },
            "ended": { "type": ["string", "null"], "format": "date-time" },
            "silenced_by": { "type": ["string", "null"], "description": "Id of the silence that covers it" },
        },
    });
    let objects = json!({ "type": "array", "items": { "type": "object" } });
    let status = json!({
        "type": "object",
        "required": ["alerts", "silences", "rules", "receivers"],
        "properties": {
            "alerts": { "type": "array", "items": alert },
            "silences": objects,
            "rules": objects,
            "receivers": objects,
        },
    });
    let get = json!({ "get": {
        "operationId": "alerts",
        "summary": "States of alerts, silences, rules and receivers",
        "tags": ["alerts"],
        "responses": of_success(&status, "All alerts that are pending or firing, or were resolved a short time ago"),
    }});
    [("/v1/alerts", get), ("/v1/alerts/silences", silences())]
}

fn of_success(schema: &Value, description: &str) -> Map<String, Value> {
    responses(&ERRORS, schema, description)
}

fn silences() -> Value {
    let matcher = json!({
        "type": "object",
        "required": ["name", "value"],
        "additionalProperties": false,
        "properties": {
            "name": { "type": "string", "minLength": 1, "maxLength": 256, "description": "Name of a label" },
            "value": { "type": "string", "maxLength": 256, "description": "Value; `*` stands for any text" },
            "negated": { "type": "boolean", "default": false },
        },
    });
    let body = json!({
        "type": "object",
        "required": ["matchers"],
        "additionalProperties": false,
        "properties": {
            "matchers": { "type": "array", "minItems": 1, "maxItems": 20, "items": matcher },
            "from": { "type": "string", "format": "date-time" },
            "until": { "type": "string", "format": "date-time" },
            "minutes": { "type": "integer", "minimum": 1, "maximum": 5_260_320, "description": "In place of `until`" },
            "comment": { "type": "string", "maxLength": 1_000 },
        },
        "example": { "matchers": [{ "name": "model", "value": "prices" }], "minutes": 60, "comment": "migration" },
    });
    let any = json!({ "type": "object" });
    json!({
        "post": {
            "operationId": "silence_alerts",
            "summary": "Do not tell alerts for a while; they still fire",
            "tags": ["alerts"],
            "requestBody": { "required": true, "content": { "application/json": { "schema": body } } },
            "responses": of_success(&any, "The silence with its id"),
        },
        "delete": {
            "operationId": "end_silence",
            "summary": "End a silence",
            "tags": ["alerts"],
            "parameters": [{ "name": "id", "in": "query", "required": true, "schema": { "type": "string" } }],
            "responses": of_success(&any, "The id of the silence"),
        },
    })
}
