//! GGUF, the file of llama.cpp: a decoder's sizes, weights and tokenizer in one
//! (<https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>). candle reads it, and turns weights of any of
//! its quantisations into 32-bit numbers.

mod tokenizer;

use std::io::Cursor;

use candle_core::Device;
use candle_core::quantized::gguf_file::{Content, Value};
use cupola_nn::{Array, Llama, RopeParameters, StateDict};
use cupola_prep::{Chat, FittedTokenizer};
use cupola_spec::{Activation, ROPE_BASE, Rope, RopeScaling};

/// A decoder out of a file.
pub struct Gguf {
    /// Its sizes.
    pub sizes: Llama,
    /// Weights under Hugging Face's names.
    pub weights: StateDict,
    /// Its tokenizer.
    pub tokenizer: FittedTokenizer,
    /// Indices of tokens that end a text.
    pub ends: Vec<u32>,
    /// How messages become a text.
    pub chat: Option<Chat>,
}

/// Their names of a block's parts and Hugging Face's.
const BLOCK: [[&str; 2]; 9] = [
    ["attn_norm", "input_layernorm"],
    ["attn_q", "self_attn.q_proj"],
    ["attn_k", "self_attn.k_proj"],
    ["attn_v", "self_attn.v_proj"],
    ["attn_output", "self_attn.o_proj"],
    ["ffn_norm", "post_attention_layernorm"],
    ["ffn_gate", "mlp.gate_proj"],
    ["ffn_up", "mlp.up_proj"],
    ["ffn_down", "mlp.down_proj"],
];

/// What each rotary frequency is divided by, in files of Llama 3.1 and later.
const FREQUENCIES: &str = "rope_freqs.weight";
/// Tokens of the texts that those were trained on at first.
const TRAINED: usize = 8_192;

/// Metadata by its keys.
struct Keys<'a> {
    content: &'a Content,
    architecture: &'a str,
}

impl Gguf {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// In words, with the remedy: a file that is none, a model or a tokenizer of another kind.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut file = Cursor::new(bytes);
        let content = Content::read(&mut file)
            .map_err(|error| format!("it is no GGUF file ({error}); restore it from its source"))?;
        let architecture = content.metadata.get("general.architecture").and_then(text).unwrap_or_default();
        if !["llama", "qwen2"].contains(&architecture) {
            return Err(format!(
                "it holds a model of kind `{architecture}`; those of kind `llama` and `qwen2` can be imported"
            ));
        }
        let keys = Keys { content: &content, architecture };
        let sizes = keys.sizes(&mut file)?;
        let weights = keys.weights(&mut file, &sizes)?;
        let (tokenizer, tokens) = keys.tokenizer()?;
        let token = |key: &str| keys.count(&format!("tokenizer.ggml.{key}")).ok();
        let named = |id: Option<usize>| id.and_then(|id| tokens.get(id).cloned()).unwrap_or_default();
        let template = content.metadata.get("tokenizer.chat_template").and_then(text);
        let chat = template.map(|template| Chat {
            template: template.to_owned(),
            begin: named(token("bos_token_id")),
            end: named(token("eos_token_id")),
        });
        let ends = ["eos_token_id", "eot_token_id"].into_iter().filter_map(token);
        let ends = ends.filter_map(|id| u32::try_from(id.saturating_add(1)).ok()).collect();
        Ok(Self { sizes, weights, tokenizer, ends, chat })
    }
}

impl Keys<'_> {
    fn get(&self, key: &str) -> Result<&Value, String> {
        self.content.metadata.get(key).ok_or_else(|| format!("the file has no `{key}`; take another one"))
    }

    fn count(&self, key: &str) -> Result<usize, String> {
        let value = self.get(key)?;
        let count = value.to_u64().ok().or_else(|| value.to_i32().ok().and_then(|n| u64::try_from(n).ok()));
        count
            .and_then(|count| usize::try_from(count).ok())
            .ok_or_else(|| format!("`{key}` is no count; take another file"))
    }

    /// A number that the architecture has, if it is told.
    fn float(&self, key: &str) -> Option<f64> {
        self.get(&self.own(key)).ok().and_then(|value| value.to_f32().ok()).map(f64::from)
    }

    fn own(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    fn sizes(&self, file: &mut Cursor<&[u8]>) -> Result<Llama, String> {
        let embeddings = self.content.tensor_infos.get("token_embd.weight");
        let embeddings = embeddings.ok_or("the file has no token_embd.weight; take another one")?;
        Ok(Llama {
            hidden_size: self.count(&self.own("embedding_length"))?,
            num_hidden_layers: self.count(&self.own("block_count"))?,
            num_attention_heads: self.count(&self.own("attention.head_count"))?.max(1),
            num_key_value_heads: self.count(&self.own("attention.head_count_kv")).ok(),
            intermediate_size: self.count(&self.own("feed_forward_length"))?,
            max_position_embeddings: self.count(&self.own("context_length"))?,
            vocab_size: embeddings.shape.dims().first().copied().unwrap_or_default(),
            hidden_act: Activation::Silu,
            rms_norm_eps: self.float("attention.layer_norm_rms_epsilon").unwrap_or(1e-5),
            head_dim: self.count(&self.own("attention.key_length")).ok(),
            rope_theta: self.float("rope.freq_base"),
            rope_scaling: self.stretched(file)?,
            rope_parameters: None,
            sliding_window: None,
            mlp_bias: false,
            use_sliding_window: None,
        })
    }

    /// Rotary positions for longer texts: told in words, or as what each frequency is divided by.
    fn stretched(&self, file: &mut Cursor<&[u8]>) -> Result<Option<RopeParameters>, String> {
        let kind =
            self.get(&self.own("rope.scaling.type")).ok().and_then(text).filter(|kind| *kind != "none");
        let factor = self.float("rope.scaling.factor");
        if !self.content.tensor_infos.contains_key(FREQUENCIES) {
            return Ok(kind.map(|kind| RopeParameters {
                rope_type: Some(kind.to_owned()),
                factor,
                ..RopeParameters::default()
            }));
        }
        let divided =
            self.array(file, FREQUENCIES).map_err(|error| format!("`{FREQUENCIES}`: {error}"))?.data;
        let factor = divided.iter().copied().map(f64::from).fold(1.0, f64::max);
        let scaling = RopeScaling::Llama3 { factor, low: 1.0, high: 4.0, length: TRAINED };
        let base = self.float("rope.freq_base").unwrap_or(ROPE_BASE);
        let plain = Rope { base, scaling: None };
        let plain = plain.frequencies(2 * divided.len());
        let same = |(plain, found): (&f64, &f32)| {
            (plain / scaling.scaled(*plain) / f64::from(*found) - 1.0).abs() < 1e-3
        };
        if !scaling.is_valid() || !plain.iter().zip(&divided).all(same) {
            return Err(format!(
                "`{FREQUENCIES}` is not what Llama 3 divides frequencies by; import the model's folder by `--from hf`"
            ));
        }
        Ok(Some(RopeParameters {
            rope_type: Some("llama3".to_owned()),
            factor: Some(factor),
            low_freq_factor: Some(1.0),
            high_freq_factor: Some(4.0),
            original_max_position_embeddings: Some(TRAINED),
            ..RopeParameters::default()
        }))
    }

    /// All weights, under Hugging Face's names.
    fn weights(&self, file: &mut Cursor<&[u8]>, sizes: &Llama) -> Result<StateDict, String> {
        let mut out = StateDict::default();
        for name in self.content.tensor_infos.keys() {
            let Some(theirs) = renamed(name) else { continue };
            let mut array = self.array(file, name).map_err(|error| format!("weight `{name}`: {error}"))?;
            if let Some(heads) = self.paired(name, sizes) {
                array.data = halves(&array, heads);
            }
            out.insert(theirs, array);
        }
        Ok(out)
    }

    fn array(&self, file: &mut Cursor<&[u8]>, name: &str) -> Result<Array, candle_core::Error> {
        let dims = self.content.tensor_infos.get(name).map(|info| info.shape.dims()).unwrap_or_default();
        // candle's own look at what is left of the file overflows. No quantisation has less than a bit a number.
        let most = file.get_ref().len().saturating_mul(8);
        let count = dims.iter().try_fold(1_usize, |all, dim| all.checked_mul(*dim));
        if count.is_none_or(|count| count > most) {
            return Err(candle_core::Error::Msg(format!("the file is too short for the shape {dims:?}")));
        }
        let tensor = self.content.tensor(file, name, &Device::Cpu)?.dequantize(&Device::Cpu)?;
        Ok(Array { shape: tensor.dims().to_vec(), data: tensor.flatten_all()?.to_vec1()? })
    }

    /// Heads of a weight whose pairs that are turned together lie side by side.
    fn paired(&self, name: &str, sizes: &Llama) -> Option<usize> {
        let queries = sizes.num_attention_heads;
        match self.architecture {
            "llama" if name.contains("attn_q.") => Some(queries),
            "llama" if name.contains("attn_k.") => Some(sizes.num_key_value_heads.unwrap_or(queries)),
            _ => None,
        }
    }
}

/// Hugging Face's name of a weight.
fn renamed(name: &str) -> Option<String> {
    let (stem, part) = name.rsplit_once('.')?;
    match stem {
        "token_embd" => return Some(format!("model.embed_tokens.{part}")),
        "output_norm" => return Some(format!("model.norm.{part}")),
        "output" => return Some(format!("lm_head.{part}")),
        _ => {}
    }
    let (block, own) = stem.strip_prefix("blk.")?.split_once('.')?;
    let [_, theirs] = BLOCK.iter().find(|[name, _]| *name == own)?;
    Some(format!("model.layers.{block}.{theirs}.{part}"))
}

/// Rows of a head whose pairs that are turned together lie side by side, with their first halves before their
/// second ones, as Hugging Face has them.
fn halves(array: &Array, heads: usize) -> Vec<f32> {
    let rows = array.shape.first().copied().unwrap_or(1);
    let (wide, head) = (array.data.len() / rows.max(1), rows / heads.max(1));
    let mut out = Vec::with_capacity(array.data.len());
    for row in 0..rows {
        let (first, at) = (row / head.max(1) * head, row % head.max(1));
        let half = (head / 2).max(1);
        let from = first + 2 * (at % half) + at / half;
        out.extend_from_slice(array.data.get(from * wide..(from + 1) * wide).unwrap_or_default());
    }
    out
}

fn text(value: &Value) -> Option<&str> {
    value.to_string().ok().map(String::as_str)
}

fn texts(value: &Value) -> Vec<String> {
    let values = value.to_vec().map(Vec::as_slice).unwrap_or_default();
    values.iter().map(|value| text(value).unwrap_or_default().to_owned()).collect()
}

#[cfg(test)]
mod tests;
