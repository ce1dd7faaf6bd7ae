//! `RoBERTa`, a BERT with other positions (Liu et al. 2019).

use cupola_nn::StateDict;

use super::BertConfig;

/// Positions before the first token's: fairseq counts them from the padding index plus one.
pub const UNUSED_POSITIONS: usize = 2;

/// Equivalent BERT and the weights under BERT's names.
pub fn to_bert(config: &BertConfig, weights: StateDict) -> (BertConfig, StateDict) {
    let mut weights = weights.renamed(|name| {
        let name = name.strip_prefix("roberta.").unwrap_or(name);
        name.replace("classifier.dense.", "pooler.dense.").replace("classifier.out_proj.", "classifier.")
    });
    let positions = "embeddings.position_embeddings.weight";
    if let Some(mut array) = weights.remove(positions) {
        let unused = UNUSED_POSITIONS.saturating_mul(config.hidden_size).min(array.data.len());
        array.data.drain(..unused);
        array.shape = vec![array.data.len() / config.hidden_size.max(1), config.hidden_size];
        weights.insert(positions.to_owned(), array);
    }
    let max_position_embeddings = config.max_position_embeddings.saturating_sub(UNUSED_POSITIONS);
    (BertConfig { max_position_embeddings, ..config.clone() }, weights)
}
