//! Devices that train one network together: each has a part of every batch, and all take the sum of their
//! gradients, so that the weights stay the same everywhere.

mod gradients;
#[cfg(feature = "mpi")]
mod mpi;
mod threads;

pub(crate) use gradients::summed;
#[cfg(feature = "mpi")]
pub use mpi::Mpi;
pub(crate) use threads::together;

/// One of the devices, and how it speaks with the others; all of them make the same calls in one order.
pub trait Group {
    /// Which one, from 0; the first one evaluates, tells and writes.
    fn rank(&self) -> usize;

    /// How many there are.
    fn size(&self) -> usize;

    /// Adds up the numbers of all ranks; each gets the same sums.
    ///
    /// # Errors
    /// When another rank is gone.
    fn sum(&self, values: &mut [f32]) -> Result<(), String>;

    /// The bytes of rank 0.
    ///
    /// # Errors
    /// As [`Group::sum`].
    fn share(&self, bytes: Vec<u8>) -> Result<Vec<u8>, String>;
}

/// A single device.
#[derive(Debug, Clone, Copy)]
pub struct Alone;

impl Group for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn sum(&self, _: &mut [f32]) -> Result<(), String> {
        Ok(())
    }

    fn share(&self, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        Ok(bytes)
    }
}

/// The part of a list of `n` that a rank has: lists that do not divide give the first ranks one more, and
/// the last ones may have none.
pub(crate) fn part_of(n: usize, rank: usize, size: usize) -> std::ops::Range<usize> {
    let (each, over) = (n / size, n % size);
    let start = rank * each + rank.min(over);
    start..start + each + usize::from(rank < over)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_a_list_once_and_differ_by_one_at_most() {
        for (n, size) in [(0, 3), (2, 4), (7, 3), (64, 4), (5, 1)] {
            let parts: Vec<_> = (0..size).map(|rank| part_of(n, rank, size)).collect();
            assert_eq!(parts.iter().cloned().flatten().collect::<Vec<_>>(), (0..n).collect::<Vec<_>>());
            let sizes: Vec<usize> = parts.iter().map(ExactSizeIterator::len).collect();
            assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
        }
    }
}
