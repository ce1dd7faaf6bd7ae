//! Decoding in steps against the forward pass of whole sequences.

use cupola_spec::{Block, Head, TableStem};

use super::*;
use crate::{Architecture, Average, InputBatch, InputSource, RandomWeights};

const LENGTH: usize = 12;
const VOCABULARY: usize = 9;

fn network(trunk: Vec<cupola_spec::Layer>) -> Network {
    let block = Block::Text { length: LENGTH, vocabulary: VOCABULARY };
    let source = InputSource {
        name: String::new(),
        block,
        widths: vec![8],
        stem: TableStem::Concat,
        encoder: Vec::new(),
    };
    let architecture = Architecture {
        family: "layers".into(),
        sources: vec![source],
        trunk,
        head: Head::Steps,
        average: Average::Output,
        level: None,
        logit_softcap: None,
        logit_range: None,
        lora: None,
        parts: Vec::new(),
        stacked: false,
        output: VOCABULARY,
        names: std::collections::BTreeMap::new(),
    };
    assert!(architecture.supports_kv_cache());
    Network::build(&architecture, &mut RandomWeights { seed: 1 }, &Device::flex()).unwrap()
}

#[test]
fn sequences_decode_together_with_heads_of_several_widths_and_without_attention() {
    let device = Device::flex();
    let attention = |heads| cupola_spec::Layer::Attention {
        heads,
        kv_heads: None,
        causal: true,
        rope: true,
        rope_base: None,
        rope_scaling: None,
        bias: true,
        dropout: 0.0,
        variant: cupola_spec::AttentionVariant::default(),
    };
    let (norm, position) = (cupola_spec::Layer::LayerNorm { eps: None }, cupola_spec::Layer::Position {});
    for trunk in [vec![position, attention(2), attention(4), norm.clone()], vec![norm]] {
        let network = network(trunk);
        let texts: Vec<Vec<i32>> =
            (0..3).map(|row| (0..12).map(|i| (i * 5 + row) % 8 + 1).collect()).collect();
        let input = InputBatch::new(3, Vec::new(), texts.concat(), &device);
        let whole = network.forward(&input).try_into_vec_as::<f32>().unwrap();
        let mut caches = [0, 1, 2].map(|_| network.new_kv_cache(&device));
        // The sequences have different lengths and grow by different steps.
        for step in 1..=LENGTH {
            let ends = [step, step.div_ceil(2), step.next_multiple_of(3)];
            let each = texts.iter().zip(ends).zip(&mut caches);
            let mut each: Vec<SequenceStep<'_>> = each
                .map(|((text, end), cache)| SequenceStep { tokens: &text[..end], cache, every_token: false })
                .collect();
            let logits = network.decode(&mut each, &device).unwrap();
            for (row, (end, logits)) in ends.into_iter().zip(logits).enumerate() {
                let expected = &whole[(row * LENGTH + end - 1) * VOCABULARY..][..VOCABULARY];
                for (a, b) in logits.iter().zip(expected) {
                    assert!((a - b).abs() < 1e-5, "text {row} up to {end}: {a}, the whole text {b}");
                }
            }
        }
    }
}
