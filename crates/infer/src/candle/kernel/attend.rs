//! Attention between the tokens of each text (Vaswani et al. 2017, section 3.2).

use rayon::prelude::*;

use super::packed::Packed;
use super::rows::softmax_row;
use super::tile::{COLUMNS, part};

/// Base of the rotary frequencies.
const ROPE_BASE: f64 = 10_000.0;

/// What a thread needs for a head.
#[derive(Default)]
struct Scratch {
    packed: Packed,
    /// `[time, time]`
    scores: Vec<f32>,
}

/// Sizes of an attention.
pub struct Heads {
    /// Of queries.
    pub queries: usize,
    /// Of keys, and as many of values; each serves the same number of queries.
    pub keys: usize,
    /// Width of one.
    pub width: usize,
    /// Whether a token sees only those before it.
    pub causal: bool,
    /// Whether queries and keys are turned by their positions (Su et al. 2021).
    pub rope: bool,
}

impl Heads {
    /// `[rows, time, (queries + 2 keys) * width]` to `[rows, time, queries * width]`; `padding` `[rows, time]` is 1
    /// at tokens that nobody sees.
    pub fn mix(&self, mut qkv: Vec<f32>, time: usize, padding: Option<&[f32]>) -> Vec<f32> {
        let wide = (self.queries + 2 * self.keys) * self.width;
        let rows = qkv.len() / (time * wide).max(1);
        if self.rope {
            self.turn(&mut qkv, time, wide);
        }
        // Head by head, then side by side.
        let mut mixed = vec![0.0; rows * self.queries * time * self.width];
        let parts = mixed.par_chunks_mut((time * self.width).max(1)).enumerate();
        let least = (4_096 / (time * time).max(1)).max(1);
        parts.with_min_len(least).for_each_init(Scratch::default, |scratch, (at, out)| {
            let (row, head) = (at / self.queries, at % self.queries);
            let padding = padding.map(|padding| &padding[row * time..][..time]);
            self.head(&qkv[row * time * wide..][..time * wide], head, padding, scratch, out);
        });
        let mut out = vec![0.0; mixed.len()];
        for (row, mixed) in mixed.chunks_exact(self.queries * time * self.width).enumerate() {
            for (at, values) in mixed.chunks_exact(self.width).enumerate() {
                let (head, token) = (at / time, at % time);
                let to = ((row * time + token) * self.queries + head) * self.width;
                out[to..to + self.width].copy_from_slice(values);
            }
        }
        out
    }

    /// One head of one row.
    fn head(
        &self,
        qkv: &[f32],
        head: usize,
        padding: Option<&[f32]>,
        Scratch { packed, scores }: &mut Scratch,
        out: &mut [f32],
    ) {
        let (width, wide) = (self.width, (self.queries + 2 * self.keys) * self.width);
        let time = qkv.len() / wide;
        let own = head / (self.queries / self.keys);
        let at = |head: usize| &qkv[head * width..];
        let (q, k, v) = (at(head), at(self.queries + own), at(self.queries + self.keys + own));
        scores.resize(time * time, 0.0);
        packed.set_rows(k, [time, width], wide);
        part(&packed.times(q, time, wide), 0..time, 0..time.div_ceil(COLUMNS), scores, time);
        let scale = 1.0 / (width as f32).sqrt();
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                for (token, row) in scores.chunks_exact_mut(time).enumerate() {
                    row.iter_mut().for_each(|score| *score *= scale);
                    if let Some(padding) = padding {
                        // Not infinite: a text of nothing but padding still has a softmax.
                        row.iter_mut().zip(padding).for_each(|(score, padding)| *score -= padding * 1e30);
                    }
                    if self.causal {
                        row[token + 1..].fill(-1e30);
                    }
                    softmax_row(row);
                }
            },
        );
        packed.set_columns(v, [time, width], wide);
        part(&packed.times(scores, time, time), 0..time, 0..width.div_ceil(COLUMNS), out, width);
    }

    /// Turns each pair of values `i`, `i + width / 2` of queries and keys by an angle that grows with its
    /// token's place.
    #[allow(clippy::cast_possible_truncation)]
    fn turn(&self, qkv: &mut [f32], time: usize, wide: usize) {
        let half = self.width / 2;
        let turns: Vec<(f32, f32)> = (0..time * half)
            .map(|at| {
                let (token, i) = (at / half, at % half);
                let angle = token as f64 * ROPE_BASE.powf(-2.0 * i as f64 / self.width as f64);
                (angle.cos() as f32, angle.sin() as f32)
            })
            .collect();
        for (at, token) in qkv.chunks_exact_mut(wide).enumerate() {
            let turns = &turns[at % time * half..][..half];
            for head in token[..(self.queries + self.keys) * self.width].chunks_exact_mut(self.width) {
                let (a, b) = head.split_at_mut(half);
                for ((a, b), (cos, sin)) in a.iter_mut().zip(b).zip(turns) {
                    (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
                }
            }
        }
    }
}
