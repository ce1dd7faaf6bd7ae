//! Calls of functions: constrained ones, and those in a model's own format.

use serde_json::{Value, json};

use super::completions::json_model;
use super::{events, language_model, post, refused};
use crate::imports::words;
use crate::support::{Server, TestHome};

#[test]
fn required_functions_get_arguments_of_their_schema() {
    let home = json_model();
    let server = home.serve(&["--model", "talk"]);
    let schema = json!({ "type": "object", "required": ["metal"], "additionalProperties": false,
        "properties": { "metal": { "enum": ["iron", "zinc"] } } });
    let tools = json!([
        { "type": "function", "function": { "name": "melt", "parameters": schema } },
        { "type": "function", "function": { "name": "cool", "description": null, "parameters": null } },
    ]);
    let ask = |choice: &Value, seed: u64, stream: bool| {
        let body = json!({ "model": "talk", "messages": [{ "role": "user", "content": "iron" }], "max_tokens": 220,
            "seed": seed, "tools": tools, "tool_choice": choice, "stream": stream });
        server.post("/v1/chat/completions", body.to_string(), &[("x-timeout-ms", "60000")])
    };
    let valid = jsonschema::validator_for(&schema).unwrap();
    let named = json!({ "type": "function", "function": { "name": "melt" } });
    for (choice, seed) in
        [&named, &json!("required")].into_iter().flat_map(|choice| (0..4).map(move |seed| (choice, seed)))
    {
        let answer = ask(choice, seed, false).json()["choices"][0].take();
        assert_eq!(
            (&answer["finish_reason"], &answer["message"]["content"]),
            (&json!("tool_calls"), &Value::Null),
            "{answer}"
        );
        let call = &answer["message"]["tool_calls"][0];
        assert!(call["type"] == "function" && call["id"].as_str().unwrap().starts_with("call_"), "{answer}");
        let arguments = call["function"]["arguments"].as_str().unwrap().to_owned();
        let value: Value = serde_json::from_str(&arguments).unwrap();
        let name = call["function"]["name"].as_str().unwrap().to_owned();
        assert!(if name == "melt" { valid.is_valid(&value) } else { value == json!({}) }, "{answer}");
        // The streamed call is the same.
        let streamed = events(&ask(choice, seed, true));
        let deltas: Vec<&Value> = streamed.iter().map(|event| &event["choices"][0]["delta"]).collect();
        assert_eq!(deltas[0]["role"], "assistant");
        let calls: Vec<&Value> =
            deltas.iter().filter_map(|delta| delta["tool_calls"].as_array()).flatten().collect();
        assert!(calls.iter().all(|call| call["index"] == 0), "{calls:?}");
        assert!(calls[0]["id"].is_string() && calls[0]["function"]["name"] == name.as_str(), "{calls:?}");
        let pieces: String =
            calls.iter().map(|call| call["function"]["arguments"].as_str().unwrap()).collect();
        assert_eq!(pieces, arguments);
        assert_eq!(streamed.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
    }
    // A model that is not asked to call anything answers in text.
    for choice in [Value::Null, json!("auto"), json!("none")] {
        let answer = ask(&choice, 1, false).json()["choices"][0].take();
        assert!(
            answer["message"]["content"].is_string() && answer["message"]["tool_calls"].is_null(),
            "{answer}"
        );
    }
    let wrong = json!({ "type": "function", "function": { "name": "weld" } });
    refused(&ask(&wrong, 1, false), "invalid_value", "tool_choice");
}

#[test]
fn calls_in_a_models_own_format_are_found_and_answered() {
    let home = TestHome::new();
    let case = language_model(&home);
    let server = home.serve(&["--model", "other"]);
    let tools = json!([{ "type": "function", "function": { "name": "w20", "parameters": {
        "type": "object", "properties": { "metal": { "type": "string" } } } } }]);
    let messages = json!([{ "role": "user", "content": words(&case["texts"][3]) }]);
    let ask = |server: &Server, more: Value| {
        let mut body = json!({ "messages": messages, "tools": tools, "max_tokens": 2 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        post(server, "/v1/chat/completions", &body)
    };
    // The template gets the tools, unless none may be called.
    let answer = ask(&server, json!({})).json();
    assert_eq!(answer["usage"]["prompt_tokens"], 5, "{answer}");
    assert_eq!(ask(&server, json!({ "tool_choice": "none" })).json()["usage"]["prompt_tokens"], 4);
    // Calls and answers of tools reach it as well.
    let call = json!({ "id": "c", "type": "function", "function": { "name": "w20", "arguments": "{\"metal\": \"w3 w4\"}" } });
    let history = json!([messages[0], { "role": "assistant", "content": null, "tool_calls": [call] },
        { "role": "tool", "tool_call_id": "c", "content": [{ "type": "text", "text": "w5" }] }]);
    assert_eq!(ask(&server, json!({ "messages": history })).json()["usage"]["prompt_tokens"], 8);
    // A word level tokenizer can't follow a grammar.
    refused(
        &ask(&server, json!({ "tool_choice": "required" })),
        "invalid_value",
        "tools[0].function.parameters",
    );
    // The same model with a call for its first word, and an end for its second one.
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let two: Vec<usize> = text.split_whitespace().map(|word| word[1..].parse().unwrap()).collect();
    assert!(two.len() == 2 && two[0] != two[1], "{text}");
    let tag = "<tool_call>{\"name\":\"w20\",\"arguments\":{\"metal\":\"iron\"}}</tool_call>";
    let renamed =
        home.read("model/tokenizer.json").replace(&format!("\"w{}\":", two[0]), &format!("{}:", json!(tag)));
    home.write("model/tokenizer.json", renamed);
    home.write("model/generation_config.json", json!({ "eos_token_id": [two[1]] }).to_string());
    home.json(&["models", "import", "--from", "hf", "model", "--name", "other"]);
    let server = home.serve(&["--model", "other"]);
    let answer = ask(&server, json!({})).json()["choices"][0].take();
    assert_eq!(answer["finish_reason"], "tool_calls", "{answer}");
    let function = json!({ "name": "w20", "arguments": "{\"metal\":\"iron\"}" });
    assert_eq!(
        (&answer["message"]["tool_calls"][0]["function"], &answer["message"]["content"]),
        (&function, &Value::Null)
    );
    let streamed = events(&ask(&server, json!({ "stream": true })));
    let calls =
        streamed.iter().find_map(|event| event["choices"][0]["delta"]["tool_calls"].as_array()).unwrap();
    assert_eq!((&calls[0]["function"], &calls[0]["index"]), (&function, &json!(0)));
    // Without tools the same text is content.
    let answer = ask(&server, json!({ "tools": null })).json()["choices"][0].take();
    assert!(answer["message"]["tool_calls"].is_null(), "{answer}");
}
