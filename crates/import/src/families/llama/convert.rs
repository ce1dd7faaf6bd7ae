//! Weights of a decoder under Cupola's names.

use cupola_nn::{Architecture, Array, Average, StateDict};
use cupola_spec::{Block, Design, Head};

use super::network::DecoderNetwork;
use super::{LlamaConfig, LlamaVariant};
use crate::error::Error;
use crate::families::EncoderHead;
use crate::families::weights::{
    WeightTaker, decoder_head, insert_head, joined_rows, split_rows, text_model, with_padding_row,
};

/// Weights on their way to Cupola's names.
struct Conversion<'a> {
    network: &'a DecoderNetwork,
    taker: WeightTaker,
    converted: StateDict,
    /// `true` once a linear map of attention has a bias.
    attention_bias: bool,
    /// `true` once a linear map of the feed-forward layers has a bias.
    mlp_bias: bool,
}

impl LlamaConfig {
    /// Network for texts of up to `length` tokens whose output are the logits of the next of `vocabulary` tokens, or
    /// the vector of an [`EncoderHead::Embedding`].
    pub(in crate::families) fn convert(
        &self,
        variant: LlamaVariant,
        weights: StateDict,
        (length, vocabulary): (usize, usize),
        head: &EncoderHead,
    ) -> Result<(Architecture, StateDict), Error> {
        let length = length.min(self.max_position_embeddings);
        let network = self.network(variant, length)?;
        let taker = WeightTaker::new(weights, "model");
        let converted = StateDict::default();
        let mut all =
            Conversion { network: &network, taker, converted, attention_bias: false, mlp_bias: false };
        let shape = [self.vocab_size, network.width];
        let mut tokens = all.taker.take("embed_tokens.weight", &shape)?;
        let lm_head = all.taker.optional("lm_head.weight", &shape)?;
        if let EncoderHead::Classes { .. } | EncoderHead::NextToken = head {
            let lm_head = decoder_head(&tokens, lm_head, network.tied)?;
            insert_head(&mut all.converted, lm_head, [vocabulary, network.width])?;
        }
        tokens.data.iter_mut().for_each(|value| *value *= network.embedding_scale);
        all.converted.insert("tokens.weight".into(), with_padding_row(tokens, vocabulary, network.width)?);
        for block in 0..network.blocks {
            all.attention(block)?;
            all.feed_forward(block)?;
        }
        all.norm(&format!("trunk.{}.weight", 2 * network.blocks), "norm", network.width)?;
        all.finish(self, head, (length, vocabulary))
    }
}

impl Conversion<'_> {
    /// Takes a norm's weight.
    fn norm(&mut self, own: &str, theirs: &str, width: usize) -> Result<(), Error> {
        let mut weight = self.taker.take(&format!("{theirs}.weight"), &[width])?;
        if self.network.unit_offset {
            weight.data.iter_mut().for_each(|value| *value += 1.0);
        }
        self.converted.insert(own.to_owned(), weight);
        Ok(())
    }

    /// Takes the weight `[rows, columns]` of a linear map and, if there is one, its bias.
    fn linear(&mut self, name: &str, [rows, columns]: [usize; 2]) -> Result<[Option<Array>; 2], Error> {
        let weight = self.taker.take(&format!("{name}.weight"), &[rows, columns])?;
        Ok([Some(weight), self.taker.optional(&format!("{name}.bias"), &[rows])?])
    }

    /// Inserts weight and bias of a linear map; returns `true` if it has a bias.
    fn insert(&mut self, own: &str, [weight, bias]: [Option<Array>; 2]) -> bool {
        let has_bias = bias.is_some();
        for (part, array) in [("weight", weight), ("bias", bias)] {
            if let Some(array) = array {
                self.converted.insert(format!("{own}.{part}"), array);
            }
        }
        has_bias
    }

    fn attention(&mut self, block: usize) -> Result<(), Error> {
        let &DecoderNetwork { width, heads, kv_heads, head_width, .. } = self.network;
        let (q, kv) = (heads * head_width, kv_heads * head_width);
        let (own, theirs) = (format!("trunk.{}.layers", 2 * block), format!("layers.{block}"));
        self.norm(&format!("{own}.0.weight"), &format!("{theirs}.input_layernorm"), width)?;
        let parts = [("q", q), ("k", kv), ("v", kv)];
        let mut maps = Vec::new();
        if self.network.fused {
            let joined = self.linear(&format!("{theirs}.self_attn.qkv_proj"), [q + 2 * kv, width])?;
            maps = split_rows(joined, &parts.map(|(_, rows)| rows))?;
        } else {
            for (name, rows) in parts {
                maps.push(self.linear(&format!("{theirs}.self_attn.{name}_proj"), [rows, width])?);
            }
        }
        for ((name, _), map) in parts.into_iter().zip(maps) {
            self.attention_bias |= self.insert(&format!("{own}.1.{name}"), map);
        }
        let output = self.linear(&format!("{theirs}.self_attn.o_proj"), [width, q])?;
        let output_name = format!("{own}.1.o");
        if !self.insert(&output_name, output) && self.attention_bias {
            let bias = Array { shape: vec![width], data: vec![0.0; width] };
            self.converted.insert(format!("{output_name}.bias"), bias);
        }
        if self.network.attention.norm_eps.is_some() {
            for name in ["q_norm", "k_norm"] {
                let theirs = format!("{theirs}.self_attn.{name}");
                self.norm(&format!("{own}.1.{name}.weight"), &theirs, head_width)?;
            }
        }
        if self.network.post_norms {
            let name = format!("{theirs}.post_attention_layernorm");
            self.norm(&format!("{own}.2.weight"), &name, width)?;
        }
        Ok(())
    }

    fn feed_forward(&mut self, block: usize) -> Result<(), Error> {
        let &DecoderNetwork { width, inner, .. } = self.network;
        let (own, theirs) = (format!("trunk.{}.layers", 2 * block + 1), format!("layers.{block}"));
        let (before, after) = ("pre_feedforward_layernorm", "post_feedforward_layernorm");
        let before = if self.network.post_norms { before } else { "post_attention_layernorm" };
        self.norm(&format!("{own}.0.weight"), &format!("{theirs}.{before}"), width)?;
        let [gate, up] = if self.network.fused {
            let joined = self.linear(&format!("{theirs}.mlp.gate_up_proj"), [2 * inner, width])?;
            let mut parts = split_rows(joined, &[inner, inner])?.into_iter();
            [parts.next().unwrap_or_default(), parts.next().unwrap_or_default()]
        } else {
            let gate = self.linear(&format!("{theirs}.mlp.gate_proj"), [inner, width])?;
            [gate, self.linear(&format!("{theirs}.mlp.up_proj"), [inner, width])?]
        };
        // Both maps in one, the gated half first.
        let [(gate, gate_bias), (up, up_bias)] = [gate, up].map(|[weight, bias]| (weight, bias));
        let joined = [joined_rows(up, gate), joined_rows(up_bias, gate_bias)];
        self.mlp_bias |= self.insert(&format!("{own}.1"), joined);
        let down = self.linear(&format!("{theirs}.mlp.down_proj"), [width, inner])?;
        self.mlp_bias |= self.insert(&format!("{own}.3"), down);
        if self.network.post_norms {
            self.norm(&format!("{own}.4.weight"), &format!("{theirs}.{after}"), width)?;
        }
        Ok(())
    }

    fn finish(
        mut self,
        config: &LlamaConfig,
        head: &EncoderHead,
        (length, vocabulary): (usize, usize),
    ) -> Result<(Architecture, StateDict), Error> {
        // Old files also hold the rotary frequencies, which follow from the configuration.
        self.taker.finish(|name| name.ends_with("inv_freq"))?;
        let flags = [
            ("attention_bias", config.attention_bias, self.attention_bias),
            ("mlp_bias", config.mlp_bias, self.mlp_bias),
        ];
        let contradicts =
            |(_, flag, found): &&(&str, Option<bool>, bool)| flag.is_some_and(|flag| flag != *found);
        if let Some((key, flag, _)) = flags.iter().find(contradicts) {
            let found = flag.unwrap_or_default().to_string();
            let remedy = "the weights say the opposite; take both from one model";
            return Err(Error::unsupported_key("config.json", key, &found, remedy));
        }
        let network = self.network;
        let mut layers = network.layers(self.attention_bias, self.mlp_bias);
        let text = Block::Text { length, vocabulary: vocabulary + 1 };
        if let EncoderHead::Embedding(embedding) = head {
            let width = embedding.append(&mut layers, &mut self.converted, network.width);
            let design = Design { head: Head::Identity, ..Design::of(layers, network.width) };
            return text_model("llama", &design, text, (width, Average::Output), self.converted);
        }
        let design = Design { head: Head::Steps, ..Design::of(layers, network.width) };
        let output = (vocabulary + 1, Average::Softmax);
        let (mut architecture, weights) = text_model("llama", &design, text, output, self.converted)?;
        architecture.logit_softcap = network.logit_softcap;
        Ok((architecture, weights))
    }
}
