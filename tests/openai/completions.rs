//! Completions of a small language model: streams, batches, texts that follow a schema.

use serde_json::{Value, json};

use crate::support::TestHome;

#[test]
fn openai_completions_match_streamed_and_batched_ones() {
    let home = TestHome::new();
    let lines: Vec<String> =
        (0..60).map(|row| format!("\"the cat sat on the mat{}\"", " ".repeat(row))).collect();
    home.write("lines.csv", format!("text\n{}\n", lines.join("\n")));
    home.write("run.toml", LANGUAGE);
    home.train(&[]);
    let server = home.serve(&["--model", "talk"]);
    let ask = |body: Value| server.post("/v1/completions", body.to_string(), &[]);
    let whole = |stop: Value| {
        let body =
            json!({ "model": "talk", "prompt": "the cat", "max_tokens": 12, "temperature": 0, "stop": stop });
        ask(body).json()
    };
    let plain = whole(Value::Null);
    let text = plain["choices"][0]["text"].as_str().unwrap().to_owned();
    assert_eq!(
        (&plain["choices"][0]["finish_reason"], &plain["usage"]["completion_tokens"]),
        (&json!("length"), &json!(12))
    );
    // Generation stops before a stop text.
    let stop = &text[2..5];
    let stopped = whole(json!([stop]));
    assert_eq!(stopped["choices"][0]["text"].as_str().unwrap(), &text[..text.find(stop).unwrap()]);
    assert_eq!(stopped["choices"][0]["finish_reason"], "stop");
    // The streamed text is the same.
    let body = json!({ "model": "talk", "messages": [{ "role": "user", "content": "the cat" }], "max_tokens": 8, "seed": 3, "stream": true, "stream_options": { "include_usage": true } });
    let streamed = server.post("/v1/chat/completions", body.to_string(), &[]);
    let events: Vec<&str> = streamed.text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(events.last(), Some(&"[DONE]"), "{}", streamed.text);
    let chunks: Vec<Value> =
        events[..events.len() - 1].iter().map(|e| serde_json::from_str(e).unwrap()).collect();
    let pieces: String = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    let mut body = body;
    body["stream"] = false.into();
    let whole = server.post("/v1/chat/completions", body.to_string(), &[]).json();
    assert_eq!(whole["choices"][0]["message"]["content"], pieces);
    assert_eq!(chunks.last().unwrap()["usage"], whole["usage"]);
    // More requests than an engine runs at once: each gets the same text as alone, with either engine.
    let candle = home.serve(&["--model", "talk", "--engine", "candle"]);
    for server in [&server, &candle] {
        let made = |n: usize| -> String {
            let prompt = &"the cat sat on the mat and on the mat"[..=(n * 7 % 30)];
            let body = json!({ "model": "talk", "prompt": prompt, "max_tokens": 1 + n % 13, "seed": n });
            let response =
                server.post("/v1/completions", body.to_string(), &[("x-timeout-ms", "60000")]).json();
            response["choices"][0]["text"].as_str().unwrap_or_else(|| panic!("{response}")).to_owned()
        };
        let alone: Vec<String> = (0..48).map(made).collect();
        let together: Vec<String> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..48).map(|n| scope.spawn(move || made(n))).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(alone, together);
    }
    for (body, status, param) in [
        (json!({ "model": "talk", "prompt": "a", "max_tokens": 0 }), 400, "max_tokens"),
        (json!({ "model": "talk", "prompt": "a", "temperature": 9 }), 400, "temperature"),
        (json!({ "model": "none", "prompt": "a" }), 404, ""),
    ] {
        let response = ask(body);
        let error = response.json()["error"].clone();
        assert_eq!(
            (response.status, error["param"].as_str().unwrap_or_default()),
            (status, param),
            "{error}"
        );
    }
    let embedding = json!({ "model": "talk", "input": "a" });
    assert_eq!(server.post("/v1/embeddings", embedding.to_string(), &[]).status, 400);
}

/// Home with the package `talk`, which has learned to write JSON objects.
pub fn json_model() -> TestHome {
    let home = TestHome::new();
    let lines: Vec<String> =
        (0..600).map(|row| format!("\"{{\"\"metal\"\": \"\"iron\"\", \"\"melts\"\": {row}}}\"")).collect();
    home.write("lines.csv", format!("text\n{}\n", lines.join("\n")));
    home.write(
        "run.toml",
        LANGUAGE.replace("\"char\", length = 48", "\"bpe\", vocabulary = 300, length = 256"),
    );
    home.train(&[]);
    home
}

#[test]
fn generated_text_follows_the_requested_json_schema() {
    let home = json_model();
    let server = home.serve(&["--model", "talk"]);
    let ask = |format: Value, seed: u64, stream: bool| {
        let body = json!({ "model": "talk", "messages": [{ "role": "user", "content": "iron" }], "max_tokens": 200,
            "seed": seed, "response_format": format, "stream": stream });
        server.post("/v1/chat/completions", body.to_string(), &[("x-timeout-ms", "60000")])
    };
    let schema = json!({ "type": "object", "required": ["metal", "melts"], "additionalProperties": false, "properties": {
        "metal": { "enum": ["iron", "zinc"] }, "melts": { "type": "integer", "minimum": 0, "maximum": 9999 } } });
    let valid = jsonschema::validator_for(&schema).unwrap();
    let format =
        json!({ "type": "json_schema", "json_schema": { "name": "melt", "strict": true, "schema": schema } });
    for seed in 0..8 {
        let choice = ask(format.clone(), seed, false).json()["choices"][0].take();
        let text = choice["message"]["content"].as_str().unwrap();
        assert!(valid.is_valid(&serde_json::from_str(text).unwrap()), "{choice}");
        assert_eq!(choice["finish_reason"], "stop", "{choice}");
        let streamed = ask(format.clone(), seed, true).text;
        let events = streamed
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
        let pieces: String = events
            .filter_map(|event| Some(event["choices"][0]["delta"]["content"].as_str()?.to_owned()))
            .collect();
        assert_eq!(pieces, text);
    }
    let object = ask(json!({ "type": "json_object" }), 3, false).json()["choices"][0].take();
    if object["finish_reason"] == "stop" {
        assert!(
            serde_json::from_str::<serde_json::Map<String, Value>>(
                object["message"]["content"].as_str().unwrap()
            )
            .is_ok()
        );
    }
    for wrong in [
        json!({ "type": "xml" }),
        json!({ "type": "json_schema", "json_schema": { "schema": { "type": "slag" } } }),
    ] {
        assert_eq!(ask(wrong.clone(), 1, false).status, 400, "{wrong}");
    }
}

/// Run of the model `talk`, which scripts/attacks/setup.py reads too.
const LANGUAGE: &str = include_str!("talk.toml");
