//! Hostile models, schemas and prompts.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::imports::folder;
use crate::support::{HttpResponse, Server, TestHome};

const QWEN2: (&str, &[u8]) = (
    include_str!("../../crates/import/src/golden/qwen2.json"),
    include_bytes!("../../crates/import/src/golden/qwen2.safetensors"),
);

/// Folder of a language model with bytes for tokens, so that grammars can be followed.
fn model_folder(home: &TestHome, template: &str) {
    folder(home, QWEN2.0, QWEN2.1, &json!({}));
    let characters = "{}[]\":,0123456789abcdefghijklmnop-\u{120}";
    let vocabulary: serde_json::Map<String, Value> =
        characters.chars().enumerate().map(|(id, character)| (character.to_string(), id.into())).collect();
    let bytes =
        json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
    let model = json!({ "type": "BPE", "vocab": vocabulary, "merges": [], "ignore_merges": true });
    let tokenizer = json!({ "version": "1.0", "added_tokens": [], "decoder": bytes, "pre_tokenizer": bytes, "model": model });
    home.write("model/tokenizer.json", tokenizer.to_string());
    home.write("model/tokenizer_config.json", json!({ "chat_template": template }).to_string());
}

/// Server of that model.
fn serve(home: &TestHome) -> Server {
    model_folder(home, "{% for m in messages %}{{ m.content }}{% endfor %}");
    home.json(&["models", "import", "--from", "hf", "model", "--name", "other"]);
    home.serve(&["--model", "other"])
}

fn chat(server: &Server, more: &Value) -> HttpResponse {
    let mut body = json!({ "model": "other", "max_tokens": 8, "temperature": 0,
        "messages": [{ "role": "user", "content": "abc" }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.post("/v1/chat/completions", body.to_string(), &[("x-timeout-ms", "20000")])
}

fn format(schema: &Value) -> Value {
    json!({ "response_format": { "type": "json_schema", "json_schema": { "name": "s", "schema": schema } } })
}

#[test]
fn a_schema_that_can_not_be_followed_is_400_and_never_500() {
    let home = TestHome::new();
    let server = serve(&home);
    let many: Vec<String> = (0..100_000).map(|index| format!("value{index}")).collect();
    let options = |part: u32| -> Vec<Value> {
        (0..12).map(|at| json!({ "type": "object", "required": [format!("p{part}_{at}")] })).collect()
    };
    let product: Vec<Value> = (0..6).map(|part| json!({ "anyOf": options(part) })).collect();
    for hostile in [
        json!({ "enum": many }),
        json!({ "allOf": product }),
        json!({ "type": "integer", "multipleOf": 1_000_003 }),
        json!({ "not": { "type": "string" } }),
        json!({ "$ref": "#" }),
        json!({ "type": "string", "pattern": "(" }),
        // Its beginning has tokens, and its end has none: `z` is not in the vocabulary.
        json!({ "enum": ["abcz"] }),
    ] {
        let shown: String = hostile.to_string().chars().take(80).collect();
        let began = Instant::now();
        let mut body = format(&hostile);
        body["n"] = 32.into();
        let response = chat(&server, &body);
        assert_eq!(response.status, 400, "{shown}: {}", response.text);
        assert_eq!(response.json()["error"]["type"], "invalid_request_error", "{shown}");
        assert!(began.elapsed() < Duration::from_secs(15), "{shown}: {:?}", began.elapsed());
    }
    let fine = json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "integer" } } });
    assert_eq!(chat(&server, &format(&fine)).status, 200);
}

#[test]
fn health_responds_while_schemas_and_prompts_are_prepared() {
    let home = TestHome::new();
    let server = serve(&home);
    let properties: serde_json::Map<String, Value> =
        (0..3_000).map(|index| (format!("p{index}"), json!({ "type": ["integer", "string"] }))).collect();
    let mut heavy = format(&json!({ "type": "object", "properties": properties }));
    heavy["n"] = 32.into();
    let long = json!({ "messages": [{ "role": "user", "content": "ab ".repeat(2_000_000) }] });
    std::thread::scope(|scope| {
        let requests: Vec<_> = (0..8)
            .map(|index| {
                let (server, body) = (&server, if index % 2 == 0 { &heavy } else { &long });
                scope.spawn(move || chat(server, body).status)
            })
            .collect();
        for _ in 0..20 {
            let began = Instant::now();
            assert_eq!(server.get("/health/live").status, 200);
            assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
            std::thread::sleep(Duration::from_millis(25));
        }
        for request in requests {
            let status = request.join().unwrap();
            assert!([200, 400, 413, 429, 504].contains(&status), "{status}");
        }
    });
}

#[test]
fn the_parts_of_a_chat_have_limits() {
    let home = TestHome::new();
    let server = serve(&home);
    let message = json!({ "role": "user", "content": "a" });
    let biases: serde_json::Map<String, Value> = (0..50_000).map(|id| (id.to_string(), json!(1))).collect();
    let long = "a".repeat(100_000);
    for (more, param) in [
        (json!({ "messages": vec![&message; 5_000] }), "messages"),
        (json!({ "messages": [{ "role": &long, "content": "a" }] }), "messages[0].role"),
        (json!({ "messages": [{ "role": "user", "name": &long, "content": "a" }] }), "messages[0].name"),
        (json!({ "messages": [{ "role": "user", "content": "ab".repeat(1_000_000) }] }), "messages"),
        (json!({ "stop": [&long] }), "stop"),
        (json!({ "stop": vec!["a"; 1_000] }), "stop"),
        (json!({ "logit_bias": biases }), "logit_bias"),
        (json!({ "model": &long }), "model"),
        (json!({ "temperature": &long }), "temperature"),
    ] {
        let response = chat(&server, &more);
        assert_eq!(response.status, 400, "{param}: {}", response.text.get(..300).unwrap_or(&response.text));
        assert_eq!(response.json()["error"]["param"], param);
        assert!(response.text.len() < 2_000, "{param}: {} bytes", response.text.len());
    }
    assert_eq!(chat(&server, &json!({ "stop": ["a", "b"], "logit_bias": { "1": 2 } })).status, 200);
}

#[test]
fn hostile_templates_are_refused_at_import() {
    let home = TestHome::new();
    model_folder(&home, "");
    for template in [
        "{{ '{:>9000000000}'.format('a') }}".to_owned(),
        "{{ 'a' * 90000000000 }}".to_owned(),
        "{{ ([1] * 99999999) | tojson }}".to_owned(),
        "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}".to_owned(),
        "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}".to_owned(),
        format!("{{{{ 1{} }}}}", "+1".repeat(100_000)),
        format!("{{{{ {}1 }}}}", "-".repeat(100_000)),
        format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(50_000)),
    ] {
        let shown: String = template.chars().take(60).collect();
        home.write("model/tokenizer_config.json", json!({ "chat_template": template }).to_string());
        let output = home.run(&["models", "import", "--from", "hf", "model", "--name", "other"]);
        assert_eq!(output.code, Some(2), "{shown}: {}", output.stderr);
        assert!(output.stderr.contains("chat_template"), "{shown}: {}", output.stderr);
    }
}

#[test]
fn a_template_that_costs_much_with_some_messages_only_is_an_error_of_the_request() {
    let home = TestHome::new();
    let hostile =
        "{% for m in messages %}{{ m.content * 9000000 if m.content == 'boom' else m.content }}{% endfor %}";
    model_folder(&home, hostile);
    home.json(&["models", "import", "--from", "hf", "model", "--name", "other"]);
    let server = home.serve(&["--model", "other"]);
    let say =
        |text: &str| chat(&server, &json!({ "messages": [{ "role": "user", "content": text }] })).status;
    assert_eq!(say("boom"), 400);
    assert_eq!(say("abc"), 200);
}

#[test]
fn hostile_tokenizers_and_names_of_files_are_refused_at_import() {
    let home = TestHome::new();
    model_folder(&home, "a");
    let good: Value = serde_json::from_str(&home.read("model/tokenizer.json")).unwrap();
    let replace = json!({ "type": "Replace", "pattern": { "String": "a" }, "content": "aaaaaaaaaa" });
    for (key, value) in [
        ("normalizer", json!({ "type": "Sequence", "normalizers": vec![replace; 9] })),
        (
            "post_processor",
            json!({ "type": "TemplateProcessing", "special_tokens": {},
            "single": vec![json!({ "Sequence": { "id": "A", "type_id": 0 } }); 200_000], "pair": [] }),
        ),
    ] {
        let mut tokenizer = good.clone();
        tokenizer[key] = value;
        home.write("model/tokenizer.json", tokenizer.to_string());
        let output = home.run(&["models", "import", "--from", "hf", "model", "--name", "other"]);
        assert_eq!(output.code, Some(2), "{key}: {}", output.stderr);
        assert!(output.stderr.contains(key), "{}", output.stderr);
    }
    home.write("model/tokenizer.json", good.to_string());
    home.write("secret.safetensors", QWEN2.1);
    for name in ["../secret.safetensors", "/etc/passwd", "a/../../secret.safetensors", ".."] {
        home.write("model/model.safetensors.index.json", json!({ "weight_map": { "a": name } }).to_string());
        let output = home.run(&["models", "import", "--from", "hf", "model", "--name", "other"]);
        assert_eq!(output.code, Some(2), "{name}: {}", output.stderr);
        assert!(output.stderr.contains("not the name of a file"), "{name}: {}", output.stderr);
    }
    #[cfg(unix)]
    for name in ["model.safetensors", "config.json", "tokenizer.json"] {
        let (path, target) = (home.path(&format!("model/{name}")), home.path(&format!("outside-{name}")));
        home.write("model/model.safetensors", QWEN2.1);
        std::fs::rename(&path, &target).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        let output = home.run(&["models", "import", "--from", "hf", "model", "--name", "other"]);
        assert_eq!(output.code, Some(2), "{name}: {}", output.stderr);
        assert!(output.stderr.contains("outside of the folder"), "{name}: {}", output.stderr);
        std::fs::remove_file(&path).unwrap();
        std::fs::rename(&target, &path).unwrap();
    }
}

#[test]
fn a_gguf_array_is_limited_before_it_is_read() {
    let home = TestHome::new();
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    for number in [0, 1, 1_u64] {
        file.extend(number.to_le_bytes());
    }
    file.extend(b"k\x09\0\0\0\0\0\0\0");
    file.extend((30_u64 << 20).to_le_bytes());
    file.resize(file.len() + (30 << 20), 0);
    home.write("model.gguf", file);
    let output = home.run(&["models", "import", "--from", "gguf", "model.gguf", "--name", "other"]);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("at most"), "{}", output.stderr);
}
