//! Tokenizers of folders with and without a `tokenizer.json`.

use cupola_prep::FittedTokenizer;
use serde_json::{Value, json};

use super::TestFolder;
use crate::error::Error;
use crate::hugging_face::tokenizer::{self, TokenizerConfig};

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../../golden/tokenizers/", $name)).as_slice()
    };
}

fn read(folder: &TestFolder, model_type: &str) -> Result<FittedTokenizer, Error> {
    let folder = folder.model();
    tokenizer::read(&folder, &TokenizerConfig::read(&folder)?, model_type, false)
}

/// A folder with these files and this `tokenizer_config.json`.
fn folder(files: &[(&str, &[u8])], config: &Value) -> TestFolder {
    let folder = TestFolder::empty();
    for (name, bytes) in files {
        folder.bytes(name, bytes);
    }
    folder.write("tokenizer_config.json", config);
    folder
}

fn ids(tokenizer: &FittedTokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode(text).unwrap().into_iter().map(|token| token - 1).collect()
}

#[test]
fn vocabularies_cut_texts_as_sentencepiece_and_transformers_do() {
    let byte_bpe = [("vocab.json", golden!("vocab.json")), ("merges.txt", golden!("merges.txt"))];
    let word_piece = [("vocab.txt", golden!("vocab.txt"))];
    let cased = json!({ "do_lower_case": false, "tokenize_chinese_chars": false });
    let cases: Value = serde_json::from_slice(golden!("cases.json")).unwrap();
    for (name, model_type, files, config) in [
        ("llama", "llama", [("tokenizer.model", golden!("bpe.model"))].as_slice(), json!({})),
        ("llama_unigram", "llama", &[("tokenizer.model", golden!("unigram.model"))], json!({})),
        ("xlm_roberta", "xlm-roberta", &[("sentencepiece.bpe.model", golden!("unigram.model"))], json!({})),
        ("gpt2", "gpt2", &byte_bpe, json!({})),
        ("roberta", "roberta", &byte_bpe, json!({})),
        ("qwen2", "qwen2", &byte_bpe, json!({ "tokenizer_class": "Qwen2TokenizerFast" })),
        ("bert", "bert", &word_piece, json!({})),
        ("bert_cased", "bert", &word_piece, cased),
    ] {
        let tokenizer =
            read(&folder(files, &config), model_type).unwrap_or_else(|error| panic!("{name}: {error}"));
        let texts = cases["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
        for (text, expected) in texts.zip(cases[name].as_array().unwrap()) {
            assert_eq!(json!(ids(&tokenizer, text)), *expected, "{name}: {text:?}");
        }
    }
}

#[test]
fn settings_of_a_llama_add_tokens_around_a_text() {
    let tokenizer = |config: Value| {
        read(&folder(&[("tokenizer.model", golden!("bpe.model"))], &config), "llama").unwrap()
    };
    assert_eq!(ids(&tokenizer(json!({})), "hot</s>hot"), [1, 290, 2, 290]);
    // The new behaviour puts a space before the text only.
    assert_eq!(ids(&tokenizer(json!({ "legacy": false })), "hot</s>hot"), [1, 290, 2, 351, 275]);
    // A space before the text is not another one.
    let unigram = folder(&[("tokenizer.model", golden!("unigram.model"))], &json!({ "legacy": false }));
    let unigram = read(&unigram, "llama").unwrap();
    assert_eq!(ids(&unigram, " the  slag   runs "), ids(&unigram, "the slag runs"));
    let cases: Value = serde_json::from_slice(golden!("cases.json")).unwrap();
    assert_eq!(json!(ids(&unigram, " the  slag   runs ")), cases["llama_unigram"][1]);
    let both =
        json!({ "add_bos_token": false, "add_eos_token": true, "bos_token": "<s>", "eos_token": "</s>" });
    assert_eq!(ids(&tokenizer(both), "hot"), [290, 2]);
    let added =
        |id: &str| json!({ "added_tokens_decoder": { id: { "content": "<|im|>", "special": true } } });
    assert_eq!(ids(&tokenizer(added("380")), "hot<|im|>"), [1, 290, 380]);
    // The tokenizer numbers added tokens one after another.
    let gap = folder(&[("tokenizer.model", golden!("bpe.model"))], &added("400"));
    let error = read(&gap, "llama").unwrap_err().to_string();
    assert!(error.contains("`<|im|>`") && error.contains("400"), "{error}");
}

/// A `tokenizer.json` of the words `a`, `b` and two special tokens.
fn words(normalizer: &Value) -> Value {
    json!({
        "version": "1.0",
        "added_tokens": [],
        "normalizer": normalizer,
        "model": { "type": "WordLevel", "vocab": { "<s>": 0, "</s>": 1, "a": 2, "b": 3 }, "unk_token": "a" },
        "pre_tokenizer": { "type": "WhitespaceSplit" },
        "padding": { "strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": 8, "pad_id": 0,
            "pad_type_id": 0, "pad_token": "<s>" },
    })
}

#[test]
fn settings_beside_a_tokenizer_json_are_applied_or_refused() {
    let with = |normalizer: Value, config: Value, model_type: &str| {
        let folder = folder(&[], &config);
        folder.write("tokenizer.json", &words(&normalizer));
        read(&folder, model_type)
    };
    // No padding, whatever the file says.
    assert_eq!(ids(&with(Value::Null, json!({}), "gpt2").unwrap(), "b"), [3]);
    let ends = json!({ "add_bos_token": true, "add_eos_token": true, "bos_token": "<s>",
        "eos_token": { "content": "</s>" } });
    assert_eq!(ids(&with(Value::Null, ends.clone(), "llama").unwrap(), "b"), [0, 3, 1]);
    // The class of any tokenizer.json takes the file as it is.
    let general = json!({ "tokenizer_class": "PreTrainedTokenizerFast", "add_eos_token": false });
    assert_eq!(ids(&with(Value::Null, general, "llama").unwrap(), "b"), [3]);
    let bert = json!({ "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
        "strip_accents": null, "lowercase": false });
    assert_eq!(ids(&with(bert.clone(), json!({}), "bert").unwrap(), "B"), [2]);
    assert_eq!(ids(&with(bert, json!({ "do_lower_case": true }), "bert").unwrap(), "B"), [3]);
    for (config, words) in [
        (ends, "tokenizer_config.json: `add_bos_token` = true"),
        (json!({ "truncation_side": "left" }), "tokenizer_config.json: `truncation_side` = \"left\""),
    ] {
        let error = with(Value::Null, config, "gpt2").unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn tokenizers_that_cannot_be_made_are_refused_with_the_remedy() {
    let bpe = golden!("bpe.model");
    for (files, model_type, config, words) in [
        ([].as_slice(), "bert", json!({}), "has no tokenizer.json"),
        (&[("vocab.json", b"{}".as_slice())], "gpt2", json!({}), "has no merges.txt"),
        (
            &[("vocab.json", b"{\"a\": 0}"), ("merges.txt", b"#version: 0.2\na b c\n")],
            "gpt2",
            json!({}),
            "line 2",
        ),
        (
            &[("vocab.txt", b"[PAD]\n[UNK]\n[CLS]\n")],
            "bert",
            json!({}),
            "vocab.txt: the token `[SEP]` is missing",
        ),
        (
            &[("vocab.txt", b"a\n")],
            "bert",
            json!({ "do_basic_tokenize": false }),
            "`do_basic_tokenize` = false",
        ),
        (&[("tokenizer.model", b"\xff\xff\xff")], "llama", json!({}), "tokenizer.model: "),
        (&[("sentencepiece.bpe.model", bpe)], "camembert", json!({}), "`CamembertTokenizer`"),
        (&[("tokenizer.json", b"{\"model\": 1}")], "bert", json!({}), "tokenizer.json: "),
    ] {
        let error = read(&folder(files, &config), model_type).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("; "), "{words}: {error}");
    }
    let error = read(&folder(&[("vocab.txt", b"a")], &json!({})), "gpt2").unwrap_err().to_string();
    assert!(error.contains("vocab.txt") && error.contains("save_pretrained"), "{error}");
}

#[test]
fn no_sentence_piece_model_breaks_its_reader() {
    cupola_testkit::fuzz(&[golden!("bpe.model"), golden!("unigram.model")], |bytes| {
        let model_type = if bytes.len().is_multiple_of(2) { "llama" } else { "xlm-roberta" };
        if let Ok(tokenizer) = read(&folder(&[("tokenizer.model", bytes)], &json!({})), model_type) {
            let _ = tokenizer.encode("the ａ iron </s>");
        }
    });
}
