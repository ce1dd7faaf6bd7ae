use super::*;
use crate::reference;

fn near(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() < 2e-5 * b.abs().max(1.0), "{what}, value {at}: {a}, expected {b}");
    }
}

fn kernel([query_heads, kv_heads]: [usize; 2], head_width: usize, rules: ScoreRules) -> AttentionKernel {
    AttentionKernel { query_heads, kv_heads, head_width, rules, norms: None, rope: None, rope_amplitude: 1.0 }
}

fn causal() -> ScoreRules {
    ScoreRules { causal: true, ..ScoreRules::default() }
}

#[test]
fn whole_texts_and_new_tokens_give_what_plain_loops_give() {
    let (time, width) = (21, 10);
    for (query_heads, kv_heads) in [(1, 1), (4, 2)] {
        let kernel = kernel([query_heads, kv_heads], width, causal());
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

/// One head by plain loops in double precision.
#[allow(clippy::cast_possible_truncation, reason = "results are rounded to single precision")]
fn plain(q: &[f32], k: &[f32], v: &[f32], width: usize, rules: ScoreRules) -> Vec<f32> {
    let (scale, cap) = (f64::from(rules.scale.unwrap()), f64::from(rules.softcap.unwrap()));
    let window = rules.window.unwrap();
    let mut out = Vec::new();
    for (at, q) in q.chunks_exact(width).enumerate() {
        let seen = |other: usize| {
            if other > at { !rules.causal && other - at < window } else { at - other < window }
        };
        let mut sums = vec![0.0; width + 1];
        for (other, (k, v)) in k.chunks_exact(width).zip(v.chunks_exact(width)).enumerate() {
            if !seen(other) {
                continue;
            }
            let dot: f64 = q.iter().zip(k).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum();
            let weight = (cap * (dot * scale / cap).tanh()).exp();
            sums[width] += weight;
            sums.iter_mut().zip(v).for_each(|(sum, v)| *sum += weight * f64::from(*v));
        }
        out.extend(sums[..width].iter().map(|sum| (sum / sums[width]) as f32));
    }
    out
}

#[test]
fn windows_bounds_and_factors_give_what_plain_loops_give() {
    let (time, width) = (19, 6);
    for causal in [true, false] {
        let rules = ScoreRules { causal, scale: Some(0.7), softcap: Some(1.5), window: Some(5) };
        let kernel = kernel([1, 1], width, rules);
        let qkv: Vec<f32> = (0..time * 3 * width).map(|i| (i as f32 * 0.7).sin()).collect();
        let part = |at: usize| -> Vec<f32> {
            qkv.chunks_exact(3 * width).flat_map(|token| &token[at * width..][..width]).copied().collect()
        };
        let expected = plain(&part(0), &part(1), &part(2), width, rules);
        near(&kernel.forward(qkv.clone(), time, None), &expected, "whole text");
        if !causal {
            continue;
        }
        let mut kv = LayerKv::default();
        let (mut found, mut at) = (Vec::new(), 0);
        for count in [1, 6, 1, 2, 9] {
            let new = qkv[at * 3 * width..][..count * 3 * width].to_vec();
            found.extend(kernel.decode(new, &mut [NewTokens { count, kv: &mut kv }]));
            at += count;
        }
        near(&found, &expected, "in pieces");
    }
}

#[test]
fn a_part_of_a_head_is_rotated_after_its_norm() {
    let mut kernel = kernel([1, 1], 4, causal());
    kernel.norms = Some(HeadNorms { q: vec![1.0; 4], k: vec![2.0; 4], eps: 1e-9 });
    (kernel.rope, kernel.rope_amplitude) = (Some(vec![std::f64::consts::FRAC_PI_2]), 3.0);
    let mut token = vec![3.0, 4.0, 0.0, 0.0, 6.0, 8.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0];
    kernel.prepare(&mut token, 1);
    // Both have a mean square of 1 (of 4 with the weights), and turn by a quarter of a circle at position 1.
    near(&token[..4], &[-4.8, 3.6, 0.0, 0.0], "queries");
    near(&token[4..8], &[-9.6, 7.2, 0.0, 0.0], "keys");
    assert_eq!(token[8..], [1.0, 2.0, 3.0, 4.0]);
}
