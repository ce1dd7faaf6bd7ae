//! `ModernBERT`, an encoder with rotary positions and local attention (Warner et al. 2024).

use cupola_nn::{Architecture, Array, Average, StateDict};
use cupola_spec::{Activation, AttentionVariant, Block, Design, Head, Layer, ROPE_BASE, Take};
use serde::{Deserialize, Serialize};

use super::bert::logit_difference;
use super::llama::{RopeParameters, RopeSettings};
use super::weights::{WeightTaker, split_rows, text_model, with_padding_row};
use super::{EmbeddingHead, EncoderHead, check_sizes};
use crate::error::Error;

/// Bases of the rotary frequencies of global and of local blocks.
const BASES: [f64; 2] = [160_000.0, ROPE_BASE];

/// `config.json` of a `ModernBERT`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
#[allow(clippy::struct_excessive_bools, reason = "each part of the model has its own biases")]
pub struct ModernBertConfig {
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub max_position_embeddings: usize,
    pub vocab_size: usize,
    #[serde(default = "super::gelu")]
    pub hidden_activation: Activation,
    #[serde(default = "small")]
    pub norm_eps: f64,
    #[serde(default)]
    pub norm_bias: bool,
    #[serde(default)]
    pub attention_bias: bool,
    #[serde(default)]
    pub mlp_bias: bool,
    /// Number of tokens of a local window, half of them before and half after a token.
    #[serde(default = "window")]
    pub local_attention: usize,
    /// Number of blocks of which the first attends to all tokens.
    #[serde(default)]
    pub global_attn_every_n_layers: Option<usize>,
    /// `full_attention` or `sliding_attention` for each block.
    #[serde(default)]
    pub layer_types: Option<Vec<String>>,
    #[serde(default)]
    pub global_rope_theta: Option<f64>,
    #[serde(default)]
    pub local_rope_theta: Option<f64>,
    #[serde(default)]
    pub rope_parameters: Option<RopeSettings>,
    /// Vector that a classifier reads: `cls` or `mean`.
    #[serde(default)]
    pub classifier_pooling: Option<String>,
    #[serde(default)]
    pub classifier_bias: bool,
    #[serde(default = "super::gelu")]
    pub classifier_activation: Activation,
}

impl ModernBertConfig {
    /// Network for texts of up to `length` tokens with the output of `head`.
    pub(super) fn convert(
        &self,
        weights: StateDict,
        (length, vocabulary): (usize, usize),
        head: &EncoderHead,
    ) -> Result<(Architecture, StateDict), Error> {
        self.check()?;
        let (length, width) = (length.min(self.max_position_embeddings), self.hidden_size);
        let mut layers = self.layers(length)?;
        let mut conversion = Conversion {
            config: self,
            taker: WeightTaker::new(weights, "model"),
            converted: StateDict::default(),
        };
        conversion.encoder(vocabulary)?;
        let output = match head {
            EncoderHead::NextToken => {
                return Err(Error::Unsupported { what: "an encoder does not generate text".to_owned() });
            }
            EncoderHead::Embedding(head) => conversion.embedding(&mut layers, head),
            EncoderHead::Classes { count } => conversion.classifier(&mut layers, *count)?,
        };
        conversion
            .taker
            .finish(|name| ["head.", "decoder.", "classifier."].iter().any(|head| name.starts_with(head)))?;
        let kind = if matches!(head, EncoderHead::Embedding(_)) { Head::Identity } else { Head::Vector };
        let design = Design { head: kind, ..Design::of(layers, width) };
        let text = Block::Text { length, vocabulary: vocabulary + 1 };
        text_model("modernbert", &design, text, output, conversion.converted)
    }

    fn check(&self) -> Result<(), Error> {
        let sizes = [
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_attention_heads", self.num_attention_heads),
            ("max_position_embeddings", self.max_position_embeddings),
            ("local_attention", self.local_attention),
            ("vocab_size", self.vocab_size),
        ];
        check_sizes(self.num_hidden_layers, &sizes)
    }

    /// The encoder as a list of layers.
    fn layers(&self, length: usize) -> Result<Vec<Layer>, Error> {
        let norm = || Layer::LayerNorm { eps: Some(self.norm_eps) };
        let residual = |layers: Vec<Layer>| Layer::Residual { layers, shortcut: Vec::new(), drop_path: 0.0 };
        let linear = |out| Layer::Linear { out, bias: self.mlp_bias };
        let bases = self.bases()?;
        let mut layers = vec![norm()];
        for (block, local) in self.local_blocks()?.into_iter().enumerate() {
            let base = bases[usize::from(local)];
            // As many tokens on each side, and the token itself.
            let window = (self.local_attention / 2).saturating_add(1);
            let attention = Layer::Attention {
                heads: self.num_attention_heads,
                kv_heads: None,
                causal: false,
                rope: true,
                rope_base: Some(base).filter(|base| (base - ROPE_BASE).abs() > f64::EPSILON),
                rope_scaling: None,
                bias: self.attention_bias,
                dropout: 0.0,
                variant: AttentionVariant {
                    window: Some(window).filter(|window| local && *window < length),
                    ..AttentionVariant::default()
                },
            };
            // The first block follows the norm of the embeddings.
            let before = (block > 0).then(norm);
            let glu = Layer::Glu { function: self.hidden_activation };
            let forward = vec![norm(), linear(2 * self.intermediate_size), glu, linear(self.hidden_size)];
            layers.push(residual(before.into_iter().chain([attention]).collect()));
            layers.push(residual(forward));
        }
        layers.push(norm());
        Ok(layers)
    }

    /// Bases of the rotary frequencies of global and of local blocks.
    fn bases(&self) -> Result<[f64; 2], Error> {
        let own = [self.global_rope_theta, self.local_rope_theta];
        let parameters = match &self.rope_parameters {
            None => [None, None],
            Some(RopeSettings::All(rope)) => [Some(rope.as_ref()); 2],
            Some(RopeSettings::Each { full_attention, sliding_attention }) => {
                [Some(full_attention.as_ref()), Some(sliding_attention.as_ref())]
            }
        };
        let mut bases = BASES;
        for (at, base) in bases.iter_mut().enumerate() {
            let rope = parameters[at];
            if let Some(kind) = rope.map(RopeParameters::kind).filter(|kind| *kind != "default") {
                let found = format!("type `{kind}`");
                return Err(Error::unsupported_key(
                    "config.json",
                    "rope_parameters",
                    &found,
                    "expected `default`",
                ));
            }
            *base = rope.and_then(|rope| rope.rope_theta).or(own[at]).unwrap_or(*base);
            if !base.is_finite() || *base <= 1.0 {
                let remedy = "expected a number above 1";
                return Err(Error::unsupported_key("config.json", "rope_theta", &base.to_string(), remedy));
            }
        }
        Ok(bases)
    }

    /// `true` for each block with a window.
    fn local_blocks(&self) -> Result<Vec<bool>, Error> {
        let Some(kinds) = &self.layer_types else {
            let every = self.global_attn_every_n_layers.unwrap_or(3).max(1);
            return Ok((0..self.num_hidden_layers).map(|block| !block.is_multiple_of(every)).collect());
        };
        let known = |kind: &String| ["full_attention", "sliding_attention"].contains(&kind.as_str());
        if kinds.len() != self.num_hidden_layers || !kinds.iter().all(known) {
            let remedy = "expected `full_attention` or `sliding_attention` for each block";
            return Err(Error::unsupported_key("config.json", "layer_types", &kinds.join(", "), remedy));
        }
        Ok(kinds.iter().map(|kind| kind == "sliding_attention").collect())
    }
}

/// Weights on their way to Cupola's names.
struct Conversion<'a> {
    config: &'a ModernBertConfig,
    taker: WeightTaker,
    converted: StateDict,
}

impl Conversion<'_> {
    fn encoder(&mut self, vocabulary: usize) -> Result<(), Error> {
        let config = self.config;
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let tokens = self.taker.take("embeddings.tok_embeddings.weight", &[config.vocab_size, width])?;
        self.converted.insert("tokens.weight".into(), with_padding_row(tokens, vocabulary, width)?);
        self.norm("trunk.0", "embeddings.norm")?;
        for block in 0..config.num_hidden_layers {
            let theirs = format!("layers.{block}");
            let [attend, forward] = [1 + 2 * block, 2 + 2 * block].map(|at| format!("trunk.{at}.layers"));
            if block > 0 {
                self.norm(&format!("{attend}.0"), &format!("{theirs}.attn_norm"))?;
            }
            let own = format!("{attend}.{}", usize::from(block > 0));
            let joined =
                self.linear(&format!("{theirs}.attn.Wqkv"), [3 * width, width], config.attention_bias)?;
            for (name, map) in ["q", "k", "v"].into_iter().zip(split_rows(joined, &[width; 3])?) {
                self.insert(&format!("{own}.{name}"), map);
            }
            let output = self.linear(&format!("{theirs}.attn.Wo"), [width, width], config.attention_bias)?;
            self.insert(&format!("{own}.o"), output);
            self.norm(&format!("{forward}.0"), &format!("{theirs}.mlp_norm"))?;
            let joined = self.linear(&format!("{theirs}.mlp.Wi"), [2 * inner, width], config.mlp_bias)?;
            // The activated half comes last in Cupola.
            let swapped = split_rows(joined, &[inner, inner])?.into_iter().rev().reduce(join_maps);
            self.insert(&format!("{forward}.1"), swapped.unwrap_or_default());
            let output = self.linear(&format!("{theirs}.mlp.Wo"), [width, inner], config.mlp_bias)?;
            self.insert(&format!("{forward}.3"), output);
        }
        self.norm(&format!("trunk.{}", 1 + 2 * config.num_hidden_layers), "final_norm")
    }

    fn embedding(&mut self, layers: &mut Vec<Layer>, head: &EmbeddingHead) -> (usize, Average) {
        (head.append(layers, &mut self.converted, self.config.hidden_size), Average::Output)
    }

    fn classifier(&mut self, layers: &mut Vec<Layer>, classes: usize) -> Result<(usize, Average), Error> {
        let (config, width) = (self.config, self.config.hidden_size);
        let at = match config.classifier_pooling.as_deref() {
            None | Some("cls") => Take::First,
            Some("mean") => Take::Mean,
            Some(other) => {
                let found = format!("`{other}`");
                let remedy = "expected `cls` or `mean`";
                return Err(Error::unsupported_key("config.json", "classifier_pooling", &found, remedy));
            }
        };
        layers.push(Layer::Take { at, also: Vec::new() });
        let own = format!("trunk.{}", layers.len());
        let dense = self.linear("head.dense", [width, width], config.classifier_bias)?;
        self.insert(&own, dense);
        layers.push(Layer::Linear { out: width, bias: config.classifier_bias });
        layers.push(Layer::Activation { function: config.classifier_activation });
        self.norm(&format!("trunk.{}", layers.len()), "head.norm")?;
        layers.push(Layer::LayerNorm { eps: Some(config.norm_eps) });
        for (part, shape) in [("weight", vec![classes, width]), ("bias", vec![classes])] {
            let mut head = self.taker.take(&format!("classifier.{part}"), &shape)?;
            if classes == 2 {
                head = logit_difference(&head);
            }
            self.converted.insert(format!("head.{part}"), head);
        }
        Ok(if classes == 2 { (1, Average::Sigmoid) } else { (classes, Average::Softmax) })
    }

    /// Takes a norm, whose bias is zero unless the model has one.
    fn norm(&mut self, own: &str, theirs: &str) -> Result<(), Error> {
        let shape = [self.config.hidden_size];
        let weight = self.taker.take(&format!("{theirs}.weight"), &shape)?;
        let bias = if self.config.norm_bias {
            self.taker.take(&format!("{theirs}.bias"), &shape)?
        } else {
            Array { shape: shape.to_vec(), data: vec![0.0; shape[0]] }
        };
        self.insert(own, [Some(weight), Some(bias)]);
        Ok(())
    }

    fn linear(&mut self, name: &str, shape: [usize; 2], bias: bool) -> Result<[Option<Array>; 2], Error> {
        let weight = self.taker.take(&format!("{name}.weight"), &shape)?;
        let bias = if bias { Some(self.taker.take(&format!("{name}.bias"), &shape[..1])?) } else { None };
        Ok([Some(weight), bias])
    }

    fn insert(&mut self, own: &str, map: [Option<Array>; 2]) {
        for (part, array) in ["weight", "bias"].into_iter().zip(map) {
            if let Some(array) = array {
                self.converted.insert(format!("{own}.{part}"), array);
            }
        }
    }
}

/// Rows of two linear maps as one.
fn join_maps(first: [Option<Array>; 2], second: [Option<Array>; 2]) -> [Option<Array>; 2] {
    let [(first, first_bias), (second, second_bias)] = [first, second].map(|[weight, bias]| (weight, bias));
    [super::weights::joined_rows(first, second), super::weights::joined_rows(first_bias, second_bias)]
}

fn small() -> f64 {
    1e-5
}

fn window() -> usize {
    128
}
