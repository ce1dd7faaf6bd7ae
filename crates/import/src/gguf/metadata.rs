//! Configuration and weights of a GGUF file.

use std::io::Cursor;

use candle_core::Device;
use candle_core::quantized::gguf_file::{Content, Value};
use cupola_nn::{Array, StateDict};
use cupola_spec::{Activation, ROPE_BASE, Rope, RopeScaling};

use super::names::{hugging_face_name, split_pairs};
use crate::error::Error;
use crate::families::{LlamaConfig, RopeParameters};

/// Divisors of the rotary frequencies, in files of Llama 3.1 and later.
const FREQUENCIES: &str = "rope_freqs.weight";
/// Context length of Llama 3 before it was extended to longer texts.
const ORIGINAL_CONTEXT: usize = 8_192;
/// Largest relative difference between expected and stored divisors.
const TOLERANCE: f64 = 1e-3;

/// Metadata and tensors of a file with its architecture, which prefixes most keys.
pub struct Metadata<'a> {
    content: &'a Content,
    architecture: &'a str,
}

impl<'a> Metadata<'a> {
    pub fn new(content: &'a Content, architecture: &'a str) -> Self {
        Self { content, architecture }
    }

    pub fn get(&self, key: &str) -> Result<&Value, Error> {
        self.content.metadata.get(key).ok_or_else(|| invalid(format!("`{key}` is missing")))
    }

    pub fn count(&self, key: &str) -> Result<usize, Error> {
        let value = self.get(key)?;
        let count = value.to_u64().ok().or_else(|| value.to_i32().ok().and_then(|n| u64::try_from(n).ok()));
        count
            .and_then(|count| usize::try_from(count).ok())
            .ok_or_else(|| invalid(format!("`{key}` must be a count")))
    }

    /// Text of a key; `None` if it is missing.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).ok().and_then(text)
    }

    /// Boolean of a key; `None` if it is missing.
    pub fn flag(&self, key: &str) -> Option<bool> {
        self.get(key).ok().and_then(|value| value.to_bool().ok())
    }

    /// Number under a key of the architecture; `None` if it is missing.
    fn float(&self, key: &str) -> Option<f64> {
        self.get(&self.prefixed(key)).ok().and_then(|value| value.to_f32().ok()).map(f64::from)
    }

    fn prefixed(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    pub fn config(&self, file: &mut Cursor<&[u8]>) -> Result<LlamaConfig, Error> {
        let embeddings = self.content.tensor_infos.get("token_embd.weight");
        let embeddings = embeddings.ok_or_else(|| invalid("`token_embd.weight` is missing".to_owned()))?;
        let count = |key: &str| self.count(&self.prefixed(key));
        Ok(LlamaConfig {
            hidden_size: count("embedding_length")?,
            num_hidden_layers: count("block_count")?,
            num_attention_heads: count("attention.head_count")?.max(1),
            num_key_value_heads: count("attention.head_count_kv").ok(),
            intermediate_size: count("feed_forward_length")?,
            max_position_embeddings: count("context_length")?,
            vocab_size: embeddings.shape.dims().first().copied().unwrap_or_default(),
            hidden_act: Some(Activation::Silu),
            hidden_activation: None,
            rms_norm_eps: Some(self.float("attention.layer_norm_rms_epsilon").unwrap_or(1e-5)),
            head_dim: count("attention.key_length").ok(),
            rope_theta: self.float("rope.freq_base"),
            rope_local_base_freq: None,
            partial_rotary_factor: None,
            rope_scaling: self.rope_scaling(file)?,
            rope_parameters: None,
            original_max_position_embeddings: None,
            sliding_window: None,
            use_sliding_window: None,
            max_window_layers: None,
            sliding_window_pattern: None,
            saved_pattern: None,
            layer_types: None,
            attention_bias: None,
            mlp_bias: None,
            // A file without a map to the logits has the embeddings for it.
            tie_word_embeddings: Some(!self.content.tensor_infos.contains_key("output.weight")),
            query_pre_attn_scalar: None,
            attn_logit_softcapping: None,
            final_logit_softcapping: None,
        })
    }

    /// Scaling of the rotary frequencies, from its name or from a tensor of divisors.
    fn rope_scaling(&self, file: &mut Cursor<&[u8]>) -> Result<Option<RopeParameters>, Error> {
        if !self.content.tensor_infos.contains_key(FREQUENCIES) {
            let kind = self.text(&self.prefixed("rope.scaling.type")).filter(|kind| *kind != "none");
            return match kind {
                None => Ok(None),
                Some("linear") => Ok(Some(RopeParameters {
                    rope_type: Some("linear".to_owned()),
                    factor: self.float("rope.scaling.factor"),
                    ..RopeParameters::default()
                })),
                Some(kind) => Err(Error::UnsupportedGguf {
                    what: format!("its rotary positions are scaled by `{kind}`"),
                    remedy: "import the model's folder with `--from hf`",
                }),
            };
        }
        let divisors = self.array(file, FREQUENCIES)?.data;
        let factor = divisors.iter().copied().map(f64::from).fold(1.0, f64::max);
        let scaling = RopeScaling::Llama3 { factor, low: 1.0, high: 4.0, length: ORIGINAL_CONTEXT };
        let base = self.float("rope.freq_base").unwrap_or(ROPE_BASE);
        let unscaled = Rope { base, scaling: None, width: None }.frequencies(2 * divisors.len());
        let matches = |(unscaled, divisor): (&f64, &f32)| {
            (unscaled / scaling.scaled(*unscaled) / f64::from(*divisor) - 1.0).abs() < TOLERANCE
        };
        if !scaling.is_valid() || !unscaled.iter().zip(&divisors).all(matches) {
            return Err(Error::UnsupportedGguf {
                what: format!("`{FREQUENCIES}` does not scale frequencies as Llama 3 does"),
                remedy: "import the model's folder with `--from hf`",
            });
        }
        Ok(Some(RopeParameters {
            rope_type: Some("llama3".to_owned()),
            factor: Some(factor),
            low_freq_factor: Some(1.0),
            high_freq_factor: Some(4.0),
            original_max_position_embeddings: Some(ORIGINAL_CONTEXT),
            ..RopeParameters::default()
        }))
    }

    /// All weights, dequantised, under Hugging Face's names.
    pub fn weights(&self, file: &mut Cursor<&[u8]>, config: &LlamaConfig) -> Result<StateDict, Error> {
        let mut out = StateDict::default();
        for name in self.content.tensor_infos.keys() {
            let Some(theirs) = hugging_face_name(name) else { continue };
            let mut array = self.array(file, name)?;
            if let Some(heads) = self.paired_heads(name, config) {
                array.data = split_pairs(&array, heads);
            }
            out.insert(theirs, array);
        }
        Ok(out)
    }

    fn array(&self, file: &mut Cursor<&[u8]>, name: &str) -> Result<Array, Error> {
        let dims = self.content.tensor_infos.get(name).map(|info| info.shape.dims()).unwrap_or_default();
        // candle's own check of the remaining bytes overflows. Every quantisation has at least one bit per value.
        let most = file.get_ref().len().saturating_mul(8);
        let count = dims.iter().try_fold(1_usize, |all, dim| all.checked_mul(*dim));
        if count.is_none_or(|count| count > most) {
            return Err(invalid(format!("weight `{name}`: the file is too short for the shape {dims:?}")));
        }
        let mut read = || -> Result<Array, candle_core::Error> {
            let tensor = self.content.tensor(file, name, &Device::Cpu)?.dequantize(&Device::Cpu)?;
            Ok(Array { shape: tensor.dims().to_vec(), data: tensor.flatten_all()?.to_vec1()? })
        };
        read().map_err(|error| invalid(format!("weight `{name}`: {error}")))
    }

    /// Heads of a weight whose rotated pairs are neighbours; `None` if the halves are already apart.
    fn paired_heads(&self, name: &str, config: &LlamaConfig) -> Option<usize> {
        let queries = config.num_attention_heads;
        match self.architecture {
            "llama" if name.contains("attn_q.") => Some(queries),
            "llama" if name.contains("attn_k.") => Some(config.num_key_value_heads.unwrap_or(queries)),
            _ => None,
        }
    }
}

fn invalid(why: String) -> Error {
    Error::Gguf { why }
}

pub fn text(value: &Value) -> Option<&str> {
    value.to_string().ok().map(String::as_str)
}

pub fn texts(value: &Value) -> Vec<String> {
    let values = value.to_vec().map(Vec::as_slice).unwrap_or_default();
    values.iter().map(|value| text(value).unwrap_or_default().to_owned()).collect()
}
