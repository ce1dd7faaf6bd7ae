//! Llama, a decoder with rotary positions (Touvron et al. 2023), and its variants Mistral and Qwen2.

use cupola_nn::{Architecture, Array, Average, StateDict};
use cupola_spec::{Activation, Block, Design, Head, Layer, ROPE_BASE, RopeScaling};
use serde::{Deserialize, Serialize};

use super::check_sizes;
use super::weights::{check_leftover, insert_embeddings, take_weight, text_model};
use crate::error::Error;

/// `config.json` of a Llama.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct LlamaConfig {
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
    /// Width of a head; `None` for `hidden_size / num_attention_heads`.
    #[serde(default)]
    pub head_dim: Option<usize>,
    #[serde(default)]
    pub rope_theta: Option<f64>,
    /// Scaling of the rotary frequencies for longer texts.
    #[serde(default)]
    pub rope_scaling: Option<RopeParameters>,
    /// Base and scaling together, as newer files have them.
    #[serde(default)]
    pub rope_parameters: Option<RopeParameters>,
    #[serde(default)]
    pub sliding_window: Option<usize>,
    #[serde(default)]
    pub mlp_bias: bool,
    /// `false` if `sliding_window` has no effect.
    #[serde(default)]
    pub use_sliding_window: Option<bool>,
}

/// Parameters of rotary positions.
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
    /// Scaling of the frequencies; `None` for a kind that no layer provides.
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

/// Cupola's and Llama's names of a block's modules.
const BLOCK: [[&str; 2]; 7] = [
    ["0.layers.0", "input_layernorm"],
    ["0.layers.1.q", "self_attn.q_proj"],
    ["0.layers.1.k", "self_attn.k_proj"],
    ["0.layers.1.v", "self_attn.v_proj"],
    ["0.layers.1.o", "self_attn.o_proj"],
    ["1.layers.0", "post_attention_layernorm"],
    ["1.layers.3", "mlp.down_proj"],
];

impl LlamaConfig {
    /// Parameters that scale the rotary frequencies, if any do.
    fn rope_scaling(&self) -> Option<&RopeParameters> {
        let mut both = [&self.rope_scaling, &self.rope_parameters].into_iter().flatten();
        both.find(|rope| rope.rope_type.as_deref().is_some_and(|kind| kind != "default"))
    }

    fn scaling(&self) -> Option<RopeScaling> {
        self.rope_scaling().and_then(RopeParameters::scaling)
    }

    /// First operation, in words, that texts of `length` tokens need and no layer provides.
    fn unsupported(&self, length: usize) -> Option<String> {
        if let Some(rope) = self.rope_scaling().filter(|rope| rope.scaling().is_none()) {
            let kind = rope.rope_type.as_deref().unwrap_or_default();
            return Some(format!("rotary positions of type `{kind}` with these parameters"));
        }
        let heads = self.num_attention_heads.max(1);
        if self.head_dim.is_some_and(|width| width * heads != self.hidden_size) {
            return Some("the widths of the heads do not add up to `hidden_size`".to_owned());
        }
        if self.mlp_bias {
            return Some("biases in the feed-forward layers".to_owned());
        }
        let window = self.sliding_window.filter(|_| self.use_sliding_window.unwrap_or(true));
        let window = window.filter(|window| *window < length)?;
        Some(format!("attention is limited to the last {window} tokens, fewer than --length"))
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

    /// Network for texts of up to `length` tokens whose output are the logits of the next of `vocabulary` tokens.
    pub(super) fn convert(
        &self,
        mut weights: StateDict,
        length: usize,
        vocabulary: usize,
    ) -> Result<(Architecture, StateDict), Error> {
        let length = length.min(self.max_position_embeddings);
        self.check(length, vocabulary)?;
        let width = self.hidden_size;
        let mut converted = StateDict::default();
        let mut take = |name: &str| take_weight(&mut weights, "model", name);
        let (tokens, head) = (take("embed_tokens.weight")?, take("lm_head.weight").ok());
        insert_embeddings(&mut converted, tokens, head, [vocabulary, width])?;
        let mut bias = false;
        for block in 0..self.num_hidden_layers {
            self.convert_block(&mut converted, &mut take, block, &mut bias)?;
        }
        converted.insert(format!("trunk.{}.weight", 2 * self.num_hidden_layers), take("norm.weight")?);
        // Old files also hold the rotary frequencies, which follow from the configuration.
        check_leftover(weights.names().filter(|name| !name.ends_with("inv_freq")))?;
        let design = Design { head: Head::Steps, ..Design::of(self.layers(bias), width) };
        let text = Block::Text { length, vocabulary: vocabulary + 1 };
        text_model("llama", &design, text, (vocabulary + 1, Average::Softmax), converted)
    }

    fn check(&self, length: usize, vocabulary: usize) -> Result<(), Error> {
        let sizes = [
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads.unwrap_or_default()),
            ("head_dim", self.head_dim.unwrap_or_default()),
            ("max_position_embeddings", self.max_position_embeddings),
            ("vocab_size", vocabulary),
        ];
        check_sizes(self.num_hidden_layers, &sizes)?;
        self.unsupported(length).map_or(Ok(()), |what| Err(Error::Unsupported { what }))
    }

    /// Converts one block; sets `bias` once a block has biases.
    fn convert_block(
        &self,
        converted: &mut StateDict,
        take: &mut impl FnMut(&str) -> Result<Array, Error>,
        block: usize,
        bias: &mut bool,
    ) -> Result<(), Error> {
        let width = self.hidden_size;
        let place = |name: &str| {
            let (part, rest) = name.split_at(1);
            format!("trunk.{}{rest}", 2 * block + usize::from(part == "1"))
        };
        for [name, theirs] in BLOCK {
            converted
                .insert(format!("{}.weight", place(name)), take(&format!("layers.{block}.{theirs}.weight"))?);
            if let Ok(array) = take(&format!("layers.{block}.{theirs}.bias")) {
                *bias = true;
                converted.insert(format!("{}.bias", place(name)), array);
            }
        }
        let output = format!("{}.bias", place("0.layers.1.o"));
        if *bias && converted.get(&output).is_none() {
            converted.insert(output, Array { shape: vec![width], data: vec![0.0; width] });
        }
        // Both maps in one, the gated half first.
        let mut both = take(&format!("layers.{block}.mlp.up_proj.weight"))?;
        both.data.extend(take(&format!("layers.{block}.mlp.gate_proj.weight"))?.data);
        both.shape = vec![2 * self.intermediate_size, width];
        converted.insert(format!("{}.weight", place("1.layers.1")), both);
        Ok(())
    }
}

fn silu() -> Activation {
    Activation::Silu
}

fn small() -> f64 {
    1e-6
}
