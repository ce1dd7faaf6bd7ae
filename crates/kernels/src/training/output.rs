//! Outputs that several threads write.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

/// Output of a kernel, zeroed chunk by chunk by the threads that write it.
///
/// A vector of zeros would be cleared by one thread while the others wait, and its values would have left the cache
/// before they are written.
pub(super) struct OutputBuffer {
    values: Vec<f32>,
    count: usize,
    /// Values that the last [`Self::par_chunks_mut`] has zeroed.
    zeroed: AtomicUsize,
}

impl OutputBuffer {
    /// Output of `count` values.
    pub fn new(count: usize) -> Self {
        Self { values: Vec::with_capacity(count), count, zeroed: AtomicUsize::new(0) }
    }

    /// The chunks of `each` values, zeroed; the last one may be shorter.
    #[allow(unsafe_code)]
    pub fn par_chunks_mut(&mut self, each: usize) -> impl IndexedParallelIterator<Item = &mut [f32]> {
        let zeroed = &self.zeroed;
        zeroed.store(0, Ordering::Relaxed);
        let chunks = self.values.spare_capacity_mut()[..self.count].par_chunks_mut(each.max(1));
        chunks.map(|chunk| {
            chunk.fill(MaybeUninit::new(0.0));
            zeroed.fetch_add(chunk.len(), Ordering::Relaxed);
            // SAFETY: all of the chunk has just been set.
            unsafe { chunk.assume_init_mut() }
        })
    }

    /// The values.
    ///
    /// # Panics
    /// If the last iterator over the chunks has left some out.
    #[allow(unsafe_code)]
    pub fn into_vec(mut self) -> Vec<f32> {
        assert_eq!(*self.zeroed.get_mut(), self.count, "a chunk of an output was not written");
        // SAFETY: the vector has room for `count` values, and chunks of that many values in all have been set: an iterator
        // yields each chunk once.
        unsafe { self.values.set_len(self.count) };
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_written_and_zero_elsewhere() {
        for (count, each) in [(0, 4), (1, 4), (8, 4), (1_003, 10), (5, 0)] {
            let mut output = OutputBuffer::new(count);
            output.par_chunks_mut(each).enumerate().for_each(|(i, chunk)| chunk[0] = i as f32 + 1.0);
            let each = each.max(1);
            let expected = |at: usize| if at.is_multiple_of(each) { (at / each) as f32 + 1.0 } else { 0.0 };
            assert_eq!(output.into_vec(), (0..count).map(expected).collect::<Vec<f32>>());
        }
    }

    #[test]
    #[should_panic(expected = "was not written")]
    fn an_output_with_a_hole_is_refused() {
        let mut output = OutputBuffer::new(30);
        output.par_chunks_mut(10).take(2).for_each(|chunk| chunk[0] = 1.0);
        output.into_vec();
    }
}
