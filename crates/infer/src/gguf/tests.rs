//! A file that is written from a model of transformers is read as that model.

use std::io::Cursor;

use candle_core::Tensor;
use candle_core::quantized::gguf_file::write;
use candle_core::quantized::{GgmlDType, QTensor};
use cupola_nn::HuggingFace;
use proptest::prelude::*;

use super::*;

const CONFIG: &str = include_str!("../golden/llama.json");
const WEIGHTS: &[u8] = include_bytes!("../golden/llama.safetensors");

fn model() -> (Llama, StateDict) {
    let mut case: Json = serde_json::from_str(CONFIG).unwrap();
    let Ok(HuggingFace::Llama(sizes)) = serde_json::from_value(case["config"].take()) else {
        panic!("no Llama");
    };
    (sizes, StateDict::from_any_floats(WEIGHTS).unwrap())
}

/// The name that llama.cpp gives a weight.
fn theirs(name: &str) -> String {
    match name {
        "model.embed_tokens.weight" => return "token_embd.weight".to_owned(),
        "model.norm.weight" => return "output_norm.weight".to_owned(),
        _ => {}
    }
    let rest = name.strip_prefix("model.layers.").unwrap();
    let (block, rest) = rest.split_once('.').unwrap();
    let [own, _] = BLOCK.iter().find(|[_, hf]| rest.strip_suffix(".weight") == Some(*hf)).unwrap();
    format!("blk.{block}.{own}.weight")
}

/// Pairs that are turned together side by side, as llama.cpp's converter puts them.
fn paired(array: &Array, heads: usize) -> Vec<f32> {
    let (rows, wide) = (array.shape[0], array.shape[1]);
    let (head, mut out) = (rows / heads, vec![0.0; array.data.len()]);
    for row in 0..rows {
        let (first, at) = (row / head * head, row % head);
        let to = first + 2 * (at % (head / 2)) + at / (head / 2);
        out[to * wide..(to + 1) * wide].copy_from_slice(&array.data[row * wide..(row + 1) * wide]);
    }
    out
}

fn file(pre: &str) -> Vec<u8> {
    let (_, weights) = model();
    let tensor = |name: &str| {
        let array = weights.get(name).unwrap();
        let data = match name {
            _ if name.contains("q_proj") => paired(array, 4),
            _ if name.contains("k_proj") => paired(array, 2),
            _ => array.data.clone(),
        };
        let tensor = Tensor::from_vec(data, array.shape.clone(), &Device::Cpu).unwrap();
        (theirs(name), QTensor::quantize(&tensor, GgmlDType::F32).unwrap())
    };
    let tensors: Vec<(String, QTensor)> = weights.names().map(tensor).collect();
    let tensors: Vec<(&str, &QTensor)> =
        tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let text = |text: &str| Value::String(text.to_owned());
    let texts =
        |texts: &[String]| Value::Array(texts.iter().map(|text| Value::String(text.clone())).collect());
    let mut tokens: Vec<String> =
        ["<s>", "</s>", "a", "b", "1", "2", "Ġ", "ab", "Ġa"].map(str::to_owned).into();
    tokens.extend((tokens.len()..37).map(|i| format!("token{i}")));
    let kinds = (0..37).map(|i| Value::I32(if i < 2 { 3 } else { 1 })).collect();
    let metadata = [
        ("general.architecture", text("llama")),
        ("llama.embedding_length", Value::U32(24)),
        ("llama.block_count", Value::U32(2)),
        ("llama.attention.head_count", Value::U32(4)),
        ("llama.attention.head_count_kv", Value::U32(2)),
        ("llama.feed_forward_length", Value::U32(40)),
        ("llama.context_length", Value::U32(48)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-3)),
        ("llama.rope.freq_base", Value::F32(500.0)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text(pre)),
        ("tokenizer.ggml.tokens", texts(&tokens)),
        ("tokenizer.ggml.merges", texts(&["a b".to_owned(), "Ġ a".to_owned()])),
        ("tokenizer.ggml.token_type", Value::Array(kinds)),
        ("tokenizer.ggml.bos_token_id", Value::U32(0)),
        ("tokenizer.ggml.eos_token_id", Value::U32(1)),
        ("tokenizer.ggml.add_bos_token", Value::Bool(true)),
        ("tokenizer.chat_template", text("{{ bos_token }}{{ messages[0].content }}")),
    ];
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (*key, value)).collect();
    let mut out = Cursor::new(Vec::new());
    write(&mut out, &metadata, &tensors).unwrap();
    out.into_inner()
}

#[test]
fn it_is_the_model_that_was_written() {
    let (sizes, weights) = model();
    let found = Gguf::read(&file("smollm")).unwrap();
    assert_eq!((found.sizes.vocab_size, found.sizes.num_key_value_heads), (37, Some(2)));
    assert_eq!(found.sizes.rope_theta, Some(500.0));
    for name in weights.names() {
        assert_eq!(found.weights.get(name), weights.get(name), "{name}");
    }
    let import = |sizes: &Llama, weights| sizes.import(weights, 48, 37).unwrap();
    let (own, theirs) = (import(&found.sizes, found.weights), import(&sizes, weights));
    assert_eq!(own.1, theirs.1);
    // Digits stand alone, a token stands before every text, and special ones are whole.
    let tokens = found.tokenizer.encode("ab a12</s>").unwrap();
    assert_eq!(tokens, [0, 7, 8, 4, 5, 1].map(|token| token + 1));
    assert_eq!(found.tokenizer.decode(&tokens[1..5]).unwrap(), "ab a12");
    assert_eq!((found.ends, found.chat.unwrap().begin), (vec![2], "<s>".to_owned()));
}

#[test]
fn what_is_not_known_is_told() {
    let error = Gguf::read(&file("poro-chat")).err().unwrap();
    assert!(error.contains("`poro-chat`") && error.contains("--from hf"), "{error}");
    let error = Gguf::read(b"GGUFnothing").err().unwrap();
    assert!(error.contains("no GGUF file"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn damaged_files_do_no_harm(cut in 0_usize..10_000, at in 0_usize..3_000, byte: u8, ends: bool) {
        let mut bytes = file("smollm");
        if ends {
            bytes.truncate(cut);
        }
        let length = bytes.len().max(1);
        if let Some(place) = bytes.get_mut(at % length) {
            *place = byte;
        }
        if let Ok(found) = Gguf::read(&bytes) {
            // Sizes that do not go with the weights are seen here at the latest.
            let vocabulary = found.tokenizer.vocabulary() - 1;
            let _ = found.sizes.import(found.weights, 48, vocabulary);
        }
    }
}
