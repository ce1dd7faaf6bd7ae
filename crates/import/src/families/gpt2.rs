//! GPT-2, a decoder with learned positions (Radford et al. 2019).

use cupola_nn::{Architecture, Array, Average, StateDict};
use cupola_spec::{Activation, AttentionVariant, Block, Design, Head, Layer};
use serde::{Deserialize, Serialize};

use super::EncoderHead;
use super::check_sizes;
use super::weights::{WeightTaker, decoder_head, insert_head, text_model, with_padding_row};
use crate::error::Error;

/// `config.json` of a GPT-2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Gpt2Config {
    pub n_embd: usize,
    pub n_layer: usize,
    pub n_head: usize,
    pub n_positions: usize,
    pub vocab_size: usize,
    /// Width of the feed-forward layers; `None` for four times the width of the others.
    #[serde(default)]
    pub n_inner: Option<usize>,
    #[serde(default = "gelu_tanh")]
    pub activation_function: Activation,
    #[serde(default = "small")]
    pub layer_norm_epsilon: f64,
    /// `true` if attention scores are also divided by the block's number.
    #[serde(default)]
    pub scale_attn_by_inverse_layer_idx: bool,
    /// `false` if attention scores are not divided by the root of a head's width.
    #[serde(default = "yes")]
    pub scale_attn_weights: bool,
    /// `true` if the embeddings are also the map to the logits.
    #[serde(default = "yes")]
    pub tie_word_embeddings: bool,
}

/// Cupola's and GPT-2's names of a block's norms.
const NORMS: [[&str; 2]; 2] = [["0.layers.0", "ln_1"], ["1.layers.0", "ln_2"]];
/// Names of a block's linear maps, whose weights are `[in, out]` in GPT-2.
const LINEAR: [[&str; 2]; 3] =
    [["0.layers.1.o", "attn.c_proj"], ["1.layers.1", "mlp.c_fc"], ["1.layers.3", "mlp.c_proj"]];

impl Gpt2Config {
    fn inner(&self) -> usize {
        self.n_inner.unwrap_or(self.n_embd.saturating_mul(4))
    }

    /// Factor of the scores of a block; `None` for `1 / sqrt(head_width)`.
    #[allow(clippy::cast_precision_loss, reason = "widths and numbers of blocks are small")]
    fn scale(&self, block: usize) -> Option<f64> {
        if self.scale_attn_weights && !self.scale_attn_by_inverse_layer_idx {
            return None;
        }
        let head = (self.n_embd / self.n_head.max(1)).max(1) as f64;
        let own = if self.scale_attn_weights { 1.0 / head.sqrt() } else { 1.0 };
        Some(if self.scale_attn_by_inverse_layer_idx { own / (block + 1) as f64 } else { own })
    }

    /// The decoder as a list of layers.
    fn layers(&self) -> Vec<Layer> {
        let norm = || Layer::LayerNorm { eps: Some(self.layer_norm_epsilon) };
        let residual = |layers: Vec<Layer>| Layer::Residual { layers, shortcut: Vec::new(), drop_path: 0.0 };
        let linear = |out| Layer::Linear { out, bias: true };
        let attention = |block: usize| Layer::Attention {
            heads: self.n_head,
            kv_heads: None,
            causal: true,
            rope: false,
            rope_base: None,
            rope_scaling: None,
            bias: true,
            dropout: 0.0,
            variant: AttentionVariant { scale: self.scale(block), ..AttentionVariant::default() },
        };
        let block = |block: usize| {
            let function = Layer::Activation { function: self.activation_function };
            let forward = vec![norm(), linear(self.inner()), function, linear(self.n_embd)];
            [residual(vec![norm(), attention(block)]), residual(forward)]
        };
        let blocks = (0..self.n_layer).flat_map(block);
        std::iter::once(Layer::Position {}).chain(blocks).chain([norm()]).collect()
    }

    /// Network for texts of up to `length` tokens whose output are the logits of the next of `vocabulary` tokens, or
    /// the vector of an [`EncoderHead::Embedding`].
    pub(super) fn convert(
        &self,
        weights: StateDict,
        (length, vocabulary): (usize, usize),
        head: &EncoderHead,
    ) -> Result<(Architecture, StateDict), Error> {
        self.check()?;
        let (length, width) = (length.min(self.n_positions), self.n_embd);
        let mut converted = StateDict::default();
        let mut taker = WeightTaker::new(weights, "transformer");
        let tokens = taker.take("wte.weight", &[self.vocab_size, width])?;
        let lm_head = taker.optional("lm_head.weight", &[self.vocab_size, width])?;
        if !matches!(head, EncoderHead::Embedding(_)) {
            let lm_head = decoder_head(&tokens, lm_head, self.tie_word_embeddings)?;
            insert_head(&mut converted, lm_head, [vocabulary, width])?;
        }
        converted.insert("tokens.weight".into(), with_padding_row(tokens, vocabulary, width)?);
        let mut position = taker.take("wpe.weight", &[self.n_positions, width])?.data;
        position.truncate(length * width);
        converted.insert("trunk.0.position".into(), Array { shape: vec![length, width], data: position });
        for block in 0..self.n_layer {
            self.convert_block(&mut converted, &mut taker, block)?;
        }
        for part in ["weight", "bias"] {
            let last = format!("trunk.{}.{part}", 1 + 2 * self.n_layer);
            converted.insert(last, taker.take(&format!("ln_f.{part}"), &[width])?);
        }
        // Old files also hold the causal masks.
        taker.finish(|name| name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias"))?;
        let mut layers = self.layers();
        let text = Block::Text { length, vocabulary: vocabulary + 1 };
        if let EncoderHead::Embedding(embedding) = head {
            let output = embedding.append(&mut layers, &mut converted, width);
            let design = Design { head: Head::Identity, ..Design::of(layers, width) };
            return text_model("gpt", &design, text, (output, Average::Output), converted);
        }
        let design = Design { head: Head::Steps, ..Design::of(layers, width) };
        text_model("gpt", &design, text, (vocabulary + 1, Average::Softmax), converted)
    }

    fn check(&self) -> Result<(), Error> {
        let sizes = [
            ("n_embd", self.n_embd),
            ("n_head", self.n_head),
            ("n_positions", self.n_positions),
            ("n_inner", self.n_inner.unwrap_or_default()),
            ("vocab_size", self.vocab_size),
        ];
        check_sizes(self.n_layer, &sizes)
    }

    /// Shape of a linear map's weight, `[in, out]` in GPT-2.
    fn shape(&self, theirs: &str) -> [usize; 2] {
        match theirs {
            "mlp.c_fc" => [self.n_embd, self.inner()],
            "mlp.c_proj" => [self.inner(), self.n_embd],
            "attn.c_attn" => [self.n_embd, self.n_embd.saturating_mul(3)],
            _ => [self.n_embd, self.n_embd],
        }
    }

    fn convert_block(
        &self,
        converted: &mut StateDict,
        taker: &mut WeightTaker,
        block: usize,
    ) -> Result<(), Error> {
        let width = self.n_embd;
        let mut take = |name: &str, shape: &[usize]| taker.take(&format!("h.{block}.{name}"), shape);
        let place = |name: &str| {
            let (part, rest) = name.split_at(1);
            format!("trunk.{}{rest}", 1 + 2 * block + usize::from(part == "1"))
        };
        for [name, theirs] in NORMS {
            for part in ["weight", "bias"] {
                let norm = take(&format!("{theirs}.{part}"), &[width])?;
                converted.insert(format!("{}.{part}", place(name)), norm);
            }
        }
        for [name, theirs] in LINEAR {
            let shape = self.shape(theirs);
            let weight = transposed(&take(&format!("{theirs}.weight"), &shape)?);
            converted.insert(format!("{}.weight", place(name)), weight);
            let bias = take(&format!("{theirs}.bias"), &shape[1..])?;
            converted.insert(format!("{}.bias", place(name)), bias);
        }
        // GPT-2 computes queries, keys and values by one map.
        let shape = self.shape("attn.c_attn");
        let weight = transposed(&take("attn.c_attn.weight", &shape)?);
        let bias = take("attn.c_attn.bias", &shape[1..])?;
        for (index, name) in ["q", "k", "v"].into_iter().enumerate() {
            let name = place(&format!("0.layers.1.{name}"));
            converted.insert(format!("{name}.weight"), third(&weight, index, vec![width, width]));
            converted.insert(format!("{name}.bias"), third(&bias, index, vec![width]));
        }
        Ok(())
    }
}

/// `[in, out]` as `[out, in]`.
fn transposed(array: &Array) -> Array {
    let [input, output] = array.shape[..] else { return array.clone() };
    let data = (0..output).flat_map(|o| (0..input).map(move |i| array.data[i * output + o])).collect();
    Array { shape: vec![output, input], data }
}

/// One of three parts; empty if the array is shorter, which the check of all sizes refuses.
fn third(array: &Array, index: usize, shape: Vec<usize>) -> Array {
    let size: usize = shape.iter().product();
    let data = array.data.get(index * size..(index + 1) * size).unwrap_or_default().to_vec();
    Array { shape, data }
}

fn gelu_tanh() -> Activation {
    Activation::GeluTanh
}

fn yes() -> bool {
    true
}

fn small() -> f64 {
    1e-5
}
