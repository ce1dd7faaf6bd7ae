//! Variants of attention: norms of queries and keys, factors, bounds and windows of scores.

use crate::rows::rms_norm;

/// Stands for minus infinity. Not infinite: a text of nothing but padding still has a softmax.
const MASKED: f32 = -1e30;

/// Rules for the scores of a layer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ScoreRules {
    /// `true` if a token attends only to itself and the tokens before it.
    pub causal: bool,
    /// Factor of the scores; `None` for `1 / sqrt(head_width)`.
    pub scale: Option<f32>,
    /// Bound `c` of the scores, `c * tanh(score / c)`; `None` without.
    pub softcap: Option<f32>,
    /// Number of tokens that a token attends to, itself and those before it; without `causal`, as many after it. `None`
    /// for all.
    pub window: Option<usize>,
}

/// Root-mean-square norm of each head's queries and keys, as in Qwen3 (Yang et al. 2025).
#[derive(Debug, Clone, PartialEq)]
pub struct HeadNorms {
    /// Weights of the queries `[head_width]`.
    pub q: Vec<f32>,
    /// Weights of the keys `[head_width]`.
    pub k: Vec<f32>,
    /// Small number that is added to the mean square.
    pub eps: f32,
}

impl ScoreRules {
    /// Factor of the scores of heads of this width.
    pub(super) fn scale(&self, head_width: usize) -> f32 {
        self.scale.unwrap_or_else(|| 1.0 / (head_width as f32).sqrt())
    }

    /// Bounds scaled scores.
    pub(super) fn bound(&self, scores: &mut [f32]) {
        let Some(cap) = self.softcap else { return };
        for score in scores {
            *score = cap * (*score / cap).tanh();
        }
    }

    /// First token that the token at this position attends to.
    pub(super) fn first_seen(&self, position: usize) -> usize {
        self.window.map_or(0, |window| (position + 1).saturating_sub(window))
    }

    /// Masks the scores that the token at this position does not attend to.
    pub(super) fn mask(&self, scores: &mut [f32], position: usize) {
        let first = self.first_seen(position).min(scores.len());
        scores[..first].fill(MASKED);
        let after = if self.causal { Some(1) } else { self.window };
        if let Some(after) = after {
            let end = position.saturating_add(after).min(scores.len());
            scores[end..].fill(MASKED);
        }
    }
}

impl HeadNorms {
    /// Normalises the queries and keys of a token, which begin `token`.
    pub(super) fn apply(&self, token: &mut [f32], [query_heads, kv_heads]: [usize; 2]) {
        let width = self.q.len();
        let (queries, rest) = token.split_at_mut((query_heads * width).min(token.len()));
        let keys = (kv_heads * width).min(rest.len());
        rms_norm(queries, &self.q, self.eps);
        rms_norm(&mut rest[..keys], &self.k, self.eps);
    }
}
