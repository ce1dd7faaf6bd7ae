//! Keys and values of one attention layer and one sequence.

use burn::tensor::{Bool, Device, Tensor};

/// Attention reads a multiple of so many steps, since a GPU compiles kernels for each shape.
const STRIDE: usize = 64;

/// Keys and values `[1, kv_heads, capacity, head]`, of which the first steps are filled.
#[derive(Debug, Clone)]
pub struct LayerCache {
    /// `None` only while it is written in place.
    keys: Option<Tensor<4>>,
    /// `None` only while it is written in place.
    values: Option<Tensor<4>>,
    steps: usize,
    capacity: usize,
}

/// New steps of one sequence in one attention layer.
pub struct NewSteps<'a> {
    /// Steps before the new ones.
    pub cache: &'a mut LayerCache,
    /// Number of new steps.
    pub count: usize,
    /// Mask `[count, seen]` that is true at the steps after each new step.
    pub future: Tensor<2, Bool>,
}

impl LayerCache {
    pub(super) fn new([heads, capacity, head_width]: [usize; 3], device: &Device) -> Self {
        let zeros = || Some(Tensor::zeros([1, heads, capacity, head_width], device));
        Self { keys: zeros(), values: zeros(), steps: 0, capacity }
    }

    /// Appends the next steps; returns keys and values up to the last of them, rounded up to [`LayerCache::seen`].
    pub(super) fn append(&mut self, k: Tensor<4>, v: Tensor<4>) -> [Tensor<4>; 2] {
        let [_, heads, time, head_width] = k.dims();
        let start = self.steps;
        self.steps += time;
        let seen = self.seen(self.steps);
        let write = |cached: &mut Option<Tensor<4>>, new: Tensor<4>| {
            let place = [0..1, 0..heads, start..start + time, 0..head_width];
            // `Network::decode` has checked the capacity, and only this function takes a tensor out.
            let all = cached.take().map_or(new.clone(), |cached| cached.slice_assign(place, new));
            *cached = Some(all.clone());
            all.narrow(2, 0, seen)
        };
        [write(&mut self.keys, k), write(&mut self.values, v)]
    }

    /// Number of filled steps.
    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    /// Forgets all but the first `steps`.
    pub fn truncate(&mut self, steps: usize) {
        self.steps = steps;
    }

    /// Number of steps that attention reads if `steps` are filled.
    pub fn seen(&self, steps: usize) -> usize {
        steps.next_multiple_of(STRIDE).min(self.capacity)
    }
}
