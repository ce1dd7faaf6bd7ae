//! Multi-head self-attention.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Bool, Device, Tensor, TensorData, activation};

use crate::builder::Builder;
use crate::error::Error;
use crate::layer::linear;
use crate::lora::Adapted;

/// Stands for minus infinity before a softmax; a row that is masked throughout stays finite.
const MASKED: f32 = -1e30;

/// Base of the rotary frequencies.
const ROPE_BASE: f64 = 10_000.0;

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
    /// Rotary positions.
    pub rope: bool,
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
        let [batch, time, width] = x.dims();
        let Sizes { heads, kv_heads, .. } = self.sizes;
        let head = width / heads;
        // [batch, heads, time, head]
        let split = |x: Tensor<3>, heads: usize| -> Tensor<4> {
            x.reshape([batch, time, heads, head]).swap_dims(1, 2)
        };
        let mut q = split(self.q.forward(x.clone()), heads);
        let mut k = split(self.k.forward(x.clone()), kv_heads);
        let mut v = split(self.v.forward(x), kv_heads);
        if self.sizes.rope {
            let turns = Turns::new(time, head, &q.device());
            (q, k) = (turns.apply(q), turns.apply(k));
        }
        if kv_heads != heads {
            (k, v) = (shared(k, heads), shared(v, heads));
        }
        #[allow(clippy::cast_precision_loss)]
        let mut scores = q.matmul(k.swap_dims(2, 3)).div_scalar((head as f64).sqrt());
        if self.sizes.causal {
            let later: Tensor<2, Bool> = Tensor::tril_mask([time, time], 0, &scores.device());
            scores = scores
                .mask_fill(later.reshape([1, 1, time, time]).expand([batch, heads, time, time]), MASKED);
        }
        if let Some(padding) = padding {
            let padding = padding.reshape([batch, 1, 1, time]).expand([batch, heads, time, time]);
            scores = scores.mask_fill(padding, MASKED);
        }
        let weights = self.dropout.forward(activation::softmax(scores, 3));
        self.o.forward(weights.matmul(v).swap_dims(1, 2).reshape([batch, time, width]))
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
struct Turns {
    cos: Tensor<4>,
    sin: Tensor<4>,
}

impl Turns {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    fn new(time: usize, head: usize, device: &Device) -> Self {
        let half = head / 2;
        let angle = |t: usize, i: usize| t as f64 * ROPE_BASE.powf(-2.0 * (i % half) as f64 / head as f64);
        let table = |f: fn(f64) -> f64| -> Tensor<4> {
            let values: Vec<f32> =
                (0..time).flat_map(|t| (0..head).map(move |i| f(angle(t, i)) as f32)).collect();
            Tensor::from_data(TensorData::new(values, [1, 1, time, head]), device)
        };
        Self { cos: table(f64::cos), sin: table(f64::sin) }
    }

    /// `[batch, heads, time, head]` to the same.
    fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        let half = x.dims()[3] / 2;
        let turned =
            Tensor::cat(vec![x.clone().narrow(3, half, half).neg(), x.clone().narrow(3, 0, half)], 3);
        x * self.cos.clone() + turned * self.sin.clone()
    }
}
