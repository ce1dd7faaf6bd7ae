//! Encoders: BERT (Devlin et al. 2019).

use cupola_spec::{Activation, Block, Design, Head, Layer, Take};
use serde::{Deserialize, Serialize};

use crate::architecture::{Architecture, Average};
use crate::error::Error;
use crate::hugging_face::{bounded, network, padded, taken};
use crate::source::Source;
use crate::state_dict::{Array, StateDict};

/// Layers before the first block: positions, norm, dropout.
const BEFORE: usize = 3;
/// Layers of a block: attention, norm, feed-forward, norm.
const BLOCK: usize = 4;

/// Sizes of a BERT.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Bert {
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

/// Classes of texts, on the first token's vector: a linear map, a function, and a logit for each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Classes {
    /// How many, two at least.
    pub count: usize,
    /// After the first map.
    pub function: Activation,
}

/// How an encoder's tokens become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pooling {
    /// Of the tokens.
    pub take: Take,
    /// Whether it gets length 1.
    pub normalize: bool,
}

impl Bert {
    /// The sizes of an encoder that [`Bert::import`] has made, whatever has become of its head; `None` for
    /// any other network.
    pub fn of(architecture: &Architecture) -> Option<(Self, Pooling)> {
        let [Source { block: Block::Text { length, vocabulary }, widths, .. }] =
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
        let end = trunk.len() - usize::from(normalize) - 1;
        let Layer::Take { at: take } = trunk[end] else { return None };
        let found = Self {
            hidden_size: *widths.first()?,
            num_hidden_layers: (end - BEFORE) / BLOCK,
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
        let pooling = Pooling { take, normalize };
        (found.layers(pooling) == trunk).then_some((found, pooling))
    }

    /// The encoder as a list of layers.
    fn layers(&self, pooling: Pooling) -> Vec<Layer> {
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
        };
        let block = || {
            let function = Layer::Activation { function: self.hidden_act };
            let forward =
                vec![linear(self.intermediate_size), function, linear(self.hidden_size), drop.clone()];
            [residual(vec![attention.clone(), drop.clone()]), norm.clone(), residual(forward), norm.clone()]
        };
        let mut layers = vec![Layer::Position {}, norm.clone(), drop.clone()];
        layers.extend((0..self.num_hidden_layers).flat_map(|_| block()));
        layers.push(Layer::Take { at: pooling.take });
        layers.extend(pooling.normalize.then_some(Layer::Normalize {}));
        layers
    }

    /// Our names of modules with theirs, but for embeddings of tokens and positions.
    fn modules(&self) -> Vec<(String, String)> {
        let mut names = vec![("trunk.1".to_owned(), "embeddings.LayerNorm".to_owned())];
        for block in 0..self.num_hidden_layers {
            let at = BEFORE + BLOCK * block;
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

    /// The network for texts of `length` tokens, whose answer is the pooled vector.
    ///
    /// # Errors
    /// Sizes that no network has; weights that are missing.
    pub fn import(
        &self,
        mut weights: StateDict,
        length: usize,
        pooling: Pooling,
    ) -> Result<(Architecture, StateDict), Error> {
        let length = length.min(self.max_position_embeddings);
        let ours = self.encoder(&mut weights, length)?;
        let width = self.hidden_size;
        let design = Design { head: Head::Identity, ..Design::of(self.layers(pooling), width) };
        network("bert", &design, self.block(length), width, Average::Output, ours)
    }

    /// The network for texts of `length` tokens, whose answer are the logits of classes: of two, the one logit
    /// of the second.
    ///
    /// # Errors
    /// As [`Bert::import`].
    pub fn import_classes(
        &self,
        mut weights: StateDict,
        length: usize,
        classes: Classes,
    ) -> Result<(Architecture, StateDict), Error> {
        let length = length.min(self.max_position_embeddings);
        let mut ours = self.encoder(&mut weights, length)?;
        let width = self.hidden_size;
        let mut layers = self.layers(Pooling { take: Take::First, normalize: false });
        let pooler = format!("trunk.{}", layers.len());
        layers.push(Layer::Linear { out: width, bias: true });
        layers.push(Layer::Activation { function: classes.function });
        for part in ["weight", "bias"] {
            ours.insert(
                format!("{pooler}.{part}"),
                taken(&mut weights, "bert", &format!("pooler.dense.{part}"))?,
            );
            let mut head = taken(&mut weights, "bert", &format!("classifier.{part}"))?;
            if classes.count == 2 {
                head = difference(&head);
            }
            ours.insert(format!("head.{part}"), head);
        }
        let design = Design::of(layers, width);
        let (output, average) =
            if classes.count == 2 { (1, Average::Sigmoid) } else { (classes.count, Average::Softmax) };
        network("bert", &design, self.block(length), output, average, ours)
    }

    fn block(&self, length: usize) -> Block {
        Block::Text { length, vocabulary: self.vocab_size + 1 }
    }

    /// Our weights of the encoder.
    fn encoder(&self, weights: &mut StateDict, length: usize) -> Result<StateDict, Error> {
        bounded(
            self.num_hidden_layers,
            &[
                ("hidden_size", self.hidden_size),
                ("intermediate_size", self.intermediate_size),
                ("num_attention_heads", self.num_attention_heads),
                ("max_position_embeddings", self.max_position_embeddings),
                ("vocab_size", self.vocab_size),
            ],
        )?;
        let mut ours = StateDict::default();
        let width = self.hidden_size;
        let tokens = taken(weights, "bert", "embeddings.word_embeddings.weight")?;
        ours.insert("tokens.weight".into(), padded(tokens, self.vocab_size, width)?);
        let mut position = taken(weights, "bert", "embeddings.position_embeddings.weight")?.data;
        position.truncate(length * width);
        // One text is all of the first type, so its vector is added to every position.
        if let Ok(kind) = taken(weights, "bert", "embeddings.token_type_embeddings.weight") {
            for (value, add) in position.iter_mut().zip(kind.data.iter().take(width).cycle()) {
                *value += add;
            }
        }
        ours.insert("trunk.0.position".into(), Array { shape: vec![length, width], data: position });
        for (own, theirs) in self.modules() {
            for part in ["weight", "bias"] {
                ours.insert(format!("{own}.{part}"), taken(weights, "bert", &format!("{theirs}.{part}"))?);
            }
        }
        Ok(ours)
    }

    /// The weights of a network that [`Bert::import`] has made, trained further or not, under their
    /// names; the head is left out.
    ///
    /// # Errors
    /// Weights that are missing.
    pub fn export(&self, mut weights: StateDict) -> Result<StateDict, Error> {
        let mut take = |name: String| weights.remove(&name).ok_or(Error::Missing { name });
        let mut theirs = StateDict::default();
        let width = self.hidden_size;
        let mut tokens = take("tokens.weight".into())?;
        tokens.data.drain(..width.min(tokens.data.len()));
        tokens.shape = vec![self.vocab_size, width];
        theirs.insert("embeddings.word_embeddings.weight".into(), tokens);
        theirs.insert("embeddings.position_embeddings.weight".into(), take("trunk.0.position".into())?);
        // It is in the positions.
        let kinds = vec![0.0; self.type_vocab_size * width];
        let kinds = Array { shape: vec![self.type_vocab_size, width], data: kinds };
        theirs.insert("embeddings.token_type_embeddings.weight".into(), kinds);
        for (own, name) in self.modules() {
            for part in ["weight", "bias"] {
                theirs.insert(format!("{name}.{part}"), take(format!("{own}.{part}"))?);
            }
        }
        Ok(theirs)
    }
}

/// Of the rows (or values) of two classes, the second without the first: the logit of the second.
fn difference(head: &Array) -> Array {
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
