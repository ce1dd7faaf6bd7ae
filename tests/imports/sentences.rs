//! Modules of sentence-transformers give its vectors, or are refused by name.

use cupola_nn::{Array, StateDict};
use serde_json::{Value, json};

use super::{folder, words};
use crate::support::TestHome;

const GOLDEN: &str = include_str!("../../crates/import/src/golden/sentences.json");

/// Writes `modules.json`, the pooling and the modules behind it.
fn write_modules(home: &TestHome, case: &Value) {
    let module = |index: usize, path: &str, kind: &str| {
        let kind = format!("sentence_transformers.models.{kind}");
        json!({ "idx": index, "name": index.to_string(), "path": path, "type": kind })
    };
    let mut entries = vec![module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling")];
    std::fs::create_dir(home.path("model/1_Pooling")).unwrap();
    home.write("model/1_Pooling/config.json", case["pooling"].to_string());
    for (at, own) in case["modules"].as_array().unwrap().iter().enumerate() {
        let kind = own["type"].as_str().unwrap();
        let path = format!("{}_{kind}", at + 2);
        entries.push(module(at + 2, &path, kind));
        std::fs::create_dir(home.path(&format!("model/{path}"))).unwrap();
        home.write(&format!("model/{path}/config.json"), own["config"].to_string());
        let mut weights = StateDict::default();
        for (name, weight) in own["weights"].as_object().unwrap() {
            let shape = serde_json::from_value(weight["shape"].clone()).unwrap();
            let data = serde_json::from_value(weight["data"].clone()).unwrap();
            weights.insert(name.clone(), Array { shape, data });
        }
        home.write(&format!("model/{path}/model.safetensors"), weights.to_safetensors().unwrap());
    }
    home.write("model/modules.json", Value::from(entries).to_string());
}

#[test]
fn modules_behind_an_encoder_give_the_vectors_of_sentence_transformers() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let texts = golden["texts"].as_array().unwrap();
    let (config, weights) = golden!("bert_classes");
    for (at, case) in golden["cases"].as_array().unwrap().iter().enumerate() {
        let home = TestHome::new();
        folder(&home, config, weights, &json!({ "architectures": ["BertModel"] }));
        write_modules(&home, case);
        home.json(&["models", "import", "--from", "hf", "model", "--name", "sentences"]);
        let engine = ["candle", "burn"][at % 2];
        let server = home.serve(&["--model", "sentences", "--engine", engine]);
        let rows: Vec<Value> = texts.iter().map(|text| json!({ "text": words(text) })).collect();
        let body = json!({ "rows": rows }).to_string();
        let found = server.post("/v1/models/sentences/predict", body, &[]).json();
        for (row, expected) in case["vectors"].as_array().unwrap().iter().enumerate() {
            let found = found["predictions"][row]["embedding"]["value"].as_array().unwrap();
            let expected = expected.as_array().unwrap();
            assert_eq!(found.len(), expected.len(), "{}", case["name"]);
            for (a, b) in found.iter().zip(expected) {
                let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
                let what = format!("{} by {engine}, text {row}", case["name"]);
                assert!((a - b).abs() <= 2e-5 * b.abs().max(1.0), "{what}: {a}, sentence-transformers {b}");
            }
        }
    }
}

#[test]
fn a_default_prompt_is_put_before_every_text() {
    let (config, weights) = golden!("bert_classes");
    let vector = |prompt: Option<&str>, text: &str| {
        let home = TestHome::new();
        folder(&home, config, weights, &json!({ "architectures": ["BertModel"] }));
        if let Some(prompt) = prompt {
            let prompts = json!({ "prompts": { "query": prompt }, "default_prompt_name": "query" });
            home.write("model/config_sentence_transformers.json", prompts.to_string());
        }
        home.json(&["models", "import", "--from", "hf", "model", "--name", "sentences"]);
        let server = home.serve(&["--model", "sentences", "--engine", "candle"]);
        let body = json!({ "rows": [{ "text": text }] }).to_string();
        server.post("/v1/models/sentences/predict", body, &[]).json()["predictions"][0]["embedding"]["value"]
            .take()
    };
    assert_eq!(vector(Some("w5 w6 "), "w7"), vector(None, "w5 w6 w7"));
}

#[test]
fn an_unknown_module_is_refused_and_leaves_no_files() {
    let home = TestHome::new();
    let (config, weights) = golden!("bert_classes");
    folder(&home, config, weights, &json!({ "architectures": ["BertModel"] }));
    let modules = json!([{ "path": "", "type": "sentence_transformers.models.Transformer" },
        { "path": "1_CNN", "type": "sentence_transformers.models.CNN" }]);
    home.write("model/modules.json", modules.to_string());
    let output = home.run(&["models", "import", "--from", "hf", "model", "--name", "sentences"]);
    assert_eq!(output.code, Some(2));
    let words = "modules.json: module `sentence_transformers.models.CNN` is not supported";
    assert!(output.stderr.contains(words), "{}", output.stderr);
    assert!(!home.root().join("models/sentences").exists());
}
