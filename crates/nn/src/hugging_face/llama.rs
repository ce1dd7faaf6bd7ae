//! Decoders: Llama (Touvron et al. 2023), and those that differ from it by biases.

use cupola_spec::{Activation, Block, Design, Head, Layer, ROPE_BASE, RopeScaling};
use serde::{Deserialize, Serialize};

use crate::architecture::{Architecture, Average};
use crate::error::Error;
use crate::hugging_face::{bounded, ends, network, taken};
use crate::state_dict::{Array, StateDict};

/// Sizes of a Llama.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Llama {
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    #[serde(default)]
    pub num_key_value_heads: Option<usize>,
    pub intermediate_size: usize,
    pub max_position_embeddings: usize,
    pub vocab_size: usize,
    #[serde(default = "silu")]
    pub hidden_act: Activation,
    #[serde(default = "small")]
    pub rms_norm_eps: f64,
    /// Of one head; the width by the heads where left out.
    #[serde(default)]
    pub head_dim: Option<usize>,
    #[serde(default)]
    pub rope_theta: Option<f64>,
    /// Positions that are stretched for longer texts.
    #[serde(default)]
    pub rope_scaling: Option<RopeParameters>,
    /// As newer files have both.
    #[serde(default)]
    pub rope_parameters: Option<RopeParameters>,
    #[serde(default)]
    pub sliding_window: Option<usize>,
    #[serde(default)]
    pub mlp_bias: bool,
    /// Whether the window is used, where that is told.
    #[serde(default)]
    pub use_sliding_window: Option<bool>,
}

/// Rotary positions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct RopeParameters {
    #[serde(default, alias = "type")]
    pub rope_type: Option<String>,
    #[serde(default)]
    pub rope_theta: Option<f64>,
    #[serde(default)]
    pub factor: Option<f64>,
    #[serde(default)]
    pub low_freq_factor: Option<f64>,
    #[serde(default)]
    pub high_freq_factor: Option<f64>,
    #[serde(default)]
    pub original_max_position_embeddings: Option<usize>,
}

impl RopeParameters {
    /// How it makes frequencies lower; `None` where it does so in a way that the layers do not have.
    fn scaling(&self) -> Option<RopeScaling> {
        let scaling = match self.rope_type.as_deref()? {
            "linear" => RopeScaling::Linear { factor: self.factor? },
            "llama3" => RopeScaling::Llama3 {
                factor: self.factor?,
                low: self.low_freq_factor?,
                high: self.high_freq_factor?,
                length: self.original_max_position_embeddings?,
            },
            _ => return None,
        };
        scaling.is_valid().then_some(scaling)
    }
}

/// Modules of a block, ours and theirs.
const BLOCK: [[&str; 2]; 7] = [
    ["0.layers.0", "input_layernorm"],
    ["0.layers.1.q", "self_attn.q_proj"],
    ["0.layers.1.k", "self_attn.k_proj"],
    ["0.layers.1.v", "self_attn.v_proj"],
    ["0.layers.1.o", "self_attn.o_proj"],
    ["1.layers.0", "post_attention_layernorm"],
    ["1.layers.3", "mlp.down_proj"],
];

impl Llama {
    /// Rotary positions for longer texts.
    fn stretched(&self) -> Option<&RopeParameters> {
        let mut both = [&self.rope_scaling, &self.rope_parameters].into_iter().flatten();
        both.find(|rope| rope.rope_type.as_deref().is_some_and(|kind| kind != "default"))
    }

    fn scaling(&self) -> Option<RopeScaling> {
        self.stretched().and_then(RopeParameters::scaling)
    }

    /// What it needs for texts of `length` tokens that the layers do not have, in words.
    fn beyond(&self, length: usize) -> Option<String> {
        if let Some(rope) = self.stretched().filter(|rope| rope.scaling().is_none()) {
            let kind = rope.rope_type.as_deref().unwrap_or_default();
            return Some(format!("rotary positions of type `{kind}` with these numbers"));
        }
        let heads = self.num_attention_heads.max(1);
        if self.head_dim.is_some_and(|width| width * heads != self.hidden_size) {
            return Some("heads that are not the width together".to_owned());
        }
        if self.mlp_bias {
            return Some("biases in its feed-forward layers".to_owned());
        }
        let window = self.sliding_window.filter(|_| self.use_sliding_window.unwrap_or(true));
        let window = window.filter(|window| *window < length)?;
        Some(format!("attention to the last {window} tokens alone (fewer than --length)"))
    }

    /// The decoder as a list of layers.
    fn layers(&self, bias: bool) -> Vec<Layer> {
        let theta = self.rope_parameters.as_ref().and_then(|rope| rope.rope_theta).or(self.rope_theta);
        let norm = || Layer::RmsNorm { eps: Some(self.rms_norm_eps) };
        let residual = |layers: Vec<Layer>| Layer::Residual { layers, shortcut: Vec::new(), drop_path: 0.0 };
        let linear = |out| Layer::Linear { out, bias: false };
        let attention = Layer::Attention {
            heads: self.num_attention_heads,
            kv_heads: self.num_key_value_heads,
            causal: true,
            rope: true,
            rope_base: theta.filter(|base| (base - ROPE_BASE).abs() > f64::EPSILON),
            rope_scaling: self.scaling(),
            bias,
            dropout: 0.0,
        };
        let block = || {
            let glu = Layer::Glu { function: self.hidden_act };
            let forward = vec![norm(), linear(2 * self.intermediate_size), glu, linear(self.hidden_size)];
            [residual(vec![norm(), attention.clone()]), residual(forward)]
        };
        (0..self.num_hidden_layers).flat_map(|_| block()).chain([norm()]).collect()
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
        bounded(
            self.num_hidden_layers,
            &[
                ("hidden_size", self.hidden_size),
                ("intermediate_size", self.intermediate_size),
                ("num_attention_heads", self.num_attention_heads),
                ("num_key_value_heads", self.num_key_value_heads.unwrap_or_default()),
                ("head_dim", self.head_dim.unwrap_or_default()),
                ("max_position_embeddings", self.max_position_embeddings),
                ("vocab_size", vocabulary),
            ],
        )?;
        let length = length.min(self.max_position_embeddings);
        if let Some(what) = self.beyond(length) {
            return Err(Error::Unsupported { what });
        }
        let width = self.hidden_size;
        let mut ours = StateDict::default();
        let mut take = |name: &str| taken(&mut weights, "model", name);
        let (tokens, head) = (take("embed_tokens.weight")?, take("lm_head.weight").ok());
        ends(&mut ours, tokens, head, [vocabulary, width])?;
        let zeros = |count| Array { shape: vec![count], data: vec![0.0; count] };
        let mut bias = false;
        for block in 0..self.num_hidden_layers {
            let theirs = format!("layers.{block}");
            let place = |own: &str| {
                let (part, rest) = own.split_at(1);
                format!("trunk.{}{rest}", 2 * block + usize::from(part == "1"))
            };
            for [own, name] in BLOCK {
                ours.insert(format!("{}.weight", place(own)), take(&format!("{theirs}.{name}.weight"))?);
                if let Ok(array) = take(&format!("{theirs}.{name}.bias")) {
                    bias = true;
                    ours.insert(format!("{}.bias", place(own)), array);
                }
            }
            if bias && ours.get(&format!("{}.bias", place("0.layers.1.o"))).is_none() {
                ours.insert(format!("{}.bias", place("0.layers.1.o")), zeros(width));
            }
            // What is gated comes first.
            let mut both = take(&format!("{theirs}.mlp.up_proj.weight"))?;
            both.data.extend(take(&format!("{theirs}.mlp.gate_proj.weight"))?.data);
            both.shape = vec![2 * self.intermediate_size, width];
            ours.insert(format!("{}.weight", place("1.layers.1")), both);
        }
        ours.insert(format!("trunk.{}.weight", 2 * self.num_hidden_layers), take("norm.weight")?);
        // Frequencies that old files hold are computed here.
        let left: Vec<&str> = weights.names().filter(|name| !name.ends_with("inv_freq")).collect();
        if !left.is_empty() {
            return Err(Error::Unexpected { names: left.join(", ") });
        }
        let design = Design { head: Head::Steps, ..Design::of(self.layers(bias), width) };
        let text = Block::Text { length, vocabulary: vocabulary + 1 };
        network("llama", &design, text, vocabulary + 1, Average::Softmax, ours)
    }
}

fn silu() -> Activation {
    Activation::Silu
}

fn small() -> f64 {
    1e-6
}
