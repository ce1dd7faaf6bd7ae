//! Encoders that are BERTs under other names: `DistilBERT` and `RoBERTa`.

use cupola_spec::Activation;
use serde::{Deserialize, Serialize};

use super::Bert;
use crate::state_dict::StateDict;

/// Positions of a `RoBERTa` that no token has.
const UNUSED: usize = 2;

/// Sizes of a `DistilBERT` (Sanh et al. 2019).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct DistilBert {
    pub dim: usize,
    pub n_layers: usize,
    pub n_heads: usize,
    pub hidden_dim: usize,
    pub max_position_embeddings: usize,
    pub vocab_size: usize,
    #[serde(default = "super::gelu")]
    pub activation: Activation,
    #[serde(default)]
    pub dropout: f64,
    #[serde(default)]
    pub attention_dropout: f64,
}

/// Its modules, and BERT's.
const DISTIL: [[&str; 2]; 9] = [
    ["transformer.layer.", "encoder.layer."],
    [".attention.q_lin.", ".attention.self.query."],
    [".attention.k_lin.", ".attention.self.key."],
    [".attention.v_lin.", ".attention.self.value."],
    [".attention.out_lin.", ".attention.output.dense."],
    [".sa_layer_norm.", ".attention.output.LayerNorm."],
    [".ffn.lin1.", ".intermediate.dense."],
    [".ffn.lin2.", ".output.dense."],
    [".output_layer_norm.", ".output.LayerNorm."],
];

impl DistilBert {
    /// The BERT that it is, and its weights under BERT's names.
    pub(super) fn bert(&self, weights: StateDict) -> (Bert, StateDict) {
        let weights = weights.renamed(|name| {
            let name =
                name.strip_prefix("distilbert.").unwrap_or(name).replace("pre_classifier.", "pooler.dense.");
            DISTIL.iter().fold(name, |name, [theirs, bert]| name.replace(theirs, bert))
        });
        let bert = Bert {
            hidden_size: self.dim,
            num_hidden_layers: self.n_layers,
            num_attention_heads: self.n_heads,
            intermediate_size: self.hidden_dim,
            max_position_embeddings: self.max_position_embeddings,
            vocab_size: self.vocab_size,
            type_vocab_size: 1,
            hidden_act: self.activation,
            layer_norm_eps: 1e-12,
            hidden_dropout_prob: self.dropout,
            attention_probs_dropout_prob: self.attention_dropout,
        };
        (bert, weights)
    }
}

/// The BERT that a `RoBERTa` (Liu et al. 2019) is, and its weights under BERT's names.
pub(super) fn roberta(sizes: Bert, weights: StateDict) -> (Bert, StateDict) {
    let mut weights = weights.renamed(|name| {
        let name = name.strip_prefix("roberta.").unwrap_or(name);
        name.replace("classifier.dense.", "pooler.dense.").replace("classifier.out_proj.", "classifier.")
    });
    let positions = "embeddings.position_embeddings.weight";
    if let Some(mut array) = weights.remove(positions) {
        let unused = UNUSED.saturating_mul(sizes.hidden_size).min(array.data.len());
        array.data.drain(..unused);
        array.shape = vec![array.data.len() / sizes.hidden_size.max(1), sizes.hidden_size];
        weights.insert(positions.to_owned(), array);
    }
    let most = sizes.max_position_embeddings.saturating_sub(UNUSED);
    (Bert { max_position_embeddings: most, ..sizes }, weights)
}
