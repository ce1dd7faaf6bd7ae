//! Names and layouts of GGUF weights as Hugging Face has them.

use cupola_nn::Array;

/// llama.cpp's and Hugging Face's names of a block's parts.
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

/// Hugging Face's name of a weight; `None` for tensors that are not weights.
pub fn hugging_face_name(name: &str) -> Option<String> {
    let (stem, part) = name.rsplit_once('.')?;
    match stem {
        "token_embd" => return Some(format!("model.embed_tokens.{part}")),
        "output_norm" => return Some(format!("model.norm.{part}")),
        "output" => return Some(format!("lm_head.{part}")),
        _ => {}
    }
    let (block, module) = stem.strip_prefix("blk.")?.split_once('.')?;
    let [_, theirs] = BLOCK.iter().find(|[name, _]| *name == module)?;
    Some(format!("model.layers.{block}.{theirs}.{part}"))
}

/// Rows of a weight whose rotated pairs are neighbours, reordered so that the first halves of all pairs of a head come
/// before the second ones.
pub fn split_pairs(array: &Array, heads: usize) -> Vec<f32> {
    let rows = array.shape.first().copied().unwrap_or(1);
    let (width, head) = (array.data.len() / rows.max(1), rows / heads.max(1));
    let half = (head / 2).max(1);
    let mut out = Vec::with_capacity(array.data.len());
    for row in 0..rows {
        let (first, at) = (row / head.max(1) * head, row % head.max(1));
        let from = first + 2 * (at % half) + at / half;
        out.extend_from_slice(array.data.get(from * width..(from + 1) * width).unwrap_or_default());
    }
    out
}
