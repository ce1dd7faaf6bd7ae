//! Options of a generation, end tokens and chat templates.

use cupola_prep::{FittedTarget, GenerationDefaults};
use serde_json::json;

use super::{LLAMA, TestFolder};
use crate::hugging_face::from_hugging_face;

/// Language model of a folder: end tokens, template, options.
fn target(folder: &TestFolder) -> (Vec<u32>, Option<String>, GenerationDefaults) {
    let model = from_hugging_face(folder.path(), None).unwrap();
    let FittedTarget::NextToken { ends, chat, generation, .. } = model.plan.targets.first() else {
        panic!("{:?}", model.plan.targets);
    };
    (ends.clone(), chat.as_ref().map(|chat| chat.template.clone()), generation.clone())
}

#[test]
fn options_are_kept_with_the_model() {
    let folder = TestFolder::new(LLAMA);
    folder.set("config.json", "eos_token_id", json!(5));
    assert_eq!(target(&folder), (vec![6], None, GenerationDefaults::default()));
    folder.write(
        "generation_config.json",
        &json!({ "eos_token_id": [2, 7], "do_sample": true, "temperature": 0.6, "top_p": 0.9, "top_k": 20,
            "repetition_penalty": 1.1, "max_new_tokens": 64, "suppress_tokens": [3], "bad_words_ids": [[9], [3]],
            "stop_strings": "w1", "num_beams": 1, "min_p": 0.0, "typical_p": 1.0, "no_repeat_ngram_size": 0,
            "forced_eos_token_id": null, "transformers_version": "5.0" }),
    );
    let (ends, _, found) = target(&folder);
    let expected = GenerationDefaults {
        temperature: Some(0.6),
        top_p: Some(0.9),
        top_k: Some(20),
        repetition_penalty: Some(1.1),
        max_tokens: Some(64),
        suppressed: vec![4, 10],
        stop: vec!["w1".to_owned()],
    };
    assert_eq!((ends, found), (vec![3, 8], expected));
    folder.write("generation_config.json", &json!({ "do_sample": false, "temperature": 0.6 }));
    assert_eq!(target(&folder).2.temperature, Some(0.0));
}

#[test]
fn options_that_are_not_obeyed_are_refused_by_key() {
    for (key, value) in [
        ("num_beams", json!(4)),
        ("no_repeat_ngram_size", json!(3)),
        ("min_p", json!(0.05)),
        ("forced_eos_token_id", json!(0)),
        ("bad_words_ids", json!([[1, 2]])),
        ("begin_suppress_tokens", json!([1])),
        ("temperature", json!(-1.0)),
        ("top_p", json!(1.5)),
        ("repetition_penalty", json!(0.0)),
        ("eos_token_id", json!("</s>")),
        ("suppress_tokens", json!([-1])),
        ("sequence_bias", json!([[[1], 2.0]])),
        ("watermarking_config", json!({ "bias": 2.0 })),
    ] {
        let folder = TestFolder::new(LLAMA);
        folder.set("generation_config.json", key, value);
        let error = folder.refusal();
        assert!(error.starts_with(&format!("generation_config.json: `{key}` = ")), "{error}");
    }
}

#[test]
fn templates_are_read_wherever_they_lie() {
    let folder = TestFolder::new(LLAMA);
    let named =
        json!([{ "name": "tool_use", "template": "tools" }, { "name": "default", "template": "listed" }]);
    folder.write("tokenizer_config.json", &json!({ "chat_template": named }));
    assert_eq!(target(&folder).1.as_deref(), Some("listed"));
    folder.write("chat_template.json", &json!({ "chat_template": "json" }));
    assert_eq!(target(&folder).1.as_deref(), Some("json"));
    folder.bytes("chat_template.jinja", b"jinja");
    assert_eq!(target(&folder).1.as_deref(), Some("jinja"));
    let folder = TestFolder::new(LLAMA);
    let named = json!([{ "name": "tool_use", "template": "tools" }]);
    folder.write("tokenizer_config.json", &json!({ "chat_template": named }));
    assert!(folder.refusal().starts_with("tokenizer_config.json: `chat_template` = "));
}
