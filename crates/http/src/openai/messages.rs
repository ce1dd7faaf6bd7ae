//! Messages of a chat.

use cupola_runtime::PromptMessage;
use serde_json::{Value, json};

use super::fields::Fields;
use crate::error::ApiError;

/// Roles of messages.
const ROLES: [&str; 5] = ["system", "developer", "user", "assistant", "tool"];

/// Messages of a chat.
const MAX_MESSAGES: usize = 4_096;
/// Calls of tools in a message.
const MAX_CALLS: usize = 128;
/// Longest name or id in bytes.
const MAX_NAME: usize = 512;

/// Reads `messages`.
pub(super) fn parse(values: Vec<Value>) -> Result<Vec<PromptMessage>, ApiError> {
    if values.is_empty() {
        return Err(ApiError::invalid_value("`messages` is empty; send at least one message", "messages"));
    }
    if values.len() > MAX_MESSAGES {
        let message = format!("a chat may have {MAX_MESSAGES} messages, found {}", values.len());
        return Err(ApiError::invalid_value(message, "messages"));
    }
    values
        .into_iter()
        .enumerate()
        .map(|(index, value)| message(value, format!("messages[{index}]")))
        .collect()
}

fn message(value: Value, path: String) -> Result<PromptMessage, ApiError> {
    let mut fields = Fields::nested(value, path)?;
    let role: String = fields.require("role")?;
    if role == "function" {
        return Err(fields.invalid("role", &"`function` is not supported; send `tool` with a `tool_call_id`"));
    }
    if !ROLES.contains(&role.as_str()) {
        let why = format!("unknown role; expected {}", ROLES.join(", "));
        return Err(fields.invalid("role", &why));
    }
    fields.refuse("function_call", "send `tool_calls`")?;
    fields.refuse("audio", "send text")?;
    let assistant = role == "assistant";
    let content = match fields.take::<Value>("content")? {
        Some(content) => text(content, &fields.path("content"), assistant)?,
        // Assistants may have said nothing, as with calls of tools.
        None if assistant => fields.take("refusal")?.unwrap_or_default(),
        None => return Err(fields.invalid("content", &"expected a text or a list of parts, found nothing")),
    };
    let calls: Vec<Value> = fields.take("tool_calls")?.unwrap_or_default();
    if calls.len() > MAX_CALLS {
        return Err(fields.invalid("tool_calls", &format!("a message may have {MAX_CALLS} calls")));
    }
    let calls = calls.into_iter().enumerate();
    let tool_calls = calls.map(|(index, call)| tool_call(call, fields.path(&format!("tool_calls[{index}]"))));
    let tool_calls = tool_calls.collect::<Result<_, _>>()?;
    let tool_call_id =
        if role == "tool" { Some(fields.require("tool_call_id")?) } else { fields.take("tool_call_id")? };
    let name: Option<String> = fields.take("name")?;
    for (field, text) in [("name", &name), ("tool_call_id", &tool_call_id)] {
        if text.as_ref().is_some_and(|text: &String| text.len() > MAX_NAME) {
            return Err(fields.invalid(field, &format!("it may have {MAX_NAME} bytes")));
        }
    }
    Ok(PromptMessage { role, content, name, tool_call_id, tool_calls })
}

/// Text of a message's content: a text, or parts that are joined.
fn text(content: Value, path: &str, assistant: bool) -> Result<String, ApiError> {
    let parts = match content {
        Value::String(text) => return Ok(text),
        Value::Array(parts) => parts,
        _ => {
            let message = format!("invalid `{path}`: expected a text or a list of parts");
            return Err(ApiError::invalid_value(message, path));
        }
    };
    let parts = parts.into_iter().enumerate().map(|(index, part)| {
        let mut part = Fields::nested(part, format!("{path}[{index}]"))?;
        match part.require::<String>("type")?.as_str() {
            "text" => part.require::<String>("text"),
            "refusal" if assistant => part.require("refusal"),
            _ => Err(part.invalid("type", &"only parts of type `text` are supported")),
        }
    });
    parts.collect()
}

/// Call of a tool as templates read it: with the arguments as an object.
fn tool_call(call: Value, path: String) -> Result<Value, ApiError> {
    let mut call = Fields::nested(call, path)?;
    let kind: Option<String> = call.take("type")?;
    if kind.is_some_and(|kind| kind != "function") {
        return Err(call.invalid("type", &"only calls of type `function` are supported"));
    }
    let id: String = call.require("id")?;
    let function: Value = call.require("function")?;
    let mut function = Fields::nested(function, call.path("function"))?;
    let name: String = function.require("name")?;
    let arguments: String = function.require("arguments")?;
    // Arguments that a model has broken off are passed on as they are.
    let arguments = match serde_json::from_str(&arguments) {
        Ok(Value::Object(arguments)) => Value::Object(arguments),
        _ => Value::String(arguments),
    };
    Ok(json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(messages: &Value) -> Result<Vec<PromptMessage>, String> {
        let mut fields = Fields::parse(json!({ "messages": messages }).to_string().as_bytes()).unwrap();
        parse(fields.require("messages").unwrap()).map_err(|error| error.field.unwrap())
    }

    #[test]
    fn text_parts_are_joined_for_every_role() {
        let parts = json!([{ "type": "text", "text": "a " }, { "type": "text", "text": "b" }]);
        for role in ROLES {
            let message = json!({ "role": role, "content": parts, "tool_call_id": "c", "name": null });
            let message = parsed(&json!([message])).unwrap().remove(0);
            assert_eq!((message.role.as_str(), message.content.as_str()), (role, "a b"));
        }
    }

    #[test]
    fn an_assistant_may_call_tools_without_content() {
        let call = |arguments| json!({ "id": "c", "type": "function", "function": { "name": "f", "arguments": arguments } });
        let messages = json!([
            { "role": "assistant", "content": null, "tool_calls": [call("{\"a\": 1}"), call("{")], "refusal": null,
              "audio": null, "function_call": null },
            { "role": "tool", "tool_call_id": "c", "content": "2" },
            { "role": "assistant", "refusal": "no" },
        ]);
        let messages = parsed(&messages).unwrap();
        assert_eq!(messages[0].tool_calls[0]["function"]["arguments"], json!({ "a": 1 }));
        assert_eq!(messages[0].tool_calls[1]["function"]["arguments"], "{");
        assert_eq!((messages[0].content.as_str(), messages[1].tool_call_id.as_deref()), ("", Some("c")));
        assert_eq!(messages[2].content, "no");
    }

    #[test]
    fn errors_name_the_field() {
        let image = json!({ "type": "image_url", "image_url": { "url": "data:," } });
        for (message, field) in [
            (json!(3), "messages[0]"),
            (json!({ "content": "a" }), "messages[0].role"),
            (json!({ "role": "nobody", "content": "a" }), "messages[0].role"),
            (json!({ "role": "function", "name": "f", "content": "a" }), "messages[0].role"),
            (json!({ "role": "user", "content": null }), "messages[0].content"),
            (json!({ "role": "user", "content": 3 }), "messages[0].content"),
            (json!({ "role": "user", "content": [image] }), "messages[0].content[0].type"),
            (
                json!({ "role": "user", "content": [{ "type": "input_audio" }] }),
                "messages[0].content[0].type",
            ),
            (json!({ "role": "user", "content": [{ "type": "text" }] }), "messages[0].content[0].text"),
            (json!({ "role": "assistant", "audio": { "id": "a" } }), "messages[0].audio"),
            (json!({ "role": "assistant", "function_call": { "name": "f" } }), "messages[0].function_call"),
            (
                json!({ "role": "assistant", "tool_calls": [{ "id": "c" }] }),
                "messages[0].tool_calls[0].function",
            ),
            (json!({ "role": "tool", "content": "a" }), "messages[0].tool_call_id"),
        ] {
            assert_eq!(parsed(&json!([message])).unwrap_err(), field, "{message}");
        }
        assert_eq!(parsed(&json!([])).unwrap_err(), "messages");
    }
}
