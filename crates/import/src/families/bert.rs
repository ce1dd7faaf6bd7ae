//! BERT, an encoder (Devlin et al. 2019).

use cupola_nn::{Architecture, Array, Average, InputSource, StateDict};
use cupola_spec::{Activation, AttentionVariant, Block, Design, Head, Layer, Take};
use serde::{Deserialize, Serialize};

use super::weights::{WeightTaker, text_model, with_padding_row};
use super::{EmbeddingHead, Pooling, check_sizes};
use crate::error::Error;

/// Layers before the first block: positions, norm, dropout.
const STEM_LAYERS: usize = 3;
/// Layers of a block: attention, norm, feed-forward, norm.
const BLOCK_LAYERS: usize = 4;

/// `config.json` of a BERT.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct BertConfig {
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub max_position_embeddings: usize,
    pub vocab_size: usize,
    #[serde(default = "one")]
    pub type_vocab_size: usize,
    #[serde(default = "super::gelu")]
    pub hidden_act: Activation,
    #[serde(default = "tiny")]
    pub layer_norm_eps: f64,
    #[serde(default)]
    pub hidden_dropout_prob: f64,
    #[serde(default)]
    pub attention_probs_dropout_prob: f64,
}

impl BertConfig {
    /// Configuration of an encoder that was imported, whatever head it has by now; `None` for any other network.
    pub(crate) fn from_architecture(architecture: &Architecture) -> Option<(Self, Pooling)> {
        let [InputSource { block: Block::Text { length, vocabulary }, widths, .. }] =
            architecture.sources.as_slice()
        else {
            return None;
        };
        let trunk = architecture.trunk.as_slice();
        let [
            _,
            Layer::LayerNorm { eps },
            Layer::Dropout { p },
            Layer::Residual { layers: attend, .. },
            _,
            Layer::Residual { layers: forward, .. },
            ..,
        ] = trunk
        else {
            return None;
        };
        let [Layer::Attention { heads, dropout, .. }, ..] = attend.as_slice() else { return None };
        let [Layer::Linear { out, .. }, Layer::Activation { function }, ..] = forward.as_slice() else {
            return None;
        };
        let normalize = trunk.last() == Some(&Layer::Normalize {});
        let end = trunk.len().checked_sub(usize::from(normalize) + 1)?;
        let Some(Layer::Take { at: take, .. }) = trunk.get(end) else { return None };
        let found = Self {
            hidden_size: *widths.first()?,
            num_hidden_layers: end.checked_sub(STEM_LAYERS)? / BLOCK_LAYERS,
            num_attention_heads: *heads,
            intermediate_size: *out,
            max_position_embeddings: *length,
            vocab_size: vocabulary - 1,
            type_vocab_size: 2,
            hidden_act: *function,
            layer_norm_eps: (*eps)?,
            hidden_dropout_prob: *p,
            attention_probs_dropout_prob: *dropout,
        };
        let pooling = Pooling { take: *take, normalize };
        let mut layers = found.layers();
        EmbeddingHead::from(pooling).append(&mut layers, &mut StateDict::default(), found.hidden_size);
        (layers == trunk).then_some((found, pooling))
    }

    /// The encoder as a list of layers.
    fn layers(&self) -> Vec<Layer> {
        let norm = Layer::LayerNorm { eps: Some(self.layer_norm_eps) };
        let drop = Layer::Dropout { p: self.hidden_dropout_prob };
        let residual = |layers: Vec<Layer>| Layer::Residual { layers, shortcut: Vec::new(), drop_path: 0.0 };
        let linear = |out| Layer::Linear { out, bias: true };
        let attention = Layer::Attention {
            heads: self.num_attention_heads,
            kv_heads: None,
            causal: false,
            rope: false,
            rope_base: None,
            rope_scaling: None,
            bias: true,
            dropout: self.attention_probs_dropout_prob,
            variant: AttentionVariant::default(),
        };
        let block = || {
            let function = Layer::Activation { function: self.hidden_act };
            let forward =
                vec![linear(self.intermediate_size), function, linear(self.hidden_size), drop.clone()];
            [residual(vec![attention.clone(), drop.clone()]), norm.clone(), residual(forward), norm.clone()]
        };
        let mut layers = vec![Layer::Position {}, norm.clone(), drop.clone()];
        layers.extend((0..self.num_hidden_layers).flat_map(|_| block()));
        layers
    }

    /// Cupola's and BERT's names of the same modules, without the embeddings of tokens and positions.
    fn modules(&self) -> Vec<(String, String)> {
        let mut names = vec![("trunk.1".to_owned(), "embeddings.LayerNorm".to_owned())];
        for block in 0..self.num_hidden_layers {
            let at = STEM_LAYERS + BLOCK_LAYERS * block;
            let theirs = format!("encoder.layer.{block}");
            let attention =
                [("q", "self.query"), ("k", "self.key"), ("v", "self.value"), ("o", "output.dense")];
            for (ours, part) in attention {
                names.push((format!("trunk.{at}.layers.0.{ours}"), format!("{theirs}.attention.{part}")));
            }
            names.extend([
                (format!("trunk.{}", at + 1), format!("{theirs}.attention.output.LayerNorm")),
                (format!("trunk.{}.layers.0", at + 2), format!("{theirs}.intermediate.dense")),
                (format!("trunk.{}.layers.2", at + 2), format!("{theirs}.output.dense")),
                (format!("trunk.{}", at + 3), format!("{theirs}.output.LayerNorm")),
            ]);
        }
        names
    }

    /// Network for texts of up to `length` tokens whose output is the vector of `head`.
    pub(super) fn convert_embedding(
        &self,
        weights: StateDict,
        length: usize,
        vocabulary: usize,
        head: &EmbeddingHead,
    ) -> Result<(Architecture, StateDict), Error> {
        let length = length.min(self.max_position_embeddings);
        let mut weights = WeightTaker::new(weights, "bert");
        let mut converted = self.convert_encoder(&mut weights, length, vocabulary)?;
        weights.finish(is_head)?;
        let mut layers = self.layers();
        let width = head.append(&mut layers, &mut converted, self.hidden_size);
        let design = Design { head: Head::Identity, ..Design::of(layers, self.hidden_size) };
        text_model("bert", &design, block(length, vocabulary), (width, Average::Output), converted)
    }

    /// Network for texts of up to `length` tokens whose output are the logits of `classes`, or the one logit of the
    /// second class of two; `pooler` is the activation before the last linear map.
    pub(super) fn convert_classifier(
        &self,
        weights: StateDict,
        length: usize,
        vocabulary: usize,
        (classes, pooler): (usize, Activation),
    ) -> Result<(Architecture, StateDict), Error> {
        let length = length.min(self.max_position_embeddings);
        let mut weights = WeightTaker::new(weights, "bert");
        let mut converted = self.convert_encoder(&mut weights, length, vocabulary)?;
        let width = self.hidden_size;
        let mut layers = self.layers();
        layers.push(Layer::Take { at: Take::First, also: Vec::new() });
        let name = format!("trunk.{}", layers.len());
        layers.push(Layer::Linear { out: width, bias: true });
        layers.push(Layer::Activation { function: pooler });
        for (part, columns) in [("weight", Some(width)), ("bias", None)] {
            let shape = |rows: usize| -> Vec<usize> { [Some(rows), columns].into_iter().flatten().collect() };
            let dense = weights.take(&format!("pooler.dense.{part}"), &shape(width))?;
            converted.insert(format!("{name}.{part}"), dense);
            let mut head = weights.take(&format!("classifier.{part}"), &shape(classes))?;
            if classes == 2 {
                head = logit_difference(&head);
            }
            converted.insert(format!("head.{part}"), head);
        }
        weights.finish(is_head)?;
        let output = if classes == 2 { (1, Average::Sigmoid) } else { (classes, Average::Softmax) };
        text_model("bert", &Design::of(layers, width), block(length, vocabulary), output, converted)
    }

    /// Weights of embeddings and blocks under Cupola's names.
    fn convert_encoder(
        &self,
        weights: &mut WeightTaker,
        length: usize,
        vocabulary: usize,
    ) -> Result<StateDict, Error> {
        check_sizes(
            self.num_hidden_layers,
            &[
                ("hidden_size", self.hidden_size),
                ("intermediate_size", self.intermediate_size),
                ("num_attention_heads", self.num_attention_heads),
                ("max_position_embeddings", self.max_position_embeddings),
                ("type_vocab_size", self.type_vocab_size),
                ("vocab_size", self.vocab_size),
            ],
        )?;
        let mut converted = StateDict::default();
        let width = self.hidden_size;
        let tokens = weights.take("embeddings.word_embeddings.weight", &[self.vocab_size, width])?;
        converted.insert("tokens.weight".into(), with_padding_row(tokens, vocabulary, width)?);
        let positions = [self.max_position_embeddings, width];
        let mut position = weights.take("embeddings.position_embeddings.weight", &positions)?.data;
        position.truncate(length * width);
        // A single text has the first type throughout, so the vector of that type is added to every position.
        let kinds = "embeddings.token_type_embeddings.weight";
        if let Some(kind) = weights.optional(kinds, &[self.type_vocab_size, width])? {
            for (value, add) in position.iter_mut().zip(kind.data.iter().take(width).cycle()) {
                *value += add;
            }
        }
        converted.insert("trunk.0.position".into(), Array { shape: vec![length, width], data: position });
        for (own, theirs) in self.modules() {
            for (part, shape) in [("weight", self.shape(&own)), ("bias", vec![self.rows(&own)])] {
                converted.insert(format!("{own}.{part}"), weights.take(&format!("{theirs}.{part}"), &shape)?);
            }
        }
        Ok(converted)
    }

    /// Rows of a module's weight.
    fn rows(&self, own: &str) -> usize {
        // The first linear layer of a feed-forward branch.
        let expands = own.ends_with(".layers.0");
        if expands { self.intermediate_size } else { self.hidden_size }
    }

    /// Shape of a module's weight: a norm's, or a linear layer's `[out, in]`.
    fn shape(&self, own: &str) -> Vec<usize> {
        match own.split_once(".layers.") {
            None => vec![self.hidden_size],
            Some((_, "2")) => vec![self.hidden_size, self.intermediate_size],
            Some(_) => vec![self.rows(own), self.hidden_size],
        }
    }

    /// Weights of a network that was imported, fine-tuned or not, under BERT's names and without the head.
    pub(crate) fn export(&self, mut weights: StateDict) -> Result<StateDict, Error> {
        let mut take = |name: String| weights.remove(&name).ok_or(cupola_nn::Error::Missing { name });
        let mut exported = StateDict::default();
        let width = self.hidden_size;
        let mut tokens = take("tokens.weight".into())?;
        tokens.data.drain(..width.min(tokens.data.len()));
        tokens.shape = vec![self.vocab_size, width];
        exported.insert("embeddings.word_embeddings.weight".into(), tokens);
        exported.insert("embeddings.position_embeddings.weight".into(), take("trunk.0.position".into())?);
        // The vector of the first type is already part of the positions.
        let kinds = vec![0.0; self.type_vocab_size * width];
        let kinds = Array { shape: vec![self.type_vocab_size, width], data: kinds };
        exported.insert("embeddings.token_type_embeddings.weight".into(), kinds);
        for (own, name) in self.modules() {
            for part in ["weight", "bias"] {
                exported.insert(format!("{name}.{part}"), take(format!("{own}.{part}"))?);
            }
        }
        Ok(exported)
    }
}

/// `true` for weights of heads that an encoder is stored with and that make no difference to its output.
fn is_head(name: &str) -> bool {
    const HEADS: [&str; 6] = ["pooler.", "cls.", "lm_head.", "classifier.", "vocab_", "qa_outputs."];
    HEADS.iter().any(|head| name.starts_with(head)) || name.ends_with("embeddings.position_ids")
}

fn block(length: usize, vocabulary: usize) -> Block {
    Block::Text { length, vocabulary: vocabulary + 1 }
}

/// Second of two rows (or values) minus the first: the logit of the second class.
pub(super) fn logit_difference(head: &Array) -> Array {
    let (first, second) = head.data.split_at(head.data.len() / 2);
    let data = second.iter().zip(first).map(|(b, a)| b - a).collect();
    let mut shape = head.shape.clone();
    if let Some(rows) = shape.first_mut() {
        *rows = 1;
    }
    Array { shape, data }
}

fn one() -> usize {
    1
}

fn tiny() -> f64 {
    1e-12
}
