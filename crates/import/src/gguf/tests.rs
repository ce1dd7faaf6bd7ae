//! Files of llama.cpp's own writer against the models of transformers that they were written from.

use cupola_nn::{Architecture, StateDict};
use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;

const CONFIG: &str = include_str!("../golden/llama.json");
const WEIGHTS: &[u8] = include_bytes!("../golden/llama.safetensors");
const FILE: &[u8] = include_bytes!("../golden/llama.gguf");

fn model() -> (HuggingFaceConfig, StateDict) {
    let mut case: Json = serde_json::from_str(CONFIG).unwrap();
    let config = serde_json::from_value(case["config"].take()).unwrap();
    (config, StateDict::from_any_floats(WEIGHTS).unwrap())
}

fn convert(config: HuggingFaceConfig, weights: StateDict) -> (Architecture, StateDict) {
    let head = EncoderHead::Classes { count: 2 };
    config.into_model(weights, &ConversionOptions { length: 48, vocabulary: 37, head }).unwrap()
}

#[test]
fn it_is_the_model_that_was_written() {
    let (config, weights) = model();
    let found = GgufModel::parse(FILE).unwrap();
    assert_eq!((found.config.vocab_size, found.config.num_key_value_heads), (37, Some(2)));
    assert_eq!(found.config.rope_theta, Some(500.0));
    for name in weights.names() {
        assert_eq!(found.weights.get(name), weights.get(name), "{name}");
    }
    let (own, theirs) =
        (convert(HuggingFaceConfig::Llama(found.config), found.weights), convert(config, weights));
    assert_eq!(own.1, theirs.1);
    // Digits are single, a token precedes every text, and special tokens are whole.
    let tokens = found.tokenizer.encode("ab a12</s>").unwrap();
    assert_eq!(tokens, [0, 7, 8, 4, 5, 1].map(|token| token + 1));
    assert_eq!(found.tokenizer.decode(&tokens[1..5]).unwrap(), "ab a12");
    assert_eq!((found.end_tokens, found.chat.unwrap().begin), (vec![2], "<s>".to_owned()));
}

#[test]
fn positions_for_longer_texts_are_read() {
    let found = GgufModel::parse(include_bytes!("../golden/llama3.gguf")).unwrap();
    let rope = found.config.rope_scaling.unwrap();
    let numbers = [rope.factor, rope.low_freq_factor, rope.high_freq_factor];
    assert_eq!((rope.rope_type.as_deref(), numbers), (Some("llama3"), [Some(8.0), Some(1.0), Some(4.0)]));
    assert_eq!(
        (rope.original_max_position_embeddings, found.config.rope_theta),
        (Some(8_192), Some(500_000.0))
    );
}

/// Texts, and their tokens by `SentencePiece` itself.
#[derive(serde::Deserialize)]
struct Pieces {
    texts: Vec<String>,
    ids: Vec<Vec<u32>>,
}

#[test]
fn texts_are_cut_as_sentencepiece_cuts_them() {
    let case = include_str!("../golden/pieces.json");
    let case: Pieces = serde_json::from_str(case).unwrap();
    let found = GgufModel::parse(include_bytes!("../golden/pieces.gguf")).unwrap().tokenizer;
    for (text, ids) in case.texts.iter().zip(&case.ids) {
        let ids: Vec<u32> = ids.iter().map(|id| id + 1).collect();
        assert_eq!(found.encode(text).unwrap(), ids, "{text:?}");
        assert_eq!(&found.decode(&ids[1..]).unwrap(), text);
    }
}

#[test]
fn what_is_not_known_is_told() {
    let at = FILE.windows(6).position(|part| part == b"smollm").unwrap();
    let error = GgufModel::parse(&[&FILE[..at], b"poroch", &FILE[at + 6..]].concat()).err().unwrap();
    assert!(error.to_string().contains("`poroch`") && error.to_string().contains("--from hf"), "{error}");
    let error = GgufModel::parse(b"GGUFnothing").err().unwrap();
    assert!(error.to_string().contains("invalid GGUF file"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn damaged_files_do_no_harm(cut in 0_usize..10_000, at in 0_usize..3_000, byte: u8, ends: bool) {
        let mut bytes = FILE.to_vec();
        if ends {
            bytes.truncate(cut);
        }
        let length = bytes.len().max(1);
        if let Some(place) = bytes.get_mut(at % length) {
            *place = byte;
        }
        if let Ok(found) = GgufModel::parse(&bytes) {
            // Sizes that contradict the weights are found here at the latest.
            let _ = found.into_model(48);
        }
    }
}

#[test]
fn an_alignment_of_zero_is_an_error() {
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    for number in [0, 1, 17_u64] {
        file.extend(number.to_le_bytes());
    }
    file.extend(b"general.alignment\x04\0\0\0\0\0\0\0");
    assert!(GgufModel::parse(&file).is_err());
}
