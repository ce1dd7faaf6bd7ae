//! Multi-head self-attention, as `cupola_nn` has it.

use candle_core::{Device, Error as CandleError, Tensor};

use super::Named;
use super::op::{Flow, Op, linear, softmax};
use crate::error::Error;

/// Stands for minus infinity before a softmax.
const MASKED: f32 = -1e30;
/// Base of the rotary frequencies.
const ROPE_BASE: f64 = 10_000.0;

/// Multi-head self-attention.
pub struct Attention {
    q: Box<Op>,
    k: Box<Op>,
    v: Box<Op>,
    o: Box<Op>,
    heads: usize,
    kv_heads: usize,
    causal: bool,
    rope: bool,
}

impl Attention {
    pub fn new(
        named: &Named<'_>,
        place: &str,
        [heads, kv_heads]: [usize; 2],
        causal: bool,
        rope: bool,
        bias: bool,
    ) -> Result<Self, Error> {
        let map = |part: &str| linear(named, &format!("{place}.{part}"), bias).map(Box::new);
        Ok(Self { q: map("q")?, k: map("k")?, v: map("v")?, o: map("o")?, heads, kv_heads, causal, rope })
    }

    pub fn forward(&self, x: &Tensor, mask: Option<&Tensor>) -> Result<Tensor, CandleError> {
        let (batch, time, width) = x.dims3()?;
        let head = width / self.heads;
        let split = |op: &Op, heads: usize| -> Result<Tensor, CandleError> {
            let x = op.forward(Flow::plain(x.clone()))?.x;
            x.reshape((batch, time, heads, head))?.transpose(1, 2)?.contiguous()
        };
        let mut q = split(&self.q, self.heads)?;
        let mut k = split(&self.k, self.kv_heads)?;
        let mut v = split(&self.v, self.kv_heads)?;
        if self.rope {
            let turns = Turns::new(time, head)?;
            (q, k) = (turns.apply(&q)?, turns.apply(&k)?);
        }
        if self.kv_heads != self.heads {
            (k, v) = (shared(&k, self.heads)?, shared(&v, self.heads)?);
        }
        #[allow(clippy::cast_precision_loss)]
        let mut scores = (q.matmul(&k.transpose(2, 3)?.contiguous()?)? / (head as f64).sqrt())?;
        if self.causal {
            let later = (0..time * time).map(|i| if i % time > i / time { MASKED } else { 0.0 });
            let later = Tensor::from_iter(later, &Device::Cpu)?.reshape((1, 1, time, time))?;
            scores = scores.broadcast_add(&later)?;
        }
        if let Some(mask) = mask {
            scores = scores.broadcast_add(&(mask.reshape((batch, 1, 1, time))? * f64::from(MASKED))?)?;
        }
        let mixed = softmax(&scores)?.matmul(&v)?.transpose(1, 2)?.contiguous()?;
        Ok(self.o.forward(Flow::plain(mixed.reshape((batch, time, width))?))?.x)
    }
}

/// Each key or value head for its group of query heads.
fn shared(x: &Tensor, heads: usize) -> Result<Tensor, CandleError> {
    let (batch, kv_heads, time, head) = x.dims4()?;
    let groups = heads / kv_heads;
    let x = x.unsqueeze(2)?.expand((batch, kv_heads, groups, time, head))?;
    x.contiguous()?.reshape((batch, heads, time, head))
}

/// Rotary positions: cosines and sines `[1, 1, time, head]`.
struct Turns {
    cos: Tensor,
    sin: Tensor,
}

impl Turns {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    fn new(time: usize, head: usize) -> Result<Self, CandleError> {
        let half = head / 2;
        let angle = |t: usize, i: usize| t as f64 * ROPE_BASE.powf(-2.0 * (i % half) as f64 / head as f64);
        let table = |f: fn(f64) -> f64| {
            let values: Vec<f32> =
                (0..time).flat_map(|t| (0..head).map(move |i| f(angle(t, i)) as f32)).collect();
            Tensor::from_vec(values, (1, 1, time, head), &Device::Cpu)
        };
        Ok(Self { cos: table(f64::cos)?, sin: table(f64::sin)? })
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor, CandleError> {
        let half = x.dims4()?.3 / 2;
        let turned = Tensor::cat(&[x.narrow(3, half, half)?.neg()?, x.narrow(3, 0, half)?], 3)?;
        x.broadcast_mul(&self.cos)? + turned.broadcast_mul(&self.sin)?
    }
}
