//! GPT-2, a decoder with learned positions (Radford et al. 2019).

use cupola_nn::{Architecture, Array, Average, StateDict};
use cupola_spec::{Activation, Block, Design, Head, Layer};
use serde::{Deserialize, Serialize};

use super::check_sizes;
use super::weights::{check_leftover, insert_embeddings, take_weight, text_model};
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
    /// `true` if attention scores are also divided by the block's number, which no layer does.
    #[serde(default)]
    pub scale_attn_by_inverse_layer_idx: bool,
}

/// Cupola's and GPT-2's names of a block's norms.
const NORMS: [[&str; 2]; 2] = [["0.layers.0", "ln_1"], ["1.layers.0", "ln_2"]];
/// Names of a block's linear maps, whose weights are `[in, out]` in GPT-2.
const LINEAR: [[&str; 2]; 3] =
    [["0.layers.1.o", "attn.c_proj"], ["1.layers.1", "mlp.c_fc"], ["1.layers.3", "mlp.c_proj"]];

impl Gpt2Config {
    fn inner(&self) -> usize {
        self.n_inner.unwrap_or(4 * self.n_embd)
    }

    /// The decoder as a list of layers.
    fn layers(&self) -> Vec<Layer> {
        let norm = || Layer::LayerNorm { eps: Some(self.layer_norm_epsilon) };
        let residual = |layers: Vec<Layer>| Layer::Residual { layers, shortcut: Vec::new(), drop_path: 0.0 };
        let linear = |out| Layer::Linear { out, bias: true };
        let attention = Layer::Attention {
            heads: self.n_head,
            kv_heads: None,
            causal: true,
            rope: false,
            rope_base: None,
            rope_scaling: None,
            bias: true,
            dropout: 0.0,
        };
        let block = || {
            let function = Layer::Activation { function: self.activation_function };
            let forward = vec![norm(), linear(self.inner()), function, linear(self.n_embd)];
            [residual(vec![norm(), attention.clone()]), residual(forward)]
        };
        let blocks = (0..self.n_layer).flat_map(|_| block());
        std::iter::once(Layer::Position {}).chain(blocks).chain([norm()]).collect()
    }

    /// Network for texts of up to `length` tokens whose output are the logits of the next of `vocabulary` tokens.
    pub(super) fn convert(
        &self,
        mut weights: StateDict,
        length: usize,
        vocabulary: usize,
    ) -> Result<(Architecture, StateDict), Error> {
        self.check(vocabulary)?;
        let (length, width) = (length.min(self.n_positions), self.n_embd);
        let mut converted = StateDict::default();
        let mut take = |name: &str| take_weight(&mut weights, "transformer", name);
        let (tokens, head) = (take("wte.weight")?, take("lm_head.weight").ok());
        insert_embeddings(&mut converted, tokens, head, [vocabulary, width])?;
        let mut position = take("wpe.weight")?.data;
        position.truncate(length * width);
        converted.insert("trunk.0.position".into(), Array { shape: vec![length, width], data: position });
        for block in 0..self.n_layer {
            convert_block(&mut converted, &mut take, block, width)?;
        }
        for part in ["weight", "bias"] {
            let last = format!("trunk.{}.{part}", 1 + 2 * self.n_layer);
            converted.insert(last, take(&format!("ln_f.{part}"))?);
        }
        // Old files also hold the causal masks.
        let is_mask = |name: &str| name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
        check_leftover(weights.names().filter(|name| !is_mask(name)))?;
        let design = Design { head: Head::Steps, ..Design::of(self.layers(), width) };
        let text = Block::Text { length, vocabulary: vocabulary + 1 };
        text_model("gpt", &design, text, (vocabulary + 1, Average::Softmax), converted)
    }

    fn check(&self, vocabulary: usize) -> Result<(), Error> {
        let sizes = [
            ("n_embd", self.n_embd),
            ("n_head", self.n_head),
            ("n_positions", self.n_positions),
            ("n_inner", self.n_inner.unwrap_or_default()),
            ("vocab_size", vocabulary),
        ];
        check_sizes(self.n_layer, &sizes)?;
        if self.scale_attn_by_inverse_layer_idx {
            let what = "attention scores are divided by the block's number";
            return Err(Error::Unsupported { what: what.to_owned() });
        }
        Ok(())
    }
}

fn convert_block(
    converted: &mut StateDict,
    take: &mut impl FnMut(&str) -> Result<Array, Error>,
    block: usize,
    width: usize,
) -> Result<(), Error> {
    let place = |name: &str| {
        let (part, rest) = name.split_at(1);
        format!("trunk.{}{rest}", 1 + 2 * block + usize::from(part == "1"))
    };
    for [name, theirs] in NORMS {
        for part in ["weight", "bias"] {
            converted.insert(format!("{}.{part}", place(name)), take(&format!("h.{block}.{theirs}.{part}"))?);
        }
    }
    for [name, theirs] in LINEAR {
        let weight = transposed(&take(&format!("h.{block}.{theirs}.weight"))?);
        converted.insert(format!("{}.weight", place(name)), weight);
        converted.insert(format!("{}.bias", place(name)), take(&format!("h.{block}.{theirs}.bias"))?);
    }
    // GPT-2 computes queries, keys and values by one map.
    let weight = transposed(&take(&format!("h.{block}.attn.c_attn.weight"))?);
    let bias = take(&format!("h.{block}.attn.c_attn.bias"))?;
    for (index, name) in ["q", "k", "v"].into_iter().enumerate() {
        let name = place(&format!("0.layers.1.{name}"));
        converted.insert(format!("{name}.weight"), third(&weight, index, vec![width, width]));
        converted.insert(format!("{name}.bias"), third(&bias, index, vec![width]));
    }
    Ok(())
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

fn small() -> f64 {
    1e-5
}
