//! Multi-head self-attention.

mod cache;
mod rope;

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Bool, Device, FloatDType, Tensor, activation};
use cupola_kernels::ScoreRules;
use cupola_spec::{AttentionVariant, Layer, ROPE_BASE, Rope};

use super::hidden::concat;
use super::linear::LoraLinear;
use super::norm::RmsNorm;
use crate::error::Error;
use crate::fused;
use crate::precision::{self, cast_like, in_f32};
use crate::weights::ModuleBuilder;

pub use self::cache::{LayerCache, NewSteps};
pub use self::rope::RopeTables;

/// Stands for minus infinity before a softmax, so that a row that is masked throughout stays finite.
const MASKED: f32 = -1e30;

/// Sizes and switches of an attention layer.
#[derive(Debug, Clone)]
pub struct AttentionConfig {
    /// Width of a token.
    pub width: usize,
    /// Number of query heads.
    pub heads: usize,
    /// Number of key and value heads.
    pub kv_heads: usize,
    /// `true` if a step sees only itself and earlier steps.
    pub causal: bool,
    /// Rotary positions; `None` without.
    pub rope: Option<Rope>,
    /// Probability of dropping an attention weight in training.
    pub dropout: f64,
    /// Settings in which published models differ.
    pub variant: AttentionVariant,
}

impl AttentionConfig {
    /// Configuration of a declared layer on tokens of `width`.
    pub(super) fn new(spec: &Layer, width: usize) -> Self {
        let Layer::Attention {
            heads,
            kv_heads,
            causal,
            rope,
            rope_base,
            ref rope_scaling,
            dropout,
            variant,
            ..
        } = *spec
        else {
            unreachable!("{spec:?} is not attention");
        };
        let kv_heads = kv_heads.unwrap_or(heads);
        let rope = rope.then(|| Rope {
            base: rope_base.unwrap_or(ROPE_BASE),
            scaling: rope_scaling.clone(),
            width: variant.rope_width,
        });
        Self { width, heads, kv_heads, causal, rope, dropout, variant }
    }

    /// Width of a head.
    fn head_width(&self) -> usize {
        self.variant.head_width(self.width, self.heads)
    }

    /// Width of all key heads, or of all value heads.
    fn kv_width(&self) -> usize {
        self.kv_heads * self.head_width()
    }
}

/// `softmax(q k / sqrt(d)) v` in each head (Vaswani et al. 2017, section 3.2), with shared key and value heads (Ainslie et
/// al. 2023) if there are fewer of them.
#[derive(Module, Debug)]
pub struct AttentionModule {
    q: LoraLinear,
    k: Linear,
    v: LoraLinear,
    o: Linear,
    q_norm: Option<RmsNorm>,
    k_norm: Option<RmsNorm>,
    dropout: Dropout,
    #[module(skip)]
    config: AttentionConfig,
}

impl AttentionModule {
    pub(super) fn build(module: &mut ModuleBuilder<'_, '_>, config: AttentionConfig) -> Result<Self, Error> {
        let (q, k) = (LoraLinear::build(module, "q")?, module.linear("k.")?);
        let (v, o) = (LoraLinear::build(module, "v")?, module.linear("o.")?);
        let eps = config.variant.norm_eps;
        let mut norm = |name: &str| eps.map(|eps| RmsNorm::build(module, name, Some(eps))).transpose();
        let (q_norm, k_norm) = (norm("q_norm.weight")?, norm("k_norm.weight")?);
        let dropout = DropoutConfig::new(config.dropout).init();
        Ok(Self { q, k, v, o, q_norm, k_norm, dropout, config })
    }

    /// `[batch, time, width]` to the same shape; no step attends to steps where `padding` is true.
    pub fn forward(&self, x: Tensor<3>, padding: Option<Tensor<2, Bool>>) -> Tensor<3> {
        let time = x.dims()[1];
        let rope = self.rope_tables(&(0..time).collect::<Vec<_>>(), &x.device());
        let [q, k, v] = self.project(x, rope.as_ref());
        let fused = fused::attention([&q, &k, &v], self.score_rules(), padding.as_ref(), &self.dropout);
        if let Some(mixed) = fused {
            return precision::linear(&self.o, mixed);
        }
        let future = self.config.causal.then(|| Tensor::tril_mask([time, time], 0, &q.device()));
        let hidden = self.hidden_steps(future, [time, time], 0, &q.device());
        precision::linear(&self.o, self.attend([q, k, v], hidden, padding))
    }

    /// Forward pass of the new steps of several sequences, one sequence after another in `x` `[1, steps, width]`. Each
    /// step attends to the cached steps of its sequence, the new ones before it and itself; the caches take in the new
    /// keys and values.
    pub fn forward_cached(
        &self,
        x: Tensor<3>,
        sequences: &mut [NewSteps<'_>],
        rope: Option<&RopeTables>,
    ) -> Tensor<3> {
        let [q, k, v] = self.project(x, rope);
        let mut start = 0;
        let each = sequences.iter_mut().map(|NewSteps { cache, count, future }| {
            let own = |x: &Tensor<4>| x.clone().narrow(2, start, *count);
            let first = cache.steps();
            let (q, [k, v]) = (own(&q), cache.append(own(&k), own(&v)));
            start += *count;
            let shape = [*count, k.dims()[2]];
            let hidden = self.hidden_steps(Some(future.clone()), shape, first, &q.device());
            self.attend([q, k, v], hidden, None)
        });
        let mixed: Vec<Tensor<3>> = each.collect();
        precision::linear(&self.o, concat(mixed))
    }

    #[allow(clippy::cast_possible_truncation, reason = "kernels compute in single precision")]
    fn score_rules(&self) -> ScoreRules {
        let AttentionVariant { scale, softcap, window, .. } = self.config.variant;
        ScoreRules {
            causal: self.config.causal,
            scale: scale.map(|scale| scale as f32),
            softcap: softcap.map(|cap| cap as f32),
            window,
        }
    }

    /// Mask `[steps, seen]` of the steps that each step does not attend to: those in `future` and those outside of
    /// its window. The first step stands at position `first`.
    fn hidden_steps(
        &self,
        future: Option<Tensor<2, Bool>>,
        shape: [usize; 2],
        first: usize,
        device: &Device,
    ) -> Option<Tensor<2, Bool>> {
        let Some(window) = self.config.variant.window.filter(|window| *window < shape[1]) else {
            return future;
        };
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let (first, window) = (number(first), number(window));
        let before = Tensor::triu_mask(shape, first - window + 1, device);
        let after = future.unwrap_or_else(|| Tensor::tril_mask(shape, first + window - 1, device));
        Some(before.bool_or(after))
    }

    /// `RoPE` tables for these positions; `None` without rotary positions.
    pub fn rope_tables(&self, positions: &[usize], device: &Device) -> Option<RopeTables> {
        let rope = self.config.rope.as_ref()?;
        Some(RopeTables::new(rope, self.config.head_width(), positions, device))
    }

    /// `true` if these tables have the frequencies of this layer.
    pub fn uses(&self, tables: &RopeTables) -> bool {
        self.config.rope.as_ref().is_some_and(|rope| tables.matches(rope, self.config.head_width()))
    }

    /// Cached values of each step: keys and values of all heads.
    pub fn cache_width(&self) -> usize {
        2 * self.config.kv_width()
    }

    /// Empty cache for up to `capacity` steps of one sequence.
    pub fn new_cache(&self, capacity: usize, device: &Device) -> LayerCache {
        LayerCache::new([self.config.kv_heads, capacity, self.config.head_width()], device)
    }

    /// Queries, keys and values `[batch, heads, time, head]`.
    fn project(&self, x: Tensor<3>, rope: Option<&RopeTables>) -> [Tensor<4>; 3] {
        let [batch, time, _] = x.dims();
        let AttentionConfig { heads, kv_heads, .. } = self.config;
        let head_width = self.config.head_width();
        let split = |x: Tensor<3>, heads: usize| -> Tensor<4> {
            x.reshape([batch, time, heads, head_width]).swap_dims(1, 2)
        };
        let mut q = split(self.q.forward(x.clone()), heads);
        let mut k = split(precision::linear(&self.k, x.clone()), kv_heads);
        let v = split(self.v.forward(x), kv_heads);
        if let Some(norm) = &self.q_norm {
            q = in_f32(q, |q| norm.forward(q));
        }
        if let Some(norm) = &self.k_norm {
            k = in_f32(k, |k| norm.forward(k));
        }
        if let Some(rope) = rope {
            (q, k) = (rope.apply(q), rope.apply(k));
        }
        [q, k, v]
    }

    /// Weighted values `[batch, time, width]`; no step attends where `hidden` `[time, seen]` or `padding`
    /// `[batch, seen]` is true.
    fn attend(
        &self,
        [q, mut k, mut v]: [Tensor<4>; 3],
        hidden: Option<Tensor<2, Bool>>,
        padding: Option<Tensor<2, Bool>>,
    ) -> Tensor<3> {
        let [batch, heads, time, head_width] = q.dims();
        let seen = k.dims()[2];
        if self.config.kv_heads != heads {
            (k, v) = (repeat_heads(k, heads), repeat_heads(v, heads));
        }
        let scores = q.matmul(k.swap_dims(2, 3));
        #[allow(clippy::cast_precision_loss)]
        let scores = match self.config.variant.scale {
            Some(scale) => scores.mul_scalar(scale),
            None => scores.div_scalar((head_width as f64).sqrt()),
        };
        let mut scores = scores.cast(FloatDType::F32);
        if let Some(cap) = self.config.variant.softcap {
            scores = scores.div_scalar(cap).tanh().mul_scalar(cap);
        }
        let shape = [batch, heads, time, seen];
        if let Some(hidden) = hidden {
            scores = scores.mask_fill(hidden.reshape([1, 1, time, seen]).expand(shape), MASKED);
        }
        if let Some(padding) = padding {
            scores = scores.mask_fill(padding.reshape([batch, 1, 1, seen]).expand(shape), MASKED);
        }
        let weights = self.dropout.forward(cast_like(activation::softmax(scores, 3), &v));
        weights.matmul(v).swap_dims(1, 2).reshape([batch, time, heads * head_width])
    }
}

/// Repeats each key or value head for its group of query heads.
fn repeat_heads(x: Tensor<4>, heads: usize) -> Tensor<4> {
    let [batch, kv_heads, time, head_width] = x.dims();
    let x: Tensor<5> = x.unsqueeze_dim(2);
    x.repeat_dim(2, heads / kv_heads).reshape([batch, heads, time, head_width])
}
