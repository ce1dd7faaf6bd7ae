//! GPT-2 (Radford et al. 2019).

use cupola_spec::{Activation, Block, Design, Head, Layer};
use serde::{Deserialize, Serialize};

use crate::architecture::{Architecture, Average};
use crate::error::Error;
use crate::hugging_face::{bounded, ends, network, taken};
use crate::state_dict::{Array, StateDict};

/// Sizes of a GPT-2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Gpt2 {
    pub n_embd: usize,
    pub n_layer: usize,
    pub n_head: usize,
    pub n_positions: usize,
    pub vocab_size: usize,
    /// Width of the feed-forward layers; four times that of the others where left out.
    #[serde(default)]
    pub n_inner: Option<usize>,
    #[serde(default = "gelu_tanh")]
    pub activation_function: Activation,
    #[serde(default = "small")]
    pub layer_norm_epsilon: f64,
    /// Whether scores are divided by the block's number too.
    #[serde(default)]
    pub scale_attn_by_inverse_layer_idx: bool,
}

/// Modules of a block that are taken as they are, ours and theirs.
const NORMS: [[&str; 2]; 2] = [["0.layers.0", "ln_1"], ["1.layers.0", "ln_2"]];
/// Linear maps of a block, whose weights are `[in, out]` there.
const MAPS: [[&str; 2]; 3] =
    [["0.layers.1.o", "attn.c_proj"], ["1.layers.1", "mlp.c_fc"], ["1.layers.3", "mlp.c_proj"]];

impl Gpt2 {
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

    /// The network for texts of up to `length` tokens, whose answer are the logits of the next token of
    /// `vocabulary`, which may be smaller than that of the weights.
    ///
    /// # Errors
    /// Sizes that no network has; weights that are missing; [`Error::Unsupported`] for what the layers lack.
    pub fn import(
        &self,
        mut weights: StateDict,
        length: usize,
        vocabulary: usize,
    ) -> Result<(Architecture, StateDict), Error> {
        let sizes = [
            ("n_embd", self.n_embd),
            ("n_head", self.n_head),
            ("n_positions", self.n_positions),
            ("n_inner", self.n_inner.unwrap_or_default()),
            ("vocab_size", vocabulary),
        ];
        bounded(self.n_layer, &sizes)?;
        if self.scale_attn_by_inverse_layer_idx {
            return Err(Error::Unsupported {
                what: "scores that are divided by a block's number".to_owned(),
            });
        }
        let (length, width) = (length.min(self.n_positions), self.n_embd);
        let mut ours = StateDict::default();
        let mut take = |name: &str| taken(&mut weights, "transformer", name);
        let (tokens, head) = (take("wte.weight")?, take("lm_head.weight").ok());
        ends(&mut ours, tokens, head, [vocabulary, width])?;
        let mut position = take("wpe.weight")?.data;
        position.truncate(length * width);
        ours.insert("trunk.0.position".into(), Array { shape: vec![length, width], data: position });
        for block in 0..self.n_layer {
            let theirs = format!("h.{block}");
            let place = |own: &str| {
                let (part, rest) = own.split_at(1);
                format!("trunk.{}{rest}", 1 + 2 * block + usize::from(part == "1"))
            };
            for [own, name] in NORMS {
                for part in ["weight", "bias"] {
                    ours.insert(format!("{}.{part}", place(own)), take(&format!("{theirs}.{name}.{part}"))?);
                }
            }
            for [own, name] in MAPS {
                let weight = turned(&take(&format!("{theirs}.{name}.weight"))?);
                ours.insert(format!("{}.weight", place(own)), weight);
                ours.insert(format!("{}.bias", place(own)), take(&format!("{theirs}.{name}.bias"))?);
            }
            // Queries, keys and values are one map there.
            let weight = turned(&take(&format!("{theirs}.attn.c_attn.weight"))?);
            let bias = take(&format!("{theirs}.attn.c_attn.bias"))?;
            for (at, own) in ["q", "k", "v"].into_iter().enumerate() {
                let own = place(&format!("0.layers.1.{own}"));
                ours.insert(format!("{own}.weight"), third(&weight, at, vec![width, width]));
                ours.insert(format!("{own}.bias"), third(&bias, at, vec![width]));
            }
        }
        for part in ["weight", "bias"] {
            let last = format!("trunk.{}.{part}", 1 + 2 * self.n_layer);
            ours.insert(last, take(&format!("ln_f.{part}"))?);
        }
        // Masks that old files hold are no weights.
        let is_mask = |name: &str| name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
        let left: Vec<&str> = weights.names().filter(|name| !is_mask(name)).collect();
        if !left.is_empty() {
            return Err(Error::Unexpected { names: left.join(", ") });
        }
        let design = Design { head: Head::Steps, ..Design::of(self.layers(), width) };
        let text = Block::Text { length, vocabulary: vocabulary + 1 };
        network("gpt", &design, text, vocabulary + 1, Average::Softmax, ours)
    }
}

/// `[in, out]` as `[out, in]`.
fn turned(array: &Array) -> Array {
    let [input, output] = array.shape[..] else { return array.clone() };
    let data = (0..output).flat_map(|o| (0..input).map(move |i| array.data[i * output + o])).collect();
    Array { shape: vec![output, input], data }
}

/// One of three parts, of this shape; what is left of a shorter one, which no network takes.
fn third(array: &Array, at: usize, shape: Vec<usize>) -> Array {
    let size: usize = shape.iter().product();
    let data = array.data.get(at * size..(at + 1) * size).unwrap_or_default().to_vec();
    Array { shape, data }
}

fn gelu_tanh() -> Activation {
    Activation::GeluTanh
}

fn small() -> f64 {
    1e-5
}
