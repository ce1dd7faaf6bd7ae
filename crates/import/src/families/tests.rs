//! Refusal of models that no layers compute.

use serde_json::{Value, json};

use super::*;

#[test]
fn operations_that_no_layer_provides_are_refused() {
    let config = include_str!("../golden/llama.json");
    let bytes = include_bytes!("../golden/llama.safetensors");
    let converted = |key: &str, value: Value, length: usize| {
        let mut case: Value = serde_json::from_str(config).unwrap();
        case["config"][key] = value;
        let config: HuggingFaceConfig = serde_json::from_value(case["config"].take()).unwrap();
        assert!(matches!(config, HuggingFaceConfig::Llama(_)));
        let options = ConversionOptions { length, vocabulary: 37, head: EncoderHead::Classes { count: 2 } };
        config.into_model(StateDict::from_any_floats(bytes).unwrap(), &options).map(drop)
    };
    assert!(converted("head_dim", 6.into(), 48).is_ok());
    assert!(converted("sliding_window", 16.into(), 16).is_ok());
    for (key, value, words) in [
        ("rope_scaling", json!({"rope_type": "llama3", "factor": 8.0}), "`llama3`"),
        ("head_dim", 8.into(), "heads"),
        ("mlp_bias", true.into(), "biases"),
        ("sliding_window", 16.into(), "last 16 tokens"),
        ("num_hidden_layers", 3.into(), "layers.2"),
        ("num_hidden_layers", 1.into(), "layers.1"),
        ("intermediate_size", 41.into(), "shape"),
    ] {
        let error = converted(key, value, 48).unwrap_err().to_string();
        assert!(error.contains(words), "{key}: {error}");
    }
}
