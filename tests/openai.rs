//! `OpenAI`'s protocol on small models: nulls, limits of the context, token ids, scored prompts, tools.

mod completions;
mod tools;

use serde_json::{Value, json};

use crate::imports::{best, folder, logits, words};
use crate::support::{HttpResponse, Server, TestHome};

const QWEN2: (&str, &[u8]) = (
    include_str!("../crates/import/src/golden/qwen2.json"),
    include_bytes!("../crates/import/src/golden/qwen2.safetensors"),
);
const BERT: (&str, &[u8]) = (
    include_str!("../crates/import/src/golden/bert_classes.json"),
    include_bytes!("../crates/import/src/golden/bert_classes.safetensors"),
);
/// Template that has the names of tools, the calls and the contents.
const TEMPLATE: &str = "{% for tool in tools or [] %}{{ tool.function.name }} {% endfor %}\
    {% for m in messages %}{% for call in m.tool_calls or [] %}{{ call.function.arguments.metal }} {% endfor %}\
    {{ m.content }} {% endfor %}";

/// Home with a language model of transformers, `other`, whose context has 48 tokens, and its golden case.
fn language_model(home: &TestHome) -> Value {
    let case = folder(home, QWEN2.0, QWEN2.1, &json!({}));
    home.write("model/tokenizer_config.json", json!({ "chat_template": TEMPLATE }).to_string());
    home.json(&["models", "import", "--from", "hf", "model", "--name", "other"]);
    case
}

/// Posts a body for the model `other`.
fn post(server: &Server, path: &str, more: &Value) -> HttpResponse {
    let mut body = json!({ "model": "other", "max_tokens": 1, "temperature": 0 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.post(path, body.to_string(), &[("x-timeout-ms", "60000")])
}

fn index(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

#[track_caller]
fn refused(response: &HttpResponse, code: &str, param: &str) -> String {
    let error = response.json()["error"].take();
    let found = (response.status, error["code"].as_str(), error["param"].as_str(), error["type"].as_str());
    assert_eq!(found, (400, Some(code), Some(param), Some("invalid_request_error")), "{error}");
    error["message"].as_str().unwrap().to_owned()
}

fn events(response: &HttpResponse) -> Vec<Value> {
    let lines = response.text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn null_equals_absence() {
    let home = TestHome::new();
    language_model(&home);
    let server = home.serve(&["--model", "other"]);
    let message = json!({ "role": "user", "content": "w1 w2" });
    let whole = post(&server, "/v1/chat/completions", &json!({ "messages": [message] })).json();
    for name in [
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "metadata",
        "modalities",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "response_format",
        "seed",
        "stop",
        "store",
        "stream",
        "stream_options",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "max_completion_tokens",
    ] {
        let response = post(&server, "/v1/chat/completions", &json!({ "messages": [message], name: null }));
        assert_eq!(response.status, 200, "{name}: {}", response.text);
        assert_eq!(response.json()["choices"], whole["choices"], "{name}");
    }
    let messages = json!([
        { "role": "system", "content": [{ "type": "text", "text": "w1 " }, { "type": "text", "text": "w2" }], "name": null },
        { "role": "assistant", "content": null, "tool_calls": null, "refusal": null, "audio": null },
        { "role": "user", "content": "w3" },
    ]);
    let response = post(&server, "/v1/chat/completions", &json!({ "messages": messages }));
    assert_eq!(
        (response.status, &response.json()["usage"]["prompt_tokens"]),
        (200, &json!(3)),
        "{}",
        response.text
    );
    let response = post(
        &server,
        "/v1/completions",
        &json!({ "prompt": "w1", "echo": null, "suffix": null, "best_of": null }),
    );
    assert_eq!(response.status, 200, "{}", response.text);
}

#[test]
fn prompts_that_exceed_the_context_are_refused_unless_truncation_is_requested() {
    let home = TestHome::new();
    let case = language_model(&home);
    let server = home.serve(&["--model", "other"]);
    let model = server.get("/v1/models").json()["data"][0].take();
    assert_eq!((&model["max_model_len"], &model["context_length"]), (&json!(48), &json!(48)), "{model}");
    assert_eq!(server.get("/v1/models/other").json()["max_model_len"], 48);
    let long = |count: usize| vec!["w7"; count].join(" ");
    let chat = |count: usize, more: Value| {
        let mut body = json!({ "messages": [{ "role": "user", "content": long(count) }] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        post(&server, "/v1/chat/completions", &body)
    };
    // There is room for one token after 47.
    assert_eq!(chat(47, json!({})).status, 200);
    let message = refused(&chat(48, json!({})), "context_length_exceeded", "messages");
    assert!(
        message.contains("maximum context length is 48 tokens") && message.contains("resulted in 48 tokens"),
        "{message}"
    );
    let response = post(&server, "/v1/completions", &json!({ "prompt": ["w1", long(60)] }));
    let message = refused(&response, "context_length_exceeded", "prompt");
    assert!(message.contains("60 in your prompt"), "{message}");
    // More tokens than fit: the text ends with the context.
    let response = chat(40, json!({ "max_tokens": 100 })).json();
    assert_eq!(response["usage"]["completion_tokens"], 8, "{response}");
    assert_eq!(response["choices"][0]["finish_reason"], "length");
    let response = chat(60, json!({ "truncate": "auto", "max_tokens": 8 })).json();
    assert_eq!(
        (&response["usage"]["prompt_tokens"], &response["usage"]["completion_tokens"]),
        (&json!(40), &json!(8))
    );
    refused(&chat(60, json!({ "truncate": 48 })), "context_length_exceeded", "messages");
    // The end of the prompt is kept.
    let prompt = format!("{} {}", long(60), words(&case["texts"][4]));
    let response = post(&server, "/v1/completions", &json!({ "prompt": prompt, "truncate": 9 })).json();
    let expected = format!(" w{}", best(&logits(&case["logits"][4])));
    assert_eq!(
        (&response["choices"][0]["text"], &response["usage"]["prompt_tokens"]),
        (&json!(expected), &json!(9))
    );
    refused(&chat(3, json!({ "truncate": 0 })), "invalid_value", "truncate");
}

#[test]
fn token_ids_stand_for_texts() {
    let home = TestHome::new();
    let case = language_model(&home);
    let server = home.serve(&["--model", "other"]);
    let (one, two) = (&case["texts"][4], &case["texts"][3]);
    let ask = |prompt: Value, n: usize| {
        let response = post(
            &server,
            "/v1/completions",
            &json!({ "prompt": prompt, "n": n, "max_tokens": 5, "seed": 1 }),
        );
        assert_eq!(response.status, 200, "{}", response.text);
        response.json()
    };
    let (texts, ids) = (ask(json!([words(one), words(two)]), 1), ask(json!([one, two]), 1));
    assert_eq!(texts["choices"], ids["choices"]);
    assert_eq!((&texts["usage"], &ids["usage"]["prompt_tokens"]), (&ids["usage"], &json!(13)));
    assert_eq!(ask(one.clone(), 1)["choices"][0], ids["choices"][0]);
    // A prompt counts once, however many choices it has.
    let usage = ask(one.clone(), 2)["usage"].take();
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(9), &json!(10)));
    for (prompt, param) in [
        (json!([1, 37]), "prompt"),
        (json!([1, 4_000_000_000_u64]), "prompt"),
        (json!([1, 2.5]), "prompt[1]"),
        (json!([-1]), "prompt[0]"),
        (json!([]), "prompt"),
        (json!([[1], []]), "prompt[1]"),
        (json!([[1], "w1"]), "prompt[1]"),
    ] {
        refused(&post(&server, "/v1/completions", &json!({ "prompt": prompt })), "invalid_value", param);
    }
    let biased = json!({ "prompt": "w1", "logit_bias": { "37": 1 } });
    refused(&post(&server, "/v1/completions", &biased), "invalid_value", "logit_bias");
}

#[test]
fn embeddings_take_token_ids_and_refuse_what_the_model_does_not_see() {
    let home = TestHome::new();
    let case = folder(&home, BERT.0, BERT.1, &json!({ "architectures": ["BertModel"] }));
    home.json(&["models", "import", "--from", "hf", "model", "--name", "other"]);
    let server = home.serve(&["--model", "other"]);
    let context = server.get("/v1/models").json()["data"][0]["max_model_len"].as_u64().unwrap();
    assert_eq!(context, 48);
    let embed = |input: Value, truncate: Value| {
        let body = json!({ "model": "other", "input": input, "truncate": truncate, "user": null });
        server.post("/v1/embeddings", body.to_string(), &[])
    };
    let vector = |response: &HttpResponse, index: usize| {
        assert_eq!(response.status, 200, "{}", response.text);
        logits(&response.json()["data"][index]["embedding"])
    };
    let near =
        |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    let (one, two) = (&case["texts"][4], &case["texts"][2]);
    let texts = embed(json!([words(one), words(two)]), Value::Null);
    let ids = embed(json!([one, two]), Value::Null);
    assert!(near(&vector(&texts, 0), &vector(&ids, 0)) && near(&vector(&texts, 1), &vector(&ids, 1)));
    assert!(near(&vector(&embed(one.clone(), Value::Null), 0), &vector(&ids, 0)));
    assert_eq!(
        (&texts.json()["usage"]["prompt_tokens"], &ids.json()["usage"]["total_tokens"]),
        (&json!(12), &json!(12))
    );
    // A longer text is refused, and cut at its end on request.
    let long = [words(one), vec!["w5"; 60].join(" ")].join(" ");
    let message = refused(&embed(json!(["w1", long]), Value::Null), "context_length_exceeded", "input");
    assert!(message.contains("48 tokens") && message.contains("69"), "{message}");
    refused(&embed(json!(vec![5; 49]), Value::Null), "context_length_exceeded", "input");
    assert_eq!(embed(json!(long), json!("auto")).json()["usage"]["prompt_tokens"], 48);
    let cut = embed(json!(long), json!(9));
    assert!(near(&vector(&cut, 0), &vector(&ids, 0)));
    assert_eq!(cut.json()["usage"]["prompt_tokens"], 9);
    for (input, param) in [
        (json!(""), "input"),
        (json!([]), "input"),
        (json!(["w1", ""]), "input[1]"),
        (json!([[]]), "input[0]"),
        (json!([37]), "input"),
        (json!([1, 0.5]), "input[1]"),
        (Value::Null, "input"),
    ] {
        refused(&embed(input, Value::Null), "invalid_value", param);
    }
    refused(&embed(json!("w1"), json!(49)), "invalid_value", "truncate");
}

#[test]
fn echoed_prompts_have_the_log_probabilities_of_transformers() {
    let home = TestHome::new();
    let case = language_model(&home);
    let texts = case["texts"].as_array().unwrap();
    let tokens: Vec<usize> = texts[5].as_array().unwrap().iter().map(index).collect();
    let prompt = words(&texts[5]);
    let logprob = |text: usize, token: usize| {
        let logits = logits(&case["logits"][text]);
        logits[token] - logits.iter().map(|logit| logit.exp()).sum::<f64>().ln()
    };
    for engine in ["burn", "candle"] {
        let server = home.serve(&["--model", "other", "--engine", engine]);
        let echo = |more: Value| {
            let mut body = json!({ "prompt": prompt, "echo": true, "logprobs": 2 });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            post(&server, "/v1/completions", &body)
        };
        let response = echo(json!({})).json();
        let (choice, found) = (&response["choices"][0], &response["choices"][0]["logprobs"]);
        let next = best(&logits(&case["logits"][5]));
        assert_eq!(choice["text"], format!("{prompt} w{next}"));
        assert_eq!(found["tokens"].as_array().unwrap().len(), 41);
        assert_eq!((&found["token_logprobs"][0], &found["top_logprobs"][0]), (&Value::Null, &Value::Null));
        // The golden file has the logits after the first 1, 2, 3, 4, 9 and 40 tokens.
        for (text, at) in [1, 2, 3, 4, 9, 40].into_iter().enumerate() {
            let token = tokens.get(at).copied().unwrap_or(next);
            let (found_here, expected) =
                (found["token_logprobs"][at].as_f64().unwrap(), logprob(text, token));
            assert!(
                (found_here - expected).abs() < 1e-4,
                "{engine}, token {at}: {found_here}, transformers {expected}"
            );
            let likeliest = best(&logits(&case["logits"][text]));
            let top = found["top_logprobs"][at][format!("w{likeliest}")].as_f64().unwrap();
            assert!((top - logprob(text, likeliest)).abs() < 1e-4, "{engine}, token {at}: {top}");
        }
        // Offsets are those of the words.
        let text = choice["text"].as_str().unwrap();
        for (word, offset) in text.split(' ').zip(found["text_offset"].as_array().unwrap()) {
            let rest = &text[index(offset)..];
            assert!(rest.trim_start().starts_with(word), "{word}: {rest}");
        }
        // A prompt may be scored alone, and streamed; the scores do not depend on earlier requests.
        let alone = echo(json!({ "max_tokens": 0 })).json();
        assert_eq!(
            (&alone["choices"][0]["text"], &alone["usage"]["completion_tokens"]),
            (&json!(prompt), &json!(0))
        );
        assert_eq!(alone["choices"][0]["finish_reason"], "length");
        let scores = alone["choices"][0]["logprobs"]["token_logprobs"].as_array().unwrap();
        assert_eq!(scores.len(), 40);
        assert_eq!(scores.as_slice(), &found["token_logprobs"].as_array().unwrap()[..40]);
        let chunks = events(&echo(json!({ "stream": true, "max_tokens": 3 })));
        let streamed: String =
            chunks.iter().filter_map(|chunk| chunk["choices"][0]["text"].as_str()).collect();
        assert!(streamed.starts_with(&format!("{prompt} w{next}")), "{streamed}");
        let plain = post(&server, "/v1/completions", &json!({ "prompt": texts[5], "echo": true })).json();
        assert_eq!(
            (&plain["choices"][0]["text"], &plain["choices"][0]["logprobs"]),
            (&choice["text"], &Value::Null)
        );
    }
}

#[test]
fn hostile_bodies_are_refused_and_the_server_goes_on() {
    let home = TestHome::new();
    language_model(&home);
    let server = home.serve(&["--model", "other"]);
    let bodies = [
        format!("{{\"model\": \"other\", \"prompt\": [{}0]}}", "0,".repeat(3_000_000)),
        format!("{{\"model\": \"other\", \"prompt\": {}", "[".repeat(1_000_000)),
        "{\"model\": \"other\", \"prompt\": \"w1\", \"temperature\": NaN}".to_owned(),
        "{\"model\": \"other\", \"prompt\": \"w1\", \"temperature\": 1e999}".to_owned(),
        "{\"model\": \"other\", \"prompt\": \"w1\"".to_owned(),
        "[1, 2]".to_owned(),
        "{\"prompt\": \"w1\"}".to_owned(),
        "{\"model\": 5, \"prompt\": \"w1\"}".to_owned(),
    ];
    for body in bodies {
        for path in ["/v1/completions", "/v1/chat/completions", "/v1/embeddings"] {
            let response = server.post(path, &body, &[]);
            let error = response.json()["error"].take();
            let shown: String = body.chars().take(60).collect();
            assert_eq!(
                (response.status, &error["type"]),
                (400, &json!("invalid_request_error")),
                "{shown}: {error}"
            );
        }
    }
    assert_eq!(post(&server, "/v1/completions", &json!({ "prompt": "w1" })).status, 200);
}
