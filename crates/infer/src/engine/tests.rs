//! Both engines on the same weights, against `PyTorch`'s logits.

use cupola_nn::{Choice, open};
use serde_json::Value;

use super::*;

macro_rules! golden {
    ($($name:literal),* $(,)?) => {
        [$((
            include_str!(concat!("../../../nn/src/golden/", $name, ".json")),
            include_bytes!(concat!("../../../nn/src/golden/", $name, ".safetensors")).as_slice(),
        )),*]
    };
}

const CASES: [(&str, &[u8]); 23] = golden![
    "table",
    "cnn",
    "residual",
    "mlp_periodic",
    "resnet_tabular",
    "ft_transformer",
    "tabm",
    "tabm_classes",
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
    let device = open(Choice::Flex, || Err(String::new())).unwrap();
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
    let device = open(Choice::Flex, || Err(String::new())).unwrap();
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
    let device = open(Choice::Flex, || Err(String::new())).unwrap();
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

#[test]
fn kept_keys_and_values_give_the_logits_of_the_whole_text() {
    let device = open(Choice::Flex, || Err(String::new())).unwrap();
    let mut seen = 0;
    for (json, bytes) in CASES {
        let (architecture, weights, file) = case(json, bytes);
        let (mut engine, _) = build(EngineChoice::Burn, &architecture, &weights, &device).unwrap();
        let all = examples(&architecture, &file);
        if !architecture.caches() {
            assert!(engine.next(&[1], &mut Kept::default()).is_none());
            continue;
        }
        seen += 1;
        let mut kept = Kept::default();
        let (length, width) = (architecture.steps(), architecture.output);
        let expected = engine.forward(all.clone()).unwrap();
        // Token by token, then in pieces, then another text, then the same one again.
        let texts = (1..=length).map(|n| (0, n)).chain([(1, 2), (1, length), (0, 3), (0, 3), (0, 1)]);
        for (row, n) in texts {
            let text = &all.indices[row * length..row * length + n];
            if text.contains(&0) {
                continue;
            }
            let found = engine.next(text, &mut kept).unwrap().unwrap();
            let at = (row * length + n - 1) * width;
            for (a, b) in found.iter().zip(&expected[at..at + width]) {
                assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{n} tokens of row {row}: {a}, {b}");
            }
        }
        assert!(engine.next(&[], &mut kept).unwrap().is_err());
        assert!(engine.next(&vec![1; length + 1], &mut kept).unwrap().is_err());
    }
    assert_eq!(seen, 2, "gpt and llama");
}

#[test]
fn texts_of_all_lengths_are_answered_as_each_alone() {
    let device = open(Choice::Flex, || Err(String::new())).unwrap();
    let (json, bytes) = CASES[21];
    let (architecture, weights, _) = case(json, bytes);
    assert!(architecture.trims(), "texts of a batch are cut to the longest");
    let rows = 200;
    let mut all = sample(&architecture, rows);
    let length = all.indices.len() / rows;
    for (row, tokens) in all.indices.chunks_mut(length).enumerate() {
        for token in &mut *tokens {
            *token = (*token).max(1);
        }
        // Some have none at all.
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
