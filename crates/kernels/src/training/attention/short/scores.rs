//! Scores of a head: softmax with dropout, and its derivative. Queries lie side by side, so that the reductions over keys
//! are sums and maxima of whole vectors.

use super::super::AttentionInputs;
use crate::pointwise::{exp, tanh};
use crate::simd::vectorized;

/// Queries of a vector.
const LANES: usize = 16;

type Lanes = [f32; LANES];

/// Rules for the scores `[time, columns]` of a head: a row for each key, a column for each query.
pub(super) struct Scores {
    /// Vectors of a row.
    blocks: usize,
    time: usize,
    scale: f32,
    softcap: Option<f32>,
    /// `[time, columns]`, 0 where a query sees a key.
    hidden: Vec<f32>,
    /// Factors of dropout `[time, columns]`.
    factors: Vec<f32>,
    /// Derivatives of bounded scores `[time, columns]`; empty without a bound.
    steepness: Vec<f32>,
}

impl Scores {
    pub fn new(inputs: &AttentionInputs<'_>, columns: usize) -> Self {
        let (time, softcap) = (inputs.shape.time, inputs.rules.softcap);
        let ones = vec![1.0; time * columns];
        let steepness = if softcap.is_some() { ones.clone() } else { Vec::new() };
        let (hidden, factors) = (ones.clone(), ones);
        let blocks = columns / LANES;
        let mut this = Self { blocks, time, scale: inputs.scale(), softcap, hidden, factors, steepness };
        this.set_hidden(inputs, None);
        this
    }

    /// Takes the padding of a text.
    pub fn set_text(&mut self, inputs: &AttentionInputs<'_>, text: usize) {
        if let Some(padding) = inputs.padding_of(text) {
            self.set_hidden(inputs, Some(padding));
        }
    }

    fn set_hidden(&mut self, inputs: &AttentionInputs<'_>, padding: Option<&[bool]>) {
        for (key, row) in self.hidden.chunks_exact_mut(self.blocks * LANES).enumerate() {
            row.fill(1.0);
            if padding.is_none_or(|padding| !padding[key]) {
                row[inputs.queries_of(key)].fill(0.0);
            }
        }
    }

    /// Draws the dropout of a head; without it, all factors stay 1.
    pub fn set_factors(&mut self, inputs: &AttentionInputs<'_>, text: usize, head: usize) {
        if let Some(dropout) = inputs.dropout {
            let stream = inputs.stream(text, head, [0, 0]);
            vectorized(
                #[inline(always)]
                || dropout.fill(stream, &mut self.factors),
            );
        }
    }

    /// Replaces scores by weights, and sets the logarithms of the sums.
    pub fn weights(&mut self, scores: &mut [f32], log_sums: &mut [f32]) {
        let scale = self.bound(scores);
        vectorized(
            #[inline(always)]
            || {
                let scores = scores.as_chunks_mut::<LANES>().0;
                for (block, log_sums) in log_sums.chunks_mut(LANES).enumerate() {
                    self.softmax(block, scale, scores, log_sums);
                }
            },
        );
    }

    /// Replaces scores by weights, and the gradients of the weights by those of the scores.
    pub fn gradients(&mut self, scores: &mut [f32], slopes: &mut [f32], log_sums: &[f32]) {
        let scale = self.bound(scores);
        vectorized(
            #[inline(always)]
            || {
                let (scores, slopes) = (scores.as_chunks_mut::<LANES>().0, slopes.as_chunks_mut::<LANES>().0);
                for (block, log_sums) in log_sums.chunks(LANES).enumerate() {
                    self.gradient(block, scale, [&mut *scores, &mut *slopes], log_sums);
                }
            },
        );
        for (slope, steepness) in slopes.iter_mut().zip(&self.steepness) {
            *slope *= steepness;
        }
    }

    #[inline(always)]
    fn softmax(&self, block: usize, scale: f32, scores: &mut [Lanes], log_sums: &mut [f32]) {
        let (hidden, factors) = (self.hidden.as_chunks::<LANES>().0, self.factors.as_chunks::<LANES>().0);
        let mut most = [f32::NEG_INFINITY; LANES];
        for key in 0..self.time {
            let at = key * self.blocks + block;
            let (scores, hidden) = (&mut scores[at], &hidden[at]);
            for lane in 0..LANES {
                let score = if hidden[lane] == 0.0 { scores[lane] * scale } else { f32::NEG_INFINITY };
                most[lane] = if score > most[lane] { score } else { most[lane] };
                scores[lane] = score;
            }
        }
        let mut sum = [0.0; LANES];
        for key in 0..self.time {
            let at = key * self.blocks + block;
            let (scores, hidden) = (&mut scores[at], &hidden[at]);
            for lane in 0..LANES {
                let weight = if hidden[lane] == 0.0 { exp(scores[lane] - most[lane]) } else { 0.0 };
                sum[lane] += weight;
                scores[lane] = weight;
            }
        }
        let mut inverse = [0.0; LANES];
        for lane in 0..LANES {
            inverse[lane] = 1.0 / sum[lane];
        }
        for key in 0..self.time {
            let at = key * self.blocks + block;
            let (scores, factors) = (&mut scores[at], &factors[at]);
            for lane in 0..LANES {
                scores[lane] *= inverse[lane] * factors[lane];
            }
        }
        for (lane, log_sum) in log_sums.iter_mut().enumerate() {
            // The exponential of a score that is seen is above 0.
            *log_sum = if sum[lane] == 0.0 { f32::INFINITY } else { most[lane] + sum[lane].ln() };
            if sum[lane] == 0.0 {
                self.set_alike(block, lane, scores);
            }
        }
    }

    // Copies of the arrays: the compiler then knows that they are apart.
    #[inline(always)]
    fn gradient(&self, block: usize, scale: f32, [scores, slopes]: [&mut [Lanes]; 2], log_sums: &[f32]) {
        let (hidden, factors) = (self.hidden.as_chunks::<LANES>().0, self.factors.as_chunks::<LANES>().0);
        let mut logs = [0.0; LANES];
        logs[..log_sums.len()].copy_from_slice(log_sums);
        let mut product = [0.0; LANES];
        for key in 0..self.time {
            let at = key * self.blocks + block;
            let (mut weights, mut own, hidden, factors) = (scores[at], slopes[at], hidden[at], factors[at]);
            for lane in 0..LANES {
                let is_seen = hidden[lane] == 0.0;
                let (weight, slope) = (exp(weights[lane] * scale - logs[lane]), own[lane] * factors[lane]);
                let (weight, slope) = if is_seen { (weight, slope) } else { (0.0, 0.0) };
                product[lane] += weight * slope;
                (weights[lane], own[lane]) = (weight, slope);
            }
            (scores[at], slopes[at]) = (weights, own);
        }
        for key in 0..self.time {
            let at = key * self.blocks + block;
            let (mut weights, mut own, factors) = (scores[at], slopes[at], factors[at]);
            for lane in 0..LANES {
                own[lane] = weights[lane] * (own[lane] - product[lane]) * self.scale;
                weights[lane] *= factors[lane];
            }
            (scores[at], slopes[at]) = (weights, own);
        }
        // The gradients of the scores are 0 already.
        for (lane, log_sum) in log_sums.iter().enumerate() {
            if log_sum.is_infinite() {
                self.set_alike(block, lane, scores);
            }
        }
    }

    /// Bounds scores, sets their derivatives, and returns the factor that is left to be applied.
    fn bound(&mut self, scores: &mut [f32]) -> f32 {
        let Some(cap) = self.softcap else { return self.scale };
        let (scale, steepness) = (self.scale, &mut self.steepness);
        vectorized(
            #[inline(always)]
            || {
                for (score, steepness) in scores.iter_mut().zip(&mut *steepness) {
                    *score = tanh(*score * scale / cap);
                    *steepness = 1.0 - *score * *score;
                }
            },
        );
        cap
    }

    /// Sets the weights of a query that sees no key.
    fn set_alike(&self, block: usize, lane: usize, scores: &mut [Lanes]) {
        for row in scores.chunks_exact_mut(self.blocks).take(self.time) {
            row[block][lane] = 1.0 / self.time as f32;
        }
    }
}
