//! Keys of `config.json` that change what a model computes.

use serde_json::Value;

use crate::error::Error;

/// Supported values of `model_type`.
const MODEL_TYPES: [&str; 15] = [
    "bert",
    "distilbert",
    "roberta",
    "xlm-roberta",
    "camembert",
    "modernbert",
    "gpt2",
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "gemma",
    "gemma2",
    "gemma3_text",
    "phi3",
];
/// The encoders among them.
const ENCODERS: [&str; 6] = ["bert", "distilbert", "roberta", "xlm-roberta", "camembert", "modernbert"];
/// Encoders whose positions begin after the padding index.
const OFFSET_POSITIONS: [&str; 3] = ["roberta", "xlm-roberta", "camembert"];
/// Padding index that these are trained with.
const PADDING: u64 = 1;

/// Keys that must be missing, null, false, zero or empty, with the reason.
const REFUSED: [(&str, &str); 17] = [
    ("quantization_config", "import the weights in floats, or a GGUF file with `--from gguf`"),
    ("is_encoder_decoder", "import an encoder or a decoder"),
    ("add_cross_attention", "import an encoder or a decoder"),
    ("pruned_heads", "import the model before its heads were pruned"),
    ("use_bidirectional_attention", "import a model with causal attention"),
    ("use_qk_norm", "import another model"),
    ("qk_layernorm", "import another model"),
    ("clip_qkv", "import another model"),
    ("alibi", "import another model"),
    ("parallel_attn", "import another model"),
    ("use_parallel_residual", "import another model"),
    ("attention_chunk_size", "import another model"),
    ("no_rope_layers", "import another model"),
    ("num_experts", "import a model without experts"),
    ("num_local_experts", "import a model without experts"),
    ("attn_output_gate", "import another model"),
    ("altup_num_inputs", "import another model"),
];
/// Keys that must be missing, null or 1.
const FACTORS: [&str; 6] = [
    "residual_multiplier",
    "embedding_multiplier",
    "attention_multiplier",
    "logits_scaling",
    "logit_scale",
    "embedding_scale",
];
/// Keys that name an activation function.
const ACTIVATIONS: [&str; 5] =
    ["hidden_act", "hidden_activation", "activation_function", "activation", "classifier_activation"];
/// Supported activation functions.
const FUNCTIONS: [&str; 13] = [
    "relu",
    "gelu",
    "gelu_python",
    "gelu_new",
    "gelu_fast",
    "gelu_accurate",
    "gelu_pytorch_tanh",
    "gelu_python_tanh",
    "gelu_tanh",
    "silu",
    "swish",
    "tanh",
    "sigmoid",
];

/// Refuses a `config.json` with an unknown `model_type`, or with keys that ask for an operation that no layer provides.
///
/// # Errors
/// [`Error::UnsupportedKey`] with the first such key.
pub fn check_keys(config: &Value) -> Result<(), Error> {
    let refused = |key: &str, remedy: &str| {
        let found = config.get(key).map_or_else(|| "nothing".to_owned(), ToString::to_string);
        Err(Error::unsupported_key("config.json", key, &found, remedy))
    };
    let kind = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
    if !MODEL_TYPES.contains(&kind) {
        return refused("model_type", &format!("expected one of {}", MODEL_TYPES.join(", ")));
    }
    let given = |key: &str| config.get(key).is_some_and(|value| !is_neutral(value));
    if let Some((key, remedy)) = REFUSED.iter().find(|(key, _)| given(key)) {
        return refused(key, remedy);
    }
    let is_one = |value: &Value| value.is_null() || value.as_f64() == Some(1.0);
    if let Some(key) = FACTORS.iter().find(|key| config.get(**key).is_some_and(|value| !is_one(value))) {
        return refused(key, "import another model");
    }
    let unknown = |key: &&&str| {
        let function = config.get(**key).filter(|value| !value.is_null());
        function.is_some_and(|value| value.as_str().is_none_or(|name| !FUNCTIONS.contains(&name)))
    };
    if let Some(key) = ACTIVATIONS.iter().find(unknown) {
        return refused(key, &format!("expected one of {}", FUNCTIONS.join(", ")));
    }
    if config.get("is_causal") == Some(&Value::Bool(ENCODERS.contains(&kind))) {
        return refused("is_causal", "import a model whose attention is that of its kind");
    }
    if ENCODERS.contains(&kind) { check_encoder(config, kind, &refused) } else { Ok(()) }
}

fn check_encoder(
    config: &Value,
    kind: &str,
    refused: &dyn Fn(&str, &str) -> Result<(), Error>,
) -> Result<(), Error> {
    let text = |key: &str| config.get(key).and_then(Value::as_str);
    if text("position_embedding_type").is_some_and(|kind| kind != "absolute") {
        return refused("position_embedding_type", "expected `absolute`");
    }
    if config.get("is_decoder").is_some_and(|value| !is_neutral(value)) {
        return refused("is_decoder", "import an encoder");
    }
    let padding = config.get("pad_token_id").and_then(Value::as_u64).unwrap_or(PADDING);
    if OFFSET_POSITIONS.contains(&kind) && padding != PADDING {
        return refused("pad_token_id", "positions begin after it; expected 1");
    }
    let code = config.get("auto_map").and_then(Value::as_object);
    if code.is_some_and(|code| code.keys().any(|key| key.starts_with("AutoModel"))) {
        return refused("auto_map", "its own code may compute something else; import a model without code");
    }
    Ok(())
}

/// `true` for values that ask for nothing.
fn is_neutral(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(value) => value.as_f64() == Some(0.0),
        Value::String(value) => value.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
    }
}
