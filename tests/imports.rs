//! Models imported from files of Hugging Face, GGUF, XGBoost and LightGBM predict as their original implementation does.

use serde_json::{Value, json};

use crate::support::{Server, TestHome};

/// Golden case of a model (config, token ids, logits) and its weights.
macro_rules! golden {
    ($name:literal) => {
        (
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/crates/import/src/golden/", $name, ".json")),
            include_bytes!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/crates/import/src/golden/",
                $name,
                ".safetensors"
            ))
            .as_slice(),
        )
    };
}

mod generation;
mod sentences;
mod trees;

/// Writes the folder of a small random Hugging Face model whose tokens are the words `w0` to `w36`. `more` is
/// merged into its `config.json`.
pub fn folder(home: &TestHome, config: &str, weights: &[u8], more: &Value) -> Value {
    let mut case: Value = serde_json::from_str(config).unwrap();
    for (key, value) in more.as_object().unwrap() {
        case["config"][key] = value.clone();
    }
    std::fs::create_dir(home.path("model")).unwrap();
    home.write("model/config.json", case["config"].to_string());
    // Sharded weights, as large models have.
    home.write("model/model-00001-of-00001.safetensors", weights);
    let index = json!({ "weight_map": { "a": "model-00001-of-00001.safetensors" } });
    home.write("model/model.safetensors.index.json", index.to_string());
    let words: serde_json::Map<String, Value> = (0..37).map(|i| (format!("w{i}"), i.into())).collect();
    let tokenizer = json!({
        "version": "1.0",
        "model": { "type": "WordLevel", "vocab": words, "unk_token": "w0" },
        "pre_tokenizer": { "type": "WhitespaceSplit" },
    });
    home.write("model/tokenizer.json", tokenizer.to_string());
    case
}

pub fn words(text: &Value) -> String {
    let each = text.as_array().unwrap().iter().map(|token| format!("w{token}"));
    each.collect::<Vec<_>>().join(" ")
}

pub fn logits(row: &Value) -> Vec<f64> {
    row.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

pub fn best(logits: &[f64]) -> usize {
    (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap()
}

#[test]
fn an_imported_decoder_generates_and_chats_as_its_files_define() {
    let home = TestHome::new();
    let (config, weights) = golden!("qwen2");
    let case = folder(&home, config, weights, &json!({}));
    let (text, next) = (words(&case["texts"][4]), best(&logits(&case["logits"][4])));
    let template = "{% for m in messages %}{{ m.content }} {% endfor %}";
    home.write("model/tokenizer_config.json", json!({ "chat_template": template }).to_string());
    // The token that follows the longest text is an end token.
    let last = best(&logits(&case["logits"][5]));
    home.write("model/generation_config.json", json!({ "eos_token_id": [last, 36] }).to_string());
    let done = home.json(&["models", "import", "--from", "hf", "model", "--name", "other"]);
    assert_eq!(done["package"], "other:1");
    for engine in ["burn", "candle", "auto"] {
        let output = home.json(&[
            "generate",
            "--model",
            "other",
            "--prompt",
            &text,
            "--tokens",
            "1",
            "--temperature",
            "0",
            "--engine",
            engine,
            "--device",
            "flex",
            "--raw",
        ]);
        assert_eq!(output["text"], format!("{text} w{next}"), "{engine}");
    }
    let server = home.serve(&["--model", "other"]);
    let chat = |content: &str| {
        let message = json!({ "role": "user", "content": content });
        let body = json!({ "model": "other", "messages": [message], "max_tokens": 1, "temperature": 0 });
        server.post("/v1/chat/completions", body.to_string(), &[]).json()["choices"][0].take()
    };
    let choice = chat(&text);
    assert_eq!(
        (&choice["message"]["content"], &choice["finish_reason"]),
        (&json!(format!(" w{next}")), &json!("length"))
    );
    let choice = chat(&words(&case["texts"][5]));
    assert_eq!((&choice["message"]["content"], &choice["finish_reason"]), (&json!(""), &json!("stop")));
}

#[test]
fn a_common_prefix_is_cached_for_the_same_caller_only() {
    let home = TestHome::new();
    let (config, weights) = golden!("llama");
    folder(&home, config, weights, &json!({ "max_position_embeddings": 1_024 }));
    home.json(&["models", "import", "--from", "hf", "model", "--name", "other"]);
    let keys = ["one", "two"].map(|name| {
        let added = home.json(&["keys", "add", "--name", name, "--scope", "predict"]);
        format!("Bearer {}", added["key"].as_str().unwrap())
    });
    let long: Vec<String> = (0..700).map(|i| format!("w{}", i * i * 7 % 34 + 3)).collect();
    // Generated text, log-probabilities of its tokens, number of cached prompt tokens.
    let ask = |server: &Server, key: usize, prompt: &str| {
        let body =
            json!({ "model": "other", "prompt": prompt, "max_tokens": 4, "temperature": 0, "logprobs": 1 });
        let response =
            server.post("/v1/completions", body.to_string(), &[("authorization", &keys[key])]).json();
        let known = response["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
        let choice = &response["choices"][0];
        (choice["text"].as_str().unwrap().to_owned(), choice["logprobs"]["token_logprobs"].to_string(), known)
    };
    for engine in ["candle", "int8", "burn"] {
        let server = home.serve(&["--model", "other", "--engine", engine]);
        let (first, _, known) = ask(&server, 0, &long[..300].join(" "));
        assert_eq!(known, 0);
        // Two complete blocks of 128 tokens are cached.
        let next = format!("{}{first} {}", long[..300].join(" "), long[400..500].join(" "));
        let second = ask(&server, 0, &next);
        assert_eq!(second.2, 256);
        // Another continuation of the same prefix, and the previous prompt again.
        let other = format!("{} {}", long[..200].join(" "), long[600..].join(" "));
        let third = ask(&server, 0, &other);
        assert_eq!(third.2, 128);
        assert_eq!(ask(&server, 0, &next), (second.0.clone(), second.1.clone(), 384));
        // Other callers do not share the prefix, and responses are bit-identical without the cache.
        assert_eq!(ask(&server, 1, &next), (second.0, second.1, 0));
        let alone = home.serve(&["--model", "other", "--engine", engine]);
        assert_eq!(ask(&alone, 0, &other), (third.0, third.1, 0));
    }
}

#[test]
fn completions_report_log_probabilities_and_apply_biases_and_penalties() {
    let home = TestHome::new();
    let (config, weights) = golden!("qwen2");
    let case = folder(&home, config, weights, &json!({}));
    home.json(&["models", "import", "--from", "hf", "model", "--name", "other"]);
    let server = home.serve(&["--model", "other"]);
    let prompts = [words(&case["texts"][4]), words(&case["texts"][3])];
    let ask = |path: &str, more: Value| {
        let mut body = json!({ "model": "other", "max_tokens": 1, "temperature": 0 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.post(path, body.to_string(), &[])
    };
    let response = ask("/v1/completions", json!({ "prompt": prompts, "logprobs": 2, "n": 2 })).json();
    let choices = response["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 4);
    for (index, choice) in choices.iter().enumerate() {
        let logits = logits(&case["logits"][4 - index / 2]);
        let all = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
        let next = best(&logits);
        assert_eq!((&choice["index"], &choice["text"]), (&json!(index), &json!(format!(" w{next}"))));
        let logprobs = &choice["logprobs"];
        assert_eq!(logprobs["tokens"], json!([format!("w{next}")]));
        let found = logprobs["token_logprobs"][0].as_f64().unwrap();
        assert!((found - (logits[next] - all)).abs() < 1e-4, "{found} {}", logits[next] - all);
        assert_eq!(logprobs["top_logprobs"][0].as_object().unwrap().len(), 2);
    }
    let plain =
        |more: Value| ask("/v1/completions", more).json()["choices"][0]["text"].as_str().unwrap().to_owned();
    assert_eq!(plain(json!({ "prompt": prompts[0], "logit_bias": { "11": 100 } })), " w11");
    // A penalised token does not repeat; a token with a large bias does, again and again.
    let many = |penalty: f64| {
        let text = plain(json!({ "prompt": prompts[0], "max_tokens": 8, "presence_penalty": penalty,
            "frequency_penalty": penalty, "logit_bias": { "11": 8, "12": 8, "13": 8 } }));
        let mut tokens: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        tokens.sort_unstable();
        tokens.dedup();
        tokens.len()
    };
    assert!(many(2.0) > many(-2.0), "{} {}", many(2.0), many(-2.0));
    // A streamed chat has log-probabilities for each piece.
    let message = json!({ "role": "user", "content": prompts[0] });
    let chat = json!({ "messages": [message], "logprobs": true, "top_logprobs": 1, "max_tokens": 3, "n": 2,
        "stream": true, "stream_options": { "include_usage": true } });
    let events = ask("/v1/chat/completions", chat).text;
    let events: Vec<Value> =
        events.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect();
    for index in 0..2 {
        let own = events.iter().map(|event| &event["choices"][0]).filter(|choice| choice["index"] == index);
        let logprobs: Vec<&Value> =
            own.flat_map(|choice| choice["logprobs"]["content"].as_array().unwrap()).collect();
        assert_eq!(logprobs.len(), 3, "{events:?}");
        assert!(
            logprobs.iter().all(|token| token["top_logprobs"][0]["logprob"] == token["logprob"]),
            "{logprobs:?}"
        );
    }
    assert_eq!(events.last().unwrap()["usage"]["completion_tokens"], 6);
    // Unsupported parameters are refused.
    for more in [json!({ "n": 33 }), json!({ "top_p": 2 }), json!({ "logit_bias": { "x": 1 } })] {
        assert_eq!(ask("/v1/completions", more.clone()).status, 400, "{more}");
    }
    let tools =
        json!({ "messages": [{ "role": "user", "content": "w1" }], "tools": [{ "type": "function" }] });
    let refused = ask("/v1/chat/completions", tools);
    assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("tools[0].function")));
}

#[test]
fn an_imported_classifier_predicts_its_class_names() {
    let home = TestHome::new();
    let (config, weights) = golden!("bert_classes");
    let labels = json!({ "0": "iron", "1": "coke", "2": "slag" });
    let more = json!({ "architectures": ["BertForSequenceClassification"], "id2label": labels });
    let case = folder(&home, config, weights, &more);
    home.json(&["models", "import", "--from", "hf", "model", "--name", "metal"]);
    let server = home.serve(&["--model", "metal"]);
    for (text, expected) in case["texts"].as_array().unwrap().iter().zip(case["logits"].as_array().unwrap()) {
        let expected = logits(expected);
        let response = server.post(
            "/v1/models/metal/predict",
            json!({ "rows": [{ "text": words(text) }] }).to_string(),
            &[],
        );
        let label = response.json()["predictions"][0]["label"].take();
        assert_eq!(label["value"], ["iron", "coke", "slag"][best(&expected)]);
        let sum: f64 = expected.iter().map(|x| x.exp()).sum();
        for (name, logit) in ["iron", "coke", "slag"].iter().zip(&expected) {
            let p = label["probabilities"][name].as_f64().unwrap();
            assert!((p - logit.exp() / sum).abs() < 1e-4, "{label}, {expected:?}");
        }
    }
}

#[test]
fn an_unsupported_model_is_reported_and_leaves_no_files() {
    let home = TestHome::new();
    let (config, weights) = golden!("llama");
    folder(&home, config, weights, &json!({ "rope_scaling": { "rope_type": "spiral", "factor": 8.0 } }));
    home.write("damaged.gguf", b"GGUF\x03\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff");
    for (from, path, words) in [
        ("hf", "model", "config.json: `rope_scaling` = type `spiral`"),
        ("hf", "nowhere", "has no config.json"),
        ("gguf", "damaged.gguf", "invalid GGUF file"),
        ("gguf", "nowhere.gguf", "expected a GGUF file"),
    ] {
        let output = home.run(&["models", "import", "--from", from, path, "--name", "other"]);
        assert!(
            output.code == Some(2) && output.stderr.contains(words),
            "{path}: {:?} {}",
            output.code,
            output.stderr
        );
    }
    assert!(!home.root().join("models/other").exists());
    // Nor does one whose chats could not be served.
    let home = TestHome::new();
    folder(&home, config, weights, &json!({}));
    home.write("model/chat_template.jinja", "{% for message in %}");
    let output = home.run(&["models", "import", "--from", "hf", "model", "--name", "other"]);
    assert!(
        output.code == Some(2) && output.stderr.contains("chat template is not supported"),
        "{}",
        output.stderr
    );
    assert!(!home.root().join("models/other").exists());
}
