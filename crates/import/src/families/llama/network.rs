//! Layers of a decoder, as its configuration determines them.

use cupola_spec::{Activation, AttentionVariant, Layer, ROPE_BASE, Rope};

use super::{LlamaConfig, LlamaVariant};
use crate::error::Error;
use crate::families::check_sizes;

/// Class default of Phi-3's `rms_norm_eps`; the others have [`EPS`].
const PHI3_EPS: f64 = 1e-5;
/// Class default of `rms_norm_eps`.
const EPS: f64 = 1e-6;
/// Class default of Gemma 3's `sliding_window_pattern`.
const GEMMA3_PATTERN: usize = 6;
/// Class default of `sliding_window` of Gemma 2 and 3.
const GEMMA_WINDOW: usize = 4_096;
/// Class default of Qwen's `max_window_layers`.
const QWEN_FULL_BLOCKS: usize = 28;

/// A decoder with its defaults filled in.
#[allow(clippy::struct_excessive_bools, reason = "each is a key of config.json")]
pub struct DecoderNetwork {
    pub width: usize,
    pub blocks: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_width: usize,
    pub inner: usize,
    pub eps: f64,
    pub activation: Activation,
    /// Settings that all blocks share, without the window.
    pub attention: AttentionVariant,
    /// Rotary positions and window of each block.
    pub positions: Vec<(Rope, Option<usize>)>,
    /// `true` for norms after each branch, beside those before it.
    pub post_norms: bool,
    /// `true` if queries, keys and values, and both maps of the feed-forward layers, are one weight each.
    pub fused: bool,
    /// `true` if norms multiply by 1 plus their weight.
    pub unit_offset: bool,
    /// Factor of the embeddings.
    pub embedding_scale: f32,
    /// Bound of the logits; `None` without.
    pub logit_softcap: Option<f64>,
    /// `true` if the embeddings are also the map to the logits.
    pub tied: bool,
}

impl LlamaConfig {
    /// The network for texts of up to `length` tokens.
    ///
    /// # Errors
    /// [`Error::UnsupportedKey`] for keys that no layer obeys, [`Error::Unsupported`] for absurd sizes.
    pub(super) fn network(&self, variant: LlamaVariant, length: usize) -> Result<DecoderNetwork, Error> {
        self.check()?;
        self.check_foreign_keys(variant, length)?;
        let heads = self.num_attention_heads.max(1);
        let head_width = self.head_dim.unwrap_or(self.hidden_size / heads);
        let ropes = self.ropes(variant, head_width, length)?;
        let windows = self.windows(variant)?;
        let position = |window: Option<usize>| {
            let rope = if window.is_some() { &ropes[0] } else { &ropes[1] };
            // A window that holds the whole text has no effect.
            (rope.clone(), window.filter(|window| *window < length))
        };
        let gemma = variant.is_gemma();
        let default_activation = if gemma { Activation::GeluTanh } else { Activation::Silu };
        #[allow(clippy::cast_precision_loss, reason = "widths are small")]
        let embedding_scale = if gemma { (self.hidden_size as f32).sqrt() } else { 1.0 };
        let eps = self.rms_norm_eps.unwrap_or(if variant == LlamaVariant::Phi3 { PHI3_EPS } else { EPS });
        Ok(DecoderNetwork {
            width: self.hidden_size,
            blocks: self.num_hidden_layers,
            heads,
            kv_heads: self.num_key_value_heads.unwrap_or(heads),
            head_width,
            inner: self.intermediate_size,
            eps,
            activation: self.hidden_activation.or(self.hidden_act).unwrap_or(default_activation),
            attention: self.attention(variant, head_width, ropes[1].width, eps),
            positions: windows.into_iter().map(position).collect(),
            post_norms: matches!(variant, LlamaVariant::Gemma2 | LlamaVariant::Gemma3),
            fused: variant == LlamaVariant::Phi3,
            unit_offset: gemma,
            embedding_scale,
            logit_softcap: self.final_logit_softcapping,
            tied: self.tie_word_embeddings.unwrap_or(gemma),
        })
    }

    fn attention(
        &self,
        variant: LlamaVariant,
        head_width: usize,
        rope_width: Option<usize>,
        eps: f64,
    ) -> AttentionVariant {
        let normed = matches!(variant, LlamaVariant::Qwen3 | LlamaVariant::Gemma3);
        let plain = head_width.checked_mul(self.num_attention_heads) == Some(self.hidden_size);
        AttentionVariant {
            head_width: (!plain).then_some(head_width),
            rope_width,
            norm_eps: normed.then_some(eps),
            window: None,
            softcap: self.attn_logit_softcapping,
            scale: self.query_pre_attn_scalar.map(|scalar| 1.0 / scalar.sqrt()),
        }
    }

    fn check(&self) -> Result<(), Error> {
        let sizes = [
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads.unwrap_or_default()),
            ("head_dim", self.head_dim.unwrap_or_default()),
            ("max_position_embeddings", self.max_position_embeddings),
            ("vocab_size", self.vocab_size),
        ];
        check_sizes(self.num_hidden_layers, &sizes)
    }

    /// Refuses keys of other models, which this one's implementation in transformers may or may not read.
    fn check_foreign_keys(&self, variant: LlamaVariant, length: usize) -> Result<(), Error> {
        let numbers = [
            ("query_pre_attn_scalar", self.query_pre_attn_scalar),
            ("attn_logit_softcapping", self.attn_logit_softcapping),
            ("final_logit_softcapping", self.final_logit_softcapping),
        ];
        let invalid = |(_, number): &&(&str, Option<f64>)| {
            number.is_some_and(|number| number.is_nan() || number <= 0.0)
        };
        let obeyed = matches!(variant, LlamaVariant::Gemma2 | LlamaVariant::Gemma3);
        let foreign = |(_, number): &&(&str, Option<f64>)| !obeyed && number.is_some();
        if let Some((key, number)) = numbers.iter().find(|number| invalid(number) || foreign(number)) {
            let found = number.unwrap_or_default().to_string();
            let remedy = "expected null, or a number above 0 for `gemma2` and `gemma3_text`";
            return Err(Error::unsupported_key("config.json", key, &found, remedy));
        }
        let window = self.sliding_window.filter(|window| *window < length);
        match (variant, window) {
            (LlamaVariant::Llama | LlamaVariant::Gemma, Some(window)) => {
                let remedy =
                    format!("this model attends to all tokens; import it with --length {window} or less");
                Err(Error::unsupported_key("config.json", "sliding_window", &window.to_string(), &remedy))
            }
            _ => Ok(()),
        }
    }

    /// Window of each block; `None` for blocks that attend to all tokens.
    fn windows(&self, variant: LlamaVariant) -> Result<Vec<Option<usize>>, Error> {
        let qwen = matches!(variant, LlamaVariant::Qwen2 | LlamaVariant::Qwen3);
        let used = self.use_sliding_window.unwrap_or(!qwen);
        let plain = matches!(variant, LlamaVariant::Llama | LlamaVariant::Gemma);
        let gemma = matches!(variant, LlamaVariant::Gemma2 | LlamaVariant::Gemma3);
        let own = self.sliding_window.or(gemma.then_some(GEMMA_WINDOW));
        let window = own.filter(|_| used && !plain);
        if window == Some(0) {
            return Err(Error::unsupported_key("config.json", "sliding_window", "0", "expected 1 or more"));
        }
        let kinds = self.layer_types.as_deref().filter(|_| !plain);
        let Some(kinds) = kinds else {
            let pattern = self.sliding_window_pattern.or(self.saved_pattern).unwrap_or(GEMMA3_PATTERN).max(1);
            let slides = |block: usize| match variant {
                LlamaVariant::Gemma2 => block.is_multiple_of(2),
                LlamaVariant::Gemma3 => !(block + 1).is_multiple_of(pattern),
                _ if qwen => block >= self.max_window_layers.unwrap_or(QWEN_FULL_BLOCKS),
                _ => true,
            };
            return Ok((0..self.num_hidden_layers).map(|block| window.filter(|_| slides(block))).collect());
        };
        if kinds.len() != self.num_hidden_layers {
            let found = format!("{} entries", kinds.len());
            let remedy = "expected one for each of `num_hidden_layers`";
            return Err(Error::unsupported_key("config.json", "layer_types", &found, remedy));
        }
        let each = kinds.iter().map(|kind| match kind.as_str() {
            "full_attention" => Ok(None),
            "sliding_attention" => Ok(window),
            other => {
                let remedy = "expected `full_attention` or `sliding_attention`";
                Err(Error::unsupported_key("config.json", "layer_types", &format!("`{other}`"), remedy))
            }
        });
        each.collect()
    }
}

impl DecoderNetwork {
    /// The decoder as a list of layers; `attention_bias` and `mlp_bias` say which linear maps have biases.
    pub fn layers(&self, attention_bias: bool, mlp_bias: bool) -> Vec<Layer> {
        let norm = || Layer::RmsNorm { eps: Some(self.eps) };
        let residual = |mut layers: Vec<Layer>| {
            layers.extend(self.post_norms.then(norm));
            Layer::Residual { layers, shortcut: Vec::new(), drop_path: 0.0 }
        };
        let linear = |out| Layer::Linear { out, bias: mlp_bias };
        let block = |(rope, window): &(Rope, Option<usize>)| {
            let attention = Layer::Attention {
                heads: self.heads,
                kv_heads: Some(self.kv_heads),
                causal: true,
                rope: true,
                rope_base: Some(rope.base).filter(|base| (base - ROPE_BASE).abs() > f64::EPSILON),
                rope_scaling: rope.scaling.clone(),
                bias: attention_bias,
                dropout: 0.0,
                variant: AttentionVariant { window: *window, ..self.attention },
            };
            let glu = Layer::Glu { function: self.activation };
            let forward = vec![norm(), linear(2 * self.inner), glu, linear(self.width)];
            [residual(vec![norm(), attention]), residual(forward)]
        };
        self.positions.iter().flat_map(block).chain([norm()]).collect()
    }
}
