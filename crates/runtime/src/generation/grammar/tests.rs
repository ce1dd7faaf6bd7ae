//! Tests of grammars.

use cupola_prep::{draw, unit};
use indexmap::IndexMap;

use super::*;
use crate::generation::Sampling;

/// Tokenizer with a token for each byte, and some tokens of several bytes.
fn tokenizer() -> FittedTokenizer {
    let seen = |byte: &u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let bytes = (0..256).filter(seen).chain(256..256 + 68).filter_map(char::from_u32).map(String::from);
    let more = ["{\"", "\":", "\",", "\"}", "\u{120}\"", "},", "\u{10a}\u{120}\u{120}", "true", "12"];
    let vocabulary: IndexMap<String, u32> = bytes.chain(more.map(String::from)).zip(0..).collect();
    let json = json!({
        "version": "1.0", "added_tokens": [], "decoder": { "type": "ByteLevel", "add_prefix_space": true,
            "trim_offsets": true, "use_regex": true },
        "model": { "type": "BPE", "vocab": vocabulary, "merges": [] }
    });
    serde_json::from_value(json).unwrap()
}

/// Text that random logits give; `None` if it is not complete after 400 tokens.
#[allow(clippy::cast_possible_truncation)]
fn generate(tokenizer: &FittedTokenizer, grammar: &Grammar, seed: u64, ends: &[u32]) -> Option<String> {
    let mut state = GrammarVocabulary::default().compile(tokenizer, grammar).unwrap().begin();
    let closing = ["\"", "}", "]", "\"}", "1"].map(|text| tokenizer.encode_bare(text).unwrap()[0]);
    let mut tokens = Vec::new();
    for step in 0..400 {
        let mut logits: Vec<f32> = (0..tokenizer.vocabulary())
            .map(|token| unit(draw(seed, "logits", step, token as u64)) as f32)
            .collect();
        closing.iter().chain(ends).for_each(|token| logits[*token as usize] += 4.0);
        let Some(allowed) = state.mask(&logits, ends).unwrap() else { break };
        let token = Sampling { seed, ..Sampling::default() }.choose(&allowed, step);
        assert!(allowed[token].is_finite());
        let token = u32::try_from(token).unwrap();
        if ends.contains(&token) {
            break;
        }
        tokens.push(token);
        if state.accept(token).unwrap() {
            break;
        }
    }
    (tokens.len() < 400).then(|| tokenizer.decode(&tokens).unwrap())
}

#[test]
fn whatever_the_logits_texts_are_json_of_their_schema() {
    let tokenizer = tokenizer();
    let person = json!({
        "type": "object", "required": ["name", "age"], "additionalProperties": false,
        "properties": {
            "name": { "type": "string", "maxLength": 20 }, "age": { "type": "integer", "minimum": 0, "maximum": 150 },
            "metals": { "type": "array", "items": { "enum": ["iron", "zinc"] }, "maxItems": 3 },
            "next": { "$ref": "#/$defs/none" }
        },
        "$defs": { "none": { "type": ["null", "boolean"] } }
    });
    let list = json!({ "type": "array", "items": { "type": "number", "minimum": -1e6, "maximum": 1e6 }, "minItems": 2, "maxItems": 4 });
    let grammars = [
        Grammar::JsonSchema(person),
        Grammar::JsonSchema(list),
        Grammar::JsonSchema(json!({ "const": "zinc" })),
        Grammar::JsonObject,
    ];
    for grammar in &grammars {
        let schema = if let Grammar::JsonSchema(schema) = grammar {
            schema.clone()
        } else {
            json!({ "type": "object" })
        };
        let valid = jsonschema::validator_for(&schema).unwrap();
        let mut whole = 0;
        for seed in 0..20 {
            // With a token that ends texts, and without.
            let ends: &[u32] = if seed % 2 == 0 { &[200] } else { &[] };
            let Some(text) = generate(&tokenizer, grammar, seed, ends) else { continue };
            let value: Value = match serde_json::from_str(&text) {
                Ok(value) => value,
                // 1e999 is JSON, but does not fit 64 bits.
                Err(why) if why.to_string().contains("out of range") => continue,
                Err(why) => panic!("{why}: {text}"),
            };
            assert!(valid.is_valid(&value), "{text}");
            whole += 1;
        }
        assert!(whole >= 10, "{grammar:?}: {whole} of 20 whole");
    }
}

#[test]
fn calls_name_a_function_and_have_arguments_of_its_schema() {
    let tokenizer = tokenizer();
    let schema = |value: &str| {
        json!({ "type": "object", "required": ["of"], "additionalProperties": false,
            "properties": { "of": { "$ref": "#/$defs/value" } }, "$defs": { "value": { "enum": [value, 7] } } })
    };
    let function = |name: &str| FunctionSchema { name: name.to_owned(), parameters: schema(name) };
    let grammar = Grammar::FunctionCall(vec![function("melt"), function("cool")]);
    let mut called = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let Some(text) = generate(&tokenizer, &grammar, seed, &[]) else { continue };
        let call: Value = serde_json::from_str(&text).unwrap();
        let name = call["name"].as_str().unwrap().to_owned();
        assert!(text.starts_with(&Grammar::call_prefix(&name)), "{text}");
        assert!(jsonschema::validator_for(&schema(&name)).unwrap().is_valid(&call["arguments"]), "{text}");
        called.insert(name);
    }
    assert_eq!(called.into_iter().collect::<Vec<_>>(), ["cool", "melt"]);
}

#[test]
fn invalid_schemas_are_rejected() {
    let tokenizer = tokenizer();
    for followed in [false, true] {
        assert!(
            Grammar::check_schema(&json!({ "type": "object", "properties": { "a": {} } }), followed).is_ok()
        );
        for wrong in [json!(3), json!({ "type": "furnace" }), json!({ "properties": 3 })] {
            assert!(Grammar::check_schema(&wrong, followed).is_err(), "{wrong}");
        }
        let unsupported = json!({ "type": "object", "properties": { "a": { "not": { "type": "string" } } } });
        assert_eq!(Grammar::check_schema(&unsupported, followed).is_err(), followed);
    }
    let endless = Grammar::JsonSchema(json!({ "$ref": "#" }));
    let error = GrammarVocabulary::default().compile(&tokenizer, &endless).unwrap_err().to_string();
    assert!(!error.contains("<state>") && !error.contains("NoExtensionBias"), "{error}");
    for wrong in [json!(3), json!({ "type": "furnace" }), json!({ "$ref": "#/nowhere" }), json!(false)] {
        assert!(
            GrammarVocabulary::default().compile(&tokenizer, &Grammar::JsonSchema(wrong.clone())).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn texts_of_one_grammar_go_their_own_ways() {
    let tokenizer = tokenizer();
    let grammar = Grammar::JsonSchema(json!({ "enum": ["ab", "cd"] }));
    let compiled = GrammarVocabulary::default().compile(&tokenizer, &grammar).unwrap();
    for text in ["\"ab\"", "\"cd\""] {
        let mut state = compiled.begin();
        let tokens = tokenizer.encode_bare(text).unwrap();
        let (last, before) = tokens.split_last().unwrap();
        for token in before {
            assert!(!state.accept(*token).unwrap(), "{text}");
        }
        assert!(state.accept(*last).unwrap(), "{text}");
    }
}

#[test]
fn hostile_schemas_are_refused_within_a_second_each() {
    let tokenizer = tokenizer();
    let options = |count: u32, part: u32| -> Vec<Value> {
        let option = |at: u32| json!({ "type": "object", "properties": { format!("p{part}_{at}"): {} } });
        (0..count).map(option).collect()
    };
    let product: Vec<Value> = (0..6).map(|part| json!({ "anyOf": options(12, part) })).collect();
    let values: Vec<String> = (0..50_000).map(|index| format!("value{index}")).collect();
    let mut deep = json!({ "type": "string" });
    for _ in 0..100 {
        deep = json!({ "type": "array", "items": deep });
    }
    for hostile in [
        json!({ "allOf": product }),
        json!({ "enum": values }),
        deep,
        json!({ "type": "integer", "multipleOf": 1_000_003 }),
        json!({ "type": "string", "pattern": "a".repeat(10_000) }),
        json!({ "const": "a".repeat(2 << 20) }),
    ] {
        let began = std::time::Instant::now();
        let shown: String = hostile.to_string().chars().take(60).collect();
        let vocabulary = GrammarVocabulary::default();
        assert!(Grammar::check_schema(&hostile, true).is_err(), "{shown}");
        let error = vocabulary.compile(&tokenizer, &Grammar::JsonSchema(hostile)).unwrap_err();
        assert!(matches!(error, Error::Grammar { .. }), "{error}");
        // Ten times what an optimised build needs.
        assert!(began.elapsed().as_secs() < 10, "{shown}: {:?}", began.elapsed());
    }
}
