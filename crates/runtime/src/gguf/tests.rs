//! A file that llama.cpp's own writer made of a model of transformers is read as that model.

use cupola_nn::HuggingFace;
use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;

const CONFIG: &str = include_str!("../golden/llama.json");
const WEIGHTS: &[u8] = include_bytes!("../golden/llama.safetensors");
const FILE: &[u8] = include_bytes!("../golden/llama.gguf");

fn model() -> (Llama, StateDict) {
    let mut case: Json = serde_json::from_str(CONFIG).unwrap();
    let Ok(HuggingFace::Llama(sizes)) = serde_json::from_value(case["config"].take()) else {
        panic!("no Llama");
    };
    (sizes, StateDict::from_any_floats(WEIGHTS).unwrap())
}

#[test]
fn it_is_the_model_that_was_written() {
    let (sizes, weights) = model();
    let found = Gguf::read(FILE).unwrap();
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
fn positions_for_longer_texts_are_read() {
    let found = Gguf::read(include_bytes!("../golden/llama3.gguf")).unwrap();
    let rope = found.sizes.rope_scaling.unwrap();
    let numbers = [rope.factor, rope.low_freq_factor, rope.high_freq_factor];
    assert_eq!((rope.rope_type.as_deref(), numbers), (Some("llama3"), [Some(8.0), Some(1.0), Some(4.0)]));
    assert_eq!(
        (rope.original_max_position_embeddings, found.sizes.rope_theta),
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
    let found = Gguf::read(include_bytes!("../golden/pieces.gguf")).unwrap().tokenizer;
    for (text, ids) in case.texts.iter().zip(&case.ids) {
        let ids: Vec<u32> = ids.iter().map(|id| id + 1).collect();
        assert_eq!(found.encode(text).unwrap(), ids, "{text:?}");
        assert_eq!(&found.decode(&ids[1..]).unwrap(), text);
    }
}

#[test]
fn what_is_not_known_is_told() {
    let at = FILE.windows(6).position(|part| part == b"smollm").unwrap();
    let error = Gguf::read(&[&FILE[..at], b"poroch", &FILE[at + 6..]].concat()).err().unwrap();
    assert!(error.contains("`poroch`") && error.contains("--from hf"), "{error}");
    let error = Gguf::read(b"GGUFnothing").err().unwrap();
    assert!(error.contains("no GGUF file"), "{error}");
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
        if let Ok(found) = Gguf::read(&bytes) {
            // Sizes that do not go with the weights are seen here at the latest.
            let vocabulary = found.tokenizer.vocabulary() - 1;
            let _ = found.sizes.import(found.weights, 48, vocabulary);
        }
    }
}
