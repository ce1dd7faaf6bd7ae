//! Rows of scores: softmax with dropout, and its derivative.

use super::super::AttentionInputs;
use super::TOKENS;
use crate::pointwise::{exp, tanh};
use crate::simd::{max_lanes, sum_lanes, vectorized};

const LANES: usize = 16;

/// Rules for the rows of scores `[time, columns]` of a head.
pub(super) struct ScoreRows {
    columns: usize,
    time: usize,
    scale: f32,
    softcap: Option<f32>,
    /// `[time, columns]`, 0 for keys that a query sees.
    hidden: Vec<f32>,
    /// Factors of dropout `[time, columns]`.
    factors: Vec<f32>,
}

impl ScoreRows {
    pub fn new(inputs: &AttentionInputs<'_>, columns: usize) -> Self {
        let time = inputs.shape.time;
        let (scale, softcap) = (inputs.scale(), inputs.rules.softcap);
        let hidden = vec![1.0; time * columns];
        let mut this = Self { columns, time, scale, softcap, hidden, factors: vec![1.0; time * columns] };
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
        for (query, row) in self.hidden.chunks_exact_mut(self.columns).enumerate() {
            row.fill(1.0);
            for key in inputs.keys_of(query) {
                row[key] = if padding.is_some_and(|padding| padding[key]) { 1.0 } else { 0.0 };
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
    pub fn weights(&self, scores: &mut [f32], log_sums: &mut [f32]) {
        let columns = self.columns;
        let (hidden, factors) = (&self.hidden, &self.factors);
        vectorized(
            #[inline(always)]
            || {
                let rows = scores.chunks_exact_mut(columns).zip(hidden.chunks_exact(columns));
                let rows = rows.zip(factors.chunks_exact(columns)).zip(&mut *log_sums);
                for (((row, hidden), factors), log_sum) in rows {
                    *log_sum = self.softmax(row, hidden, factors);
                }
            },
        );
    }

    /// Replaces scores by weights, and the gradients of the weights by those of the scores.
    pub fn gradients(&self, scores: &mut [f32], slopes: &mut [f32], log_sums: &[f32]) {
        let columns = self.columns;
        let (hidden, factors) = (&self.hidden, &self.factors);
        vectorized(
            #[inline(always)]
            || {
                let rows = scores.chunks_exact_mut(columns).zip(slopes.chunks_exact_mut(columns));
                let rows = rows.zip(hidden.chunks_exact(columns)).zip(factors.chunks_exact(columns));
                for ((((row, slopes), hidden), factors), log_sum) in rows.zip(log_sums) {
                    self.gradient(row, slopes, [hidden, factors], *log_sum);
                }
            },
        );
    }

    #[inline(always)]
    fn softmax(&self, row: &mut [f32], hidden: &[f32], factors: &[f32]) -> f32 {
        let scale = self.bound(row, None);
        let (row, hidden) = (row.as_chunks_mut::<LANES>().0, hidden.as_chunks::<LANES>().0);
        let mut most = [f32::NEG_INFINITY; LANES];
        for (row, hidden) in row.iter_mut().zip(hidden) {
            for ((x, hidden), most) in row.iter_mut().zip(hidden).zip(&mut most) {
                *x = if *hidden == 0.0 { *x * scale } else { f32::NEG_INFINITY };
                *most = if *x > *most { *x } else { *most };
            }
        }
        let most = max_lanes(most);
        if most == f32::NEG_INFINITY && row.as_flattened().iter().all(|x| !x.is_nan()) {
            self.set_alike(row.as_flattened_mut());
            return f32::INFINITY;
        }
        let mut sum = [0.0; LANES];
        for (row, hidden) in row.iter_mut().zip(hidden) {
            for ((x, hidden), sum) in row.iter_mut().zip(hidden).zip(&mut sum) {
                *x = if *hidden == 0.0 { exp(*x - most) } else { 0.0 };
                *sum += *x;
            }
        }
        let sum = sum_lanes(sum);
        let factor = 1.0 / sum;
        for (x, dropout) in row.as_flattened_mut().iter_mut().zip(factors) {
            *x *= factor * dropout;
        }
        most + sum.ln()
    }

    #[inline(always)]
    fn gradient(&self, row: &mut [f32], slopes: &mut [f32], [hidden, factors]: [&[f32]; 2], log_sum: f32) {
        if log_sum.is_infinite() {
            self.set_alike(row);
            return slopes.fill(0.0);
        }
        let mut steepness = [1.0; TOKENS];
        let scale = self.bound(row, Some(&mut steepness));
        let each = row.as_chunks_mut::<LANES>().0.iter_mut().zip(slopes.as_chunks_mut::<LANES>().0);
        let each = each.zip(hidden.as_chunks::<LANES>().0).zip(factors.as_chunks::<LANES>().0);
        let mut product = [0.0; LANES];
        for (((row, slopes), hidden), factors) in each {
            for lane in 0..LANES {
                let is_seen = hidden[lane] == 0.0;
                let weight = if is_seen { exp(row[lane] * scale - log_sum) } else { 0.0 };
                let slope = if is_seen { slopes[lane] * factors[lane] } else { 0.0 };
                product[lane] += weight * slope;
                (row[lane], slopes[lane]) = (weight, slope);
            }
        }
        let product = sum_lanes(product);
        for ((x, slope), factor) in row.iter_mut().zip(&mut *slopes).zip(factors) {
            *slope = *x * (*slope - product) * self.scale;
            *x *= factor;
        }
        if self.softcap.is_some() {
            for (slope, steepness) in slopes.iter_mut().zip(&steepness) {
                *slope *= steepness;
            }
        }
    }

    /// Bounds scores, sets their derivatives, and returns the factor that is left to be applied.
    #[inline(always)]
    fn bound(&self, row: &mut [f32], steepness: Option<&mut [f32; TOKENS]>) -> f32 {
        let Some(cap) = self.softcap else { return self.scale };
        for x in &mut *row {
            *x = tanh(*x * self.scale / cap);
        }
        if let Some(steepness) = steepness {
            for (steepness, x) in steepness.iter_mut().zip(&*row) {
                *steepness = 1.0 - x * x;
            }
        }
        cap
    }

    /// Weights of a query that sees no key.
    fn set_alike(&self, row: &mut [f32]) {
        row[self.time..].fill(0.0);
        row[..self.time].fill(1.0 / self.time as f32);
    }
}
