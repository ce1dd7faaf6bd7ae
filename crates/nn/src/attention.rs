//! Multi-head self-attention.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Bool, Device, FloatDType, Tensor, TensorData, activation};
use cupola_spec::Rope;

use crate::builder::Builder;
use crate::cache::{Kept, Onward};
use crate::error::Error;
use crate::layer::linear;
use crate::lora::Adapted;
use crate::precision::{self, like};
use crate::source::one_or_cat;

/// Stands for minus infinity before a softmax; a row that is masked throughout stays finite.
const MASKED: f32 = -1e30;

/// Sizes and switches of an attention layer.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Of a token.
    pub width: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Whether a step sees only itself and earlier steps.
    pub causal: bool,
    /// Rotary positions, if it has those.
    pub rope: Option<Rope>,
    /// Of the four linear maps.
    pub bias: bool,
}

/// `softmax(q k / sqrt(d)) v` in each head (Vaswani et al. 2017, 3.2).
#[derive(Module, Debug)]
pub struct Attention {
    q: Adapted,
    k: Linear,
    v: Adapted,
    o: Linear,
    dropout: Dropout,
    #[module(skip)]
    sizes: Sizes,
}

impl Attention {
    pub(crate) fn build(
        builder: &mut Builder<'_>,
        name: &str,
        sizes: Sizes,
        dropout: f64,
    ) -> Result<Self, Error> {
        let Sizes { width, heads, kv_heads, bias, .. } = sizes;
        let kv = width / heads * kv_heads;
        let q = Adapted::build(builder, &format!("{name}.q"), width, width, bias)?;
        let k = linear(builder, &format!("{name}.k"), width, kv, bias)?;
        let v = Adapted::build(builder, &format!("{name}.v"), width, kv, bias)?;
        let o = linear(builder, &format!("{name}.o"), width, width, bias)?;
        Ok(Self { q, k, v, o, dropout: DropoutConfig::new(dropout).init(), sizes })
    }

    /// `[batch, time, width]` to the same; `padding` is true where nothing may be attended to.
    pub fn forward(&self, x: Tensor<3>, padding: Option<Tensor<2, Bool>>) -> Tensor<3> {
        let time = x.dims()[1];
        let turns = self.turns(&(0..time).collect::<Vec<_>>(), &x.device());
        let [q, k, v] = self.project(x, turns.as_ref());
        let later = self.sizes.causal.then(|| Tensor::tril_mask([time, time], 0, &q.device()));
        precision::linear(&self.o, self.attend([q, k, v], later, padding))
    }

    /// The same for new steps of several texts, one text after another in `x` `[1, steps, width]`: each sees those
    /// whose keys and values are kept of its text, itself and the new ones between, and all are kept then.
    pub(crate) fn forward_after(
        &self,
        x: Tensor<3>,
        texts: &mut [Onward<'_>],
        turns: Option<&Turns>,
    ) -> Tensor<3> {
        let [q, k, v] = self.project(x, turns);
        let mut at = 0;
        let each = texts.iter_mut().map(|Onward { kept, count, later }| {
            let own = |x: &Tensor<4>| x.clone().narrow(2, at, *count);
            let (q, [k, v]) = (own(&q), kept.add(own(&k), own(&v)));
            at += *count;
            self.attend([q, k, v], Some(later.clone()), None)
        });
        let mixed: Vec<Tensor<3>> = each.collect();
        precision::linear(&self.o, one_or_cat(mixed))
    }

    /// By what queries and keys at these positions are turned, if they are.
    pub(crate) fn turns(&self, positions: &[usize], device: &Device) -> Option<Turns> {
        let head = self.sizes.width / self.sizes.heads;
        self.sizes.rope.map(|rope| Turns::new(rope, head, positions, device))
    }

    /// Whether these are by its own frequencies.
    pub(crate) fn turns_by(&self, turns: &Turns) -> bool {
        let head = self.sizes.width / self.sizes.heads;
        self.sizes.rope == Some(turns.rope) && turns.cos.dims()[3] == head
    }

    /// Numbers that are kept of each step.
    pub(crate) fn kept_width(&self) -> usize {
        let Sizes { width, heads, kv_heads, .. } = self.sizes;
        2 * kv_heads * (width / heads)
    }

    /// Room for the keys and values of up to `capacity` steps of one text.
    pub(crate) fn kept(&self, capacity: usize, device: &Device) -> Kept {
        let Sizes { width, heads, kv_heads, .. } = self.sizes;
        let room = || Some(Tensor::zeros([1, kv_heads, capacity, width / heads], device));
        Kept { k: room(), v: room(), steps: 0, capacity }
    }

    /// Queries, keys and values `[batch, heads, time, head]`.
    fn project(&self, x: Tensor<3>, turns: Option<&Turns>) -> [Tensor<4>; 3] {
        let [batch, time, width] = x.dims();
        let Sizes { heads, kv_heads, .. } = self.sizes;
        let head = width / heads;
        let split = |x: Tensor<3>, heads: usize| -> Tensor<4> {
            x.reshape([batch, time, heads, head]).swap_dims(1, 2)
        };
        let mut q = split(self.q.forward(x.clone()), heads);
        let mut k = split(precision::linear(&self.k, x.clone()), kv_heads);
        let v = split(self.v.forward(x), kv_heads);
        if let Some(turns) = turns {
            (q, k) = (turns.apply(q), turns.apply(k));
        }
        [q, k, v]
    }

    /// Values that are mixed, `[batch, time, width]`; `later` `[time, seen]` and `padding` `[batch, seen]` are true where
    /// nothing may be attended to.
    fn attend(
        &self,
        [q, mut k, mut v]: [Tensor<4>; 3],
        later: Option<Tensor<2, Bool>>,
        padding: Option<Tensor<2, Bool>>,
    ) -> Tensor<3> {
        let [batch, heads, time, head] = q.dims();
        let seen = k.dims()[2];
        if self.sizes.kv_heads != heads {
            (k, v) = (shared(k, heads), shared(v, heads));
        }
        #[allow(clippy::cast_precision_loss)]
        let scores = q.matmul(k.swap_dims(2, 3)).div_scalar((head as f64).sqrt());
        let mut scores = scores.cast(FloatDType::F32);
        let all = [batch, heads, time, seen];
        if let Some(later) = later {
            scores = scores.mask_fill(later.reshape([1, 1, time, seen]).expand(all), MASKED);
        }
        if let Some(padding) = padding {
            scores = scores.mask_fill(padding.reshape([batch, 1, 1, seen]).expand(all), MASKED);
        }
        let weights = self.dropout.forward(like(activation::softmax(scores, 3), &v));
        weights.matmul(v).swap_dims(1, 2).reshape([batch, time, heads * head])
    }
}

/// Each key or value head for its group of query heads.
fn shared(x: Tensor<4>, heads: usize) -> Tensor<4> {
    let [batch, kv_heads, time, head] = x.dims();
    let x: Tensor<5> = x.unsqueeze_dim(2);
    x.repeat_dim(2, heads / kv_heads).reshape([batch, heads, time, head])
}

/// Rotary positions (Su et al. 2021, 3.4), with the two halves of a head as the pairs: cosines and
/// sines `[1, 1, time, head]`.
#[derive(Debug, Clone)]
pub(crate) struct Turns {
    rope: Rope,
    cos: Tensor<4>,
    sin: Tensor<4>,
}

impl Turns {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    fn new(rope: Rope, head: usize, positions: &[usize], device: &Device) -> Self {
        let frequencies = rope.frequencies(head);
        let (half, head) = (frequencies.len(), 2 * frequencies.len());
        let angle = |t: usize, i: usize| t as f64 * frequencies[i % half];
        let table = |f: fn(f64) -> f64| -> Tensor<4> {
            let each = positions.iter().flat_map(|t| (0..head).map(move |i| f(angle(*t, i)) as f32));
            let values = TensorData::new(each.collect::<Vec<f32>>(), [1, 1, positions.len(), head]);
            Tensor::from_data(values, device)
        };
        Self { rope, cos: table(f64::cos), sin: table(f64::sin) }
    }

    /// `[batch, heads, time, head]` to the same.
    fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        let half = x.dims()[3] / 2;
        let turned =
            Tensor::cat(vec![x.clone().narrow(3, half, half).neg(), x.clone().narrow(3, 0, half)], 3);
        let (cos, sin) = (like(self.cos.clone(), &x), like(self.sin.clone(), &x));
        x * cos + turned * sin
    }
}
