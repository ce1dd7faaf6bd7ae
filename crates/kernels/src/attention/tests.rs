use super::*;
use crate::reference;

fn near(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() < 2e-5 * b.abs().max(1.0), "{what}, value {at}: {a}, expected {b}");
    }
}

#[test]
fn whole_texts_and_new_tokens_give_what_plain_loops_give() {
    let (time, width) = (21, 10);
    for (query_heads, kv_heads) in [(1, 1), (4, 2)] {
        let kernel = AttentionKernel { query_heads, kv_heads, head_width: width, causal: true, rope: None };
        let qkv: Vec<f32> = (0..time * kernel.token_width()).map(|i| (i as f32 * 0.7).sin()).collect();
        let rows_of = |head: usize| -> Vec<f32> {
            let token = kernel.token_width();
            qkv.chunks_exact(token).flat_map(|token| &token[head * width..][..width]).copied().collect()
        };
        let mut expected = vec![0.0; time * query_heads * width];
        for head in 0..query_heads {
            let key = query_heads + kernel.kv_head(head);
            let (k, v) = (rows_of(key), rows_of(key + kv_heads));
            let mixed = reference::attention(&rows_of(head), &k, &v, width, true);
            for (token, values) in mixed.chunks_exact(width).enumerate() {
                expected[(token * query_heads + head) * width..][..width].copy_from_slice(values);
            }
        }
        near(&kernel.forward(qkv.clone(), time, None), &expected, "whole text");
        let mut kv = LayerKv::default();
        let (mut found, mut at) = (Vec::new(), 0);
        for count in [1, 3, 9, 2, 6] {
            let new = qkv[at * kernel.token_width()..][..count * kernel.token_width()].to_vec();
            found.extend(kernel.decode(new, &mut [NewTokens { count, kv: &mut kv }]));
            at += count;
        }
        near(&found, &expected, "in pieces");
    }
}
