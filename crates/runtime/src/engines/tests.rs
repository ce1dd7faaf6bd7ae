//! Both engines on the same weights, against `PyTorch`'s logits.

use std::cell::Cell;

use cupola_import::{ConversionOptions, EncoderHead, HuggingFaceConfig};
use cupola_nn::{Architecture, DeviceChoice, ReadAt, SafetensorsFile, StateDict, open_device};
use cupola_prep::{Examples, Layout};
use serde_json::Value;

use super::select::trial::examples as sample;
use super::*;

macro_rules! golden {
    ($($name:literal),* $(,)?) => {
        [$((
            include_str!(concat!("../../../nn/src/golden/", $name, ".json")),
            include_bytes!(concat!("../../../nn/src/golden/", $name, ".safetensors")).as_slice(),
        )),*]
    };
}

const CASES: [(&str, &[u8]); 25] = golden![
    "table",
    "cnn",
    "residual",
    "mlp_periodic",
    "resnet_tabular",
    "ft_transformer",
    "tabm",
    "tabm_classes",
    "realmlp",
    "realmlp_classes",
    "resnet18",
    "resnet50",
    "vit",
    "lstm",
    "gru",
    "tcn",
    "text_transformer",
    "llama_block",
    "gpt",
    "llama",
    "dlinear",
    "patchtst",
    "autoencoder",
    "bert",
    "combined",
];

fn case(json: &str, bytes: &[u8]) -> (Architecture, StateDict, StateDict) {
    let value: Value = serde_json::from_str(json).unwrap();
    let file = StateDict::from_safetensors(bytes).unwrap();
    let mut weights = StateDict::default();
    for name in file.names() {
        if let Some(rest) = name.strip_prefix("weight/") {
            weights.insert(rest.to_owned(), file.get(name).unwrap().clone());
        }
    }
    (serde_json::from_value(value["architecture"].clone()).unwrap(), weights, file)
}

fn examples(architecture: &Architecture, file: &StateDict) -> Examples {
    let dense = file.get("dense").unwrap();
    let layout = Layout { blocks: architecture.blocks() };
    #[allow(clippy::cast_possible_truncation)]
    let indices = file.get("indices").unwrap().data.iter().map(|&x| x as i32).collect();
    Examples { layout, rows: dense.shape[0], dense: dense.data.clone(), indices }
}

#[test]
fn eight_bits_stay_near_pytorchs_logits() {
    let device = open_device(DeviceChoice::Flex, || Err(String::new())).unwrap();
    for (json, bytes) in CASES {
        let (architecture, weights, file) = case(json, bytes);
        let expected = &file.get("eval").unwrap().data;
        let (mut engine, report) = build(EngineChoice::Int8, &architecture, &weights, &device).unwrap();
        assert!(report.max_difference.is_some() && engine.name().ends_with("in 8 bits"));
        let found = engine.forward(examples(&architecture, &file)).unwrap();
        let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|x| x * x).sum::<f32>().sqrt();
        let off = norm(&mut found.iter().zip(expected).map(|(a, b)| a - b));
        let off = off / norm(&mut expected.iter().copied());
        assert!(off < 0.05, "{}: {off}", architecture.family);
    }
}

#[test]
fn both_engines_give_pytorchs_logits() {
    let device = open_device(DeviceChoice::Flex, || Err(String::new())).unwrap();
    for (json, bytes) in CASES {
        let (architecture, weights, file) = case(json, bytes);
        let expected = &file.get("eval").unwrap().data;
        for choice in [EngineChoice::Burn, EngineChoice::Candle, EngineChoice::Auto] {
            let (mut engine, report) = build(choice, &architecture, &weights, &device).unwrap();
            let found = engine.forward(examples(&architecture, &file)).unwrap();
            assert_eq!(found.len(), expected.len());
            for (a, b) in found.iter().zip(expected) {
                assert!((a - b).abs() <= 2e-5 * b.abs().max(1.0), "{}: {a}, PyTorch {b}", engine.name());
            }
            if choice == EngineChoice::Auto {
                assert!(report.burn_us.unwrap() > 0.0 && report.candle_us.unwrap() > 0.0);
                assert!(report.max_difference.unwrap() < 1e-4);
            }
        }
    }
}

#[test]
fn one_row_and_many_rows_agree() {
    let device = open_device(DeviceChoice::Flex, || Err(String::new())).unwrap();
    for (json, bytes) in CASES {
        let (architecture, weights, file) = case(json, bytes);
        let all = examples(&architecture, &file);
        for choice in [EngineChoice::Burn, EngineChoice::Candle] {
            let (mut engine, _) = build(choice, &architecture, &weights, &device).unwrap();
            let together = engine.forward(all.clone()).unwrap();
            let width = together.len() / all.rows;
            for row in 0..all.rows {
                let alone = engine.forward(all.gather(&[row])).unwrap();
                for (a, b) in alone.iter().zip(&together[row * width..]) {
                    assert!((a - b).abs() < 1e-5, "row {row}: {a} alone, {b} among others");
                }
            }
        }
    }
}

fn one(engine: &mut dyn Engine, tokens: &[i32], cache: &mut DecoderCache) -> Result<Vec<f32>, Error> {
    Ok(engine.decoder().unwrap().decode(&mut [DecodeRequest::next_token(tokens, cache)])?.remove(0))
}

#[track_caller]
fn near(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{what}: {a}, {b}");
    }
}

#[test]
fn cached_keys_and_values_give_the_logits_of_the_whole_text() {
    let device = open_device(DeviceChoice::Flex, || Err(String::new())).unwrap();
    let mut seen = 0;
    for (case_at, choice) in
        (0..CASES.len()).flat_map(|at| [(at, EngineChoice::Burn), (at, EngineChoice::Candle)])
    {
        let (json, bytes) = CASES[case_at];
        let (architecture, weights, file) = case(json, bytes);
        let (mut engine, _) = build(choice, &architecture, &weights, &device).unwrap();
        let all = examples(&architecture, &file);
        if !architecture.supports_kv_cache() {
            assert!(!engine.capabilities().decodes && engine.decoder().is_none());
            continue;
        }
        seen += 1;
        let mut cache = DecoderCache::default();
        let (length, width) = (architecture.steps(), architecture.output);
        let expected = engine.forward(all.clone()).unwrap();
        // Token by token, then in pieces, then another text, then the same one again.
        let texts = (1..=length).map(|n| (0, n)).chain([(1, 2), (1, length), (0, 3), (0, 3), (0, 1)]);
        for (row, n) in texts {
            let text = &all.indices[row * length..row * length + n];
            if text.contains(&0) {
                continue;
            }
            let found = one(engine.as_mut(), text, &mut cache).unwrap();
            let at = (row * length + n - 1) * width;
            near(&found, &expected[at..at + width], &format!("{n} tokens of row {row}"));
            assert_eq!(cache.tokens(), n);
        }
        assert!(one(engine.as_mut(), &[], &mut cache).is_err());
        assert!(one(engine.as_mut(), &vec![1; length + 1], &mut cache).is_err());
    }
    assert_eq!(seen, 4, "gpt and llama, by both engines");
}

#[test]
fn every_new_token_has_the_logits_of_the_whole_text() {
    let device = open_device(DeviceChoice::Flex, || Err(String::new())).unwrap();
    for (json, bytes) in CASES {
        let (architecture, weights, file) = case(json, bytes);
        if !architecture.supports_kv_cache() {
            continue;
        }
        let (length, width) = (architecture.steps(), architecture.output);
        let all = examples(&architecture, &file);
        // Texts without padding: the first of them whole, the second one in two pieces, each beside a request for one token.
        let text: Vec<i32> = all.indices[..length].iter().map(|token| (*token).max(1)).collect();
        for choice in [EngineChoice::Burn, EngineChoice::Candle] {
            let (mut engine, _) = build(choice, &architecture, &weights, &device).unwrap();
            let mut whole = Examples::zeros(all.layout.clone(), 1);
            whole.indices.copy_from_slice(&text);
            let expected = engine.forward(whole).unwrap();
            let (mut cache, mut other) = (DecoderCache::default(), DecoderCache::default());
            for (from, to) in [(0, length / 2), (length / 2, length)] {
                let mut every = DecodeRequest::next_token(&text[..to], &mut cache);
                every.every_token = true;
                let last = DecodeRequest::next_token(&text[..to], &mut other);
                let found = engine.decoder().unwrap().decode(&mut [every, last]).unwrap();
                near(&found[0], &expected[from * width..to * width], "every token");
                near(&found[1], &expected[(to - 1) * width..to * width], "the last token");
            }
        }
    }
}

/// A model of transformers, its texts, and the logits of the token after each, or of its classes.
struct GoldenModel {
    architecture: Architecture,
    weights: StateDict,
    texts: Vec<Vec<i32>>,
    logits: Vec<Vec<f32>>,
}

impl GoldenModel {
    fn new(json: &str, bytes: &[u8]) -> Self {
        let mut value: Value = serde_json::from_str(json).unwrap();
        let config: HuggingFaceConfig = serde_json::from_value(value["config"].take()).unwrap();
        let weights = StateDict::from_any_floats(bytes).unwrap();
        let logits: Vec<Vec<f32>> = serde_json::from_value(value["logits"].take()).unwrap();
        let head = EncoderHead::Classes { count: logits[0].len() };
        let options = ConversionOptions { length: 48, vocabulary: 37, head };
        let (architecture, weights) = config.into_model(weights, &options).unwrap();
        let texts: Vec<Vec<i32>> = serde_json::from_value(value["texts"].take()).unwrap();
        // Our indices are theirs plus one, because 0 is the padding.
        let texts = texts.into_iter().map(|text| text.into_iter().map(|token| token + 1).collect()).collect();
        Self { architecture, weights, texts, logits }
    }
}

macro_rules! imported {
    ($($name:literal),*) => {
        [$(GoldenModel::new(
            include_str!(concat!("../../../import/src/golden/", $name, ".json")),
            include_bytes!(concat!("../../../import/src/golden/", $name, ".safetensors")),
        )),*]
    };
}

#[test]
fn imported_classifiers_give_the_logits_of_transformers() {
    let device = open_device(DeviceChoice::Flex, || Err(String::new())).unwrap();
    for model in imported![
        "bert_classes",
        "roberta_classes",
        "distilbert_classes",
        "modernbert_classes",
        "modernbert_biased"
    ] {
        for choice in [EngineChoice::Burn, EngineChoice::Candle] {
            let (mut engine, _) = build(choice, &model.architecture, &model.weights, &device).unwrap();
            let layout = Layout { blocks: model.architecture.blocks() };
            let mut examples = Examples::zeros(layout, model.texts.len());
            for (row, text) in examples.indices.chunks_mut(48).zip(&model.texts) {
                row[..text.len()].copy_from_slice(text);
            }
            let found = engine.forward(examples).unwrap();
            let rows = found.chunks(model.architecture.output);
            for (at, (found, expected)) in rows.zip(&model.logits).enumerate() {
                // With two classes our one logit is the difference of theirs.
                let second = [expected[1] - expected[0]];
                let expected = if expected.len() == 2 { &second[..] } else { expected };
                for (a, b) in found.iter().zip(expected) {
                    let what = format!("{}, text {at}", engine.name());
                    assert!((a - b).abs() <= 2e-5 * b.abs().max(1.0), "{what}: {a}, transformers {b}");
                }
            }
        }
    }
}

#[test]
fn imported_decoders_give_the_logits_of_transformers() {
    let device = open_device(DeviceChoice::Flex, || Err(String::new())).unwrap();
    let models = imported![
        "llama",
        "mistral",
        "qwen2",
        "llama3",
        "llama_linear",
        "gpt2",
        "qwen3",
        "gemma",
        "gemma2",
        "gemma3",
        "phi3",
        "phi3_long",
        "mistral_window",
        "llama_yarn",
        "llama_dynamic",
        "gpt2_scaled"
    ];
    for model in models {
        for choice in [EngineChoice::Burn, EngineChoice::Candle, EngineChoice::Auto] {
            let (mut engine, _) = build(choice, &model.architecture, &model.weights, &device).unwrap();
            let mut caches: Vec<DecoderCache> = model.texts.iter().map(|_| DecoderCache::default()).collect();
            // All at once, each at its own length, then each from the first token again in steps of three.
            let requests = model
                .texts
                .iter()
                .zip(&mut caches)
                .map(|(tokens, cache)| DecodeRequest::next_token(tokens, cache));
            let together = engine.decoder().unwrap().decode(&mut requests.collect::<Vec<_>>()).unwrap();
            let mut stepwise = vec![Vec::new(); model.texts.len()];
            let longest = model.texts.iter().map(Vec::len).max().unwrap();
            for end in (1..longest + 3).step_by(3) {
                let (mut requests, mut rows) = (Vec::new(), Vec::new());
                for (row, (text, cache)) in model.texts.iter().zip(&mut caches).enumerate() {
                    if end < text.len() + 3 {
                        requests.push(DecodeRequest::next_token(&text[..end.min(text.len())], cache));
                        rows.push(row);
                    }
                }
                let logits = engine.decoder().unwrap().decode(&mut requests).unwrap();
                rows.into_iter().zip(logits).for_each(|(row, logits)| stepwise[row] = logits);
            }
            for (at, expected) in model.logits.iter().enumerate() {
                for found in [&together[at], &stepwise[at]] {
                    // Our first logit is the padding's.
                    for (a, b) in found[1..].iter().zip(expected) {
                        let what = format!("{}, text {at}", engine.name());
                        assert!((a - b).abs() <= 2e-5 * b.abs().max(1.0), "{what}: {a}, transformers {b}");
                    }
                }
            }
        }
    }
}

#[test]
fn texts_of_all_lengths_give_the_logits_of_each_alone() {
    let device = open_device(DeviceChoice::Flex, || Err(String::new())).unwrap();
    let (json, bytes) = CASES[23];
    let (architecture, weights, _) = case(json, bytes);
    assert!(architecture.trims_padding(), "texts of a batch are trimmed to the longest");
    let rows = 200;
    let mut all = sample(&architecture, rows);
    let length = all.indices.len() / rows;
    for (row, tokens) in all.indices.chunks_mut(length).enumerate() {
        for token in &mut *tokens {
            *token = (*token).max(1);
        }
        // Some texts are empty.
        tokens[row * 7 % (length + 1)..].fill(0);
    }
    let (mut engine, _) = build(EngineChoice::Candle, &architecture, &weights, &device).unwrap();
    let found = engine.forward(all.clone()).unwrap();
    let width = found.len() / rows;
    for (row, found) in found.chunks(width).enumerate() {
        let alone = engine.forward(all.gather(&[row])).unwrap();
        for (a, b) in found.iter().zip(&alone) {
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "row {row}: {a}, alone {b}");
        }
    }
}

/// Bytes of a file that count how much of them is read.
struct CountedFile {
    bytes: Vec<u8>,
    largest: Cell<usize>,
    total: Cell<usize>,
}

impl ReadAt for &CountedFile {
    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.largest.set(self.largest.get().max(buffer.len()));
        self.total.set(self.total.get() + buffer.len());
        self.bytes.as_slice().read_exact_at(buffer, offset)
    }
}

#[test]
fn an_engine_reads_each_weight_of_a_file_once() {
    let device = open_device(DeviceChoice::Flex, || Err(String::new())).unwrap();
    for (json, bytes) in CASES {
        let (architecture, weights, file) = case(json, bytes);
        let input = examples(&architecture, &file);
        // Int8 builds the exact engine first.
        let choices = [(EngineChoice::Burn, 1), (EngineChoice::Candle, 1), (EngineChoice::Int8, 2)];
        for (choice, times) in choices {
            let bytes = weights.to_safetensors().unwrap();
            let all: usize = weights.names().map(|name| 4 * weights.get(name).unwrap().data.len()).sum();
            let counted = CountedFile { bytes, largest: Cell::default(), total: Cell::default() };
            let opened = SafetensorsFile::open(&counted).unwrap();
            counted.largest.set(0);
            counted.total.set(0);
            let (mut lent, report) = build(choice, &architecture, &opened, &device).unwrap();
            let name = format!("{}, {}", architecture.family, report.engine);
            assert!(counted.total.get() <= times * all, "{name}: {} of {all}", counted.total.get());
            assert!(counted.largest.get() <= 1 << 20, "{name}: {} at once", counted.largest.get());
            let (mut copied, _) = build(choice, &architecture, &weights, &device).unwrap();
            let (a, b) = (lent.forward(input.clone()).unwrap(), copied.forward(input.clone()).unwrap());
            assert_eq!(a, b, "{name}");
        }
    }
}
