//! `DistilBERT`, a BERT under other names (Sanh et al. 2019).

use cupola_nn::StateDict;
use cupola_spec::Activation;
use serde::{Deserialize, Serialize};

use super::BertConfig;

/// `config.json` of a `DistilBERT`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct DistilBertConfig {
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

/// Parts of its names and of BERT's.
const NAMES: [[&str; 2]; 9] = [
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

impl DistilBertConfig {
    /// Equivalent BERT and the weights under BERT's names.
    pub(super) fn to_bert(&self, weights: StateDict) -> (BertConfig, StateDict) {
        let weights = weights.renamed(|name| {
            let name =
                name.strip_prefix("distilbert.").unwrap_or(name).replace("pre_classifier.", "pooler.dense.");
            NAMES.iter().fold(name, |name, [from, to]| name.replace(from, to))
        });
        let config = BertConfig {
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
        (config, weights)
    }
}
