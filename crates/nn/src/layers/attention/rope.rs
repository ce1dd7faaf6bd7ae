//! Rotary position embeddings (Su et al. 2021, section 3.4).

use burn::tensor::{Device, Tensor, TensorData};
use cupola_spec::Rope;

use crate::precision::cast_like;

/// Cosines and sines `[1, 1, time, rotated]` of some positions; the two halves of the rotated part of a head are the
/// rotated pairs.
#[derive(Debug, Clone)]
pub struct RopeTables {
    rope: Rope,
    head_width: usize,
    cos: Tensor<4>,
    sin: Tensor<4>,
}

impl RopeTables {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    pub(super) fn new(rope: &Rope, head_width: usize, positions: &[usize], device: &Device) -> Self {
        let frequencies = rope.frequencies(head_width);
        let (half, width) = (frequencies.len(), 2 * frequencies.len());
        let angle = |position: usize, i: usize| position as f64 * frequencies[i % half];
        let table = |f: fn(f64) -> f64| -> Tensor<4> {
            let value = |t: usize, i: usize| (f(angle(t, i)) * rope.amplitude()) as f32;
            let each = positions.iter().flat_map(|t| (0..width).map(move |i| value(*t, i)));
            let values = TensorData::new(each.collect::<Vec<f32>>(), [1, 1, positions.len(), width]);
            Tensor::from_data(values, device)
        };
        Self { rope: rope.clone(), head_width, cos: table(f64::cos), sin: table(f64::sin) }
    }

    /// `true` if the tables have these frequencies.
    pub(super) fn matches(&self, rope: &Rope, head_width: usize) -> bool {
        self.rope == *rope && self.head_width == head_width
    }

    /// Rotates queries or keys `[batch, heads, time, head]`.
    pub(super) fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        let (head, width) = (x.dims()[3], self.cos.dims()[3]);
        if width == head {
            return self.rotate(x);
        }
        let rest = x.clone().narrow(3, width, head - width);
        Tensor::cat(vec![self.rotate(x.narrow(3, 0, width)), rest], 3)
    }

    fn rotate(&self, x: Tensor<4>) -> Tensor<4> {
        let half = x.dims()[3] / 2;
        let rotated =
            Tensor::cat(vec![x.clone().narrow(3, half, half).neg(), x.clone().narrow(3, 0, half)], 3);
        let (cos, sin) = (cast_like(self.cos.clone(), &x), cast_like(self.sin.clone(), &x));
        x * cos + rotated * sin
    }
}
