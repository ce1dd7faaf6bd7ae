//! Refusal of models that no layers compute, and files of several versions.

use cupola_nn::StateDict;
use serde_json::{Value, json};

use super::*;

/// A golden case with one key changed; without a value, the key is removed.
fn changed(config: &str, key: &str, value: Option<Value>) -> Value {
    let mut case: Value = serde_json::from_str(config).unwrap();
    let config = case["config"].as_object_mut().unwrap();
    match value {
        Some(value) => config.insert(key.to_owned(), value),
        None => config.remove(key),
    };
    case["config"].take()
}

fn converted(config: Value, weights: StateDict, length: usize) -> Result<(Architecture, StateDict), Error> {
    check_keys(&config)?;
    let config: HuggingFaceConfig = serde_json::from_value(config).unwrap();
    config.into_model(weights, &ConversionOptions { length, vocabulary: 37, head: EncoderHead::NextToken })
}

fn llama() -> StateDict {
    StateDict::from_any_floats(include_bytes!("../golden/llama.safetensors")).unwrap()
}

#[test]
fn operations_that_no_layer_provides_are_refused() {
    let config = include_str!("../golden/llama.json");
    let model = |key: &str, value: Value| converted(changed(config, key, Some(value)), llama(), 48);
    assert!(model("head_dim", 6.into()).is_ok());
    assert!(converted(changed(config, "sliding_window", Some(16.into())), llama(), 16).is_ok());
    for (key, value, words) in [
        ("rope_scaling", json!({"rope_type": "llama3", "factor": 8.0}), "`rope_scaling` = type `llama3`"),
        ("rope_scaling", json!({"rope_type": "mrope"}), "type `mrope`"),
        (
            "rope_scaling",
            json!({"type": "longrope", "short_factor": [1.0, 2.0, 3.0],
            "original_max_position_embeddings": 32}),
            "--length 32",
        ),
        (
            "rope_scaling",
            json!({"type": "longrope", "short_factor": [1.0, 2.0],
            "original_max_position_embeddings": 48}),
            "rope_scaling",
        ),
        ("rope_scaling", json!({"type": "yarn", "factor": 0.5}), "`yarn`"),
        ("rope_parameters", json!({"rope_type": "default", "rope_theta": 0.5}), "`rope_theta` = 0.5"),
        ("partial_rotary_factor", json!(0.5), "`partial_rotary_factor` = 0.5"),
        ("head_dim", 8.into(), "q_proj.weight` has shape"),
        ("mlp_bias", true.into(), "`mlp_bias` = true"),
        ("attention_bias", true.into(), "`attention_bias` = true"),
        ("sliding_window", 16.into(), "--length 16"),
        ("num_hidden_layers", 3.into(), "layers.2"),
        ("num_hidden_layers", 1.into(), "layers.1"),
        ("intermediate_size", 41.into(), "gate_proj.weight` has shape"),
        ("vocab_size", 38.into(), "embed_tokens.weight` has shape"),
        ("quantization_config", json!({"quant_method": "gptq"}), "`quantization_config`"),
        ("hidden_act", json!("relu2"), "`hidden_act` = \"relu2\""),
        ("attn_logit_softcapping", json!(50.0), "`attn_logit_softcapping` = 50"),
        ("residual_multiplier", json!(0.5), "`residual_multiplier` = 0.5"),
        ("model_type", json!("mixtral"), "`model_type` = \"mixtral\""),
        ("tie_word_embeddings", false.into(), "no `lm_head.weight`"),
    ] {
        let error = model(key, value).unwrap_err().to_string();
        assert!(error.contains(words), "{key}: {error}");
    }
}

#[test]
fn a_head_beside_tied_embeddings_must_be_the_embeddings() {
    let config = changed(include_str!("../golden/llama.json"), "tie_word_embeddings", Some(true.into()));
    let mut weights = llama();
    let tokens = weights.get("model.embed_tokens.weight").unwrap().clone();
    weights.insert("lm_head.weight".into(), tokens.clone());
    let same = converted(config.clone(), weights.clone(), 48).unwrap();
    assert_eq!(same.1, converted(config.clone(), llama(), 48).unwrap().1);
    let mut other = tokens;
    other.data[3] += 1.0;
    weights.insert("lm_head.weight".into(), other);
    let error = converted(config, weights, 48).unwrap_err().to_string();
    assert!(error.contains("`tie_word_embeddings` is true") && error.contains("differs"), "{error}");
}

#[test]
fn older_files_describe_the_same_model() {
    let gemma = include_str!("../golden/gemma3.json");
    let weights = || StateDict::from_any_floats(include_bytes!("../golden/gemma3.safetensors")).unwrap();
    let new = converted(changed(gemma, "_", None), weights(), 48).unwrap();
    let mut old = changed(gemma, "rope_parameters", None);
    old.as_object_mut().unwrap().remove("layer_types");
    for (key, value) in [
        ("rope_theta", json!(1000.0)),
        ("rope_local_base_freq", json!(100.0)),
        ("rope_scaling", json!({"type": "linear", "factor": 4.0})),
        ("sliding_window_pattern", json!(2)),
    ] {
        old[key] = value;
    }
    assert_eq!(converted(old, weights(), 48).unwrap().0, new.0);
    let yarn = include_str!("../golden/llama_yarn.json");
    let weights = || StateDict::from_any_floats(include_bytes!("../golden/llama_yarn.safetensors")).unwrap();
    let new = converted(changed(yarn, "_", None), weights(), 48).unwrap();
    let mut old = changed(yarn, "rope_parameters", None);
    old["rope_theta"] = json!(100.0);
    old["rope_scaling"] = json!({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 12,
        "beta_fast": 4.0, "beta_slow": 0.5});
    assert_eq!(converted(old, weights(), 48).unwrap().0, new.0);
}

#[test]
fn encoders_are_refused_for_what_they_do_not_compute() {
    let config = include_str!("../golden/bert_classes.json");
    let weights =
        || StateDict::from_any_floats(include_bytes!("../golden/bert_classes.safetensors")).unwrap();
    let model = |config: Value, weights: StateDict| {
        check_keys(&config)?;
        let config: HuggingFaceConfig = serde_json::from_value(config).unwrap();
        let head = EncoderHead::Classes { count: 3 };
        config.into_model(weights, &ConversionOptions { length: 48, vocabulary: 37, head }).map(drop)
    };
    assert!(model(changed(config, "_", None), weights()).is_ok());
    for (key, value, words) in [
        ("position_embedding_type", json!("relative_key"), "`position_embedding_type`"),
        ("is_decoder", true.into(), "`is_decoder` = true"),
        ("auto_map", json!({"AutoModel": "modeling.Own"}), "`auto_map`"),
        ("type_vocab_size", 3.into(), "token_type_embeddings.weight` has shape"),
        ("intermediate_size", 41.into(), "intermediate.dense.weight` has shape"),
    ] {
        let error = model(changed(config, key, Some(value)), weights()).unwrap_err().to_string();
        assert!(error.contains(words), "{key}: {error}");
    }
    let mut more = weights();
    let extra = more.get("bert.embeddings.LayerNorm.weight").unwrap().clone();
    more.insert("bert.encoder.layer.0.adapter.weight".into(), extra);
    let error = model(changed(config, "_", None), more).unwrap_err().to_string();
    assert!(error.contains("encoder.layer.0.adapter.weight"), "{error}");
}
