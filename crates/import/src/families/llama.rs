//! Llama, a decoder with rotary positions (Touvron et al. 2023), and the models that vary it: Mistral, Qwen2, Qwen3, Gemma
//! to Gemma 3 and Phi-3.

mod convert;
mod network;
mod rope;

use cupola_spec::Activation;
use serde::{Deserialize, Serialize};

pub use self::rope::{RopeParameters, RopeSettings};

/// Models whose configuration is a Llama's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LlamaVariant {
    /// Llama (Touvron et al. 2023).
    Llama,
    /// Mistral, with a sliding window (Jiang et al. 2023).
    Mistral,
    /// Qwen2, with biases on queries, keys and values (Yang et al. 2024).
    Qwen2,
    /// Qwen3, with norms of queries and keys (Yang et al. 2025).
    Qwen3,
    /// Gemma, with scaled embeddings (Mesnard et al. 2024).
    Gemma,
    /// Gemma 2, with norms after each branch and bounded scores and logits (Riviere et al. 2024).
    Gemma2,
    /// The text model of Gemma 3, with local and global blocks (Kamath et al. 2025).
    Gemma3,
    /// Phi-3, with joined linear maps (Abdin et al. 2024).
    Phi3,
}

impl LlamaVariant {
    fn is_gemma(self) -> bool {
        matches!(self, Self::Gemma | Self::Gemma2 | Self::Gemma3)
    }
}

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
    #[serde(default)]
    pub hidden_act: Option<Activation>,
    /// Activation that takes precedence, in files of Gemma.
    #[serde(default)]
    pub hidden_activation: Option<Activation>,
    #[serde(default)]
    pub rms_norm_eps: Option<f64>,
    /// Width of a head; `None` for `hidden_size / num_attention_heads`.
    #[serde(default)]
    pub head_dim: Option<usize>,
    #[serde(default)]
    pub rope_theta: Option<f64>,
    /// Base of the rotary frequencies in blocks with a sliding window.
    #[serde(default)]
    pub rope_local_base_freq: Option<f64>,
    /// Share of a head that is rotated.
    #[serde(default)]
    pub partial_rotary_factor: Option<f64>,
    /// Scaling of the rotary frequencies for longer texts.
    #[serde(default)]
    pub rope_scaling: Option<RopeParameters>,
    /// Base and scaling together, as newer files have them.
    #[serde(default)]
    pub rope_parameters: Option<RopeSettings>,
    /// Number of tokens of the texts in the original training.
    #[serde(default)]
    pub original_max_position_embeddings: Option<usize>,
    #[serde(default)]
    pub sliding_window: Option<usize>,
    /// `false` if `sliding_window` has no effect.
    #[serde(default)]
    pub use_sliding_window: Option<bool>,
    /// First block with a sliding window, in files of Qwen.
    #[serde(default)]
    pub max_window_layers: Option<usize>,
    /// Number of blocks of which the last has no sliding window, in files of Gemma 3.
    #[serde(default)]
    pub sliding_window_pattern: Option<usize>,
    /// The same in files of newer versions, some of which have both keys.
    #[serde(default, rename = "_sliding_window_pattern")]
    pub saved_pattern: Option<usize>,
    /// `full_attention` or `sliding_attention` for each block.
    #[serde(default)]
    pub layer_types: Option<Vec<String>>,
    /// Biases in attention; `None` leaves it to the weights.
    #[serde(default)]
    pub attention_bias: Option<bool>,
    /// Biases in the feed-forward layers; `None` leaves it to the weights.
    #[serde(default)]
    pub mlp_bias: Option<bool>,
    /// `true` if the embeddings are also the map to the logits.
    #[serde(default)]
    pub tie_word_embeddings: Option<bool>,
    #[serde(default)]
    pub query_pre_attn_scalar: Option<f64>,
    #[serde(default)]
    pub attn_logit_softcapping: Option<f64>,
    #[serde(default)]
    pub final_logit_softcapping: Option<f64>,
}
