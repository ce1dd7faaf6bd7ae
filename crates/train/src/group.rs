//! Device groups: each device computes a part of every batch, and all use the sum of the gradients, so that
//! the weights stay equal on all devices.

mod gradients;
#[cfg(feature = "mpi")]
mod mpi;
mod threads;

pub(crate) use gradients::summed;
#[cfg(feature = "mpi")]
pub use mpi::Mpi;
pub(crate) use threads::thread_ranks;

/// Failure of an exchange between the ranks of a group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GroupError(pub String);

/// One rank of a group of devices. All ranks have to make the same calls in the same order.
pub trait DeviceGroup {
    /// Index of this rank, from 0. Rank 0 evaluates, reports and writes.
    fn rank(&self) -> usize;

    /// Number of ranks.
    fn size(&self) -> usize;

    /// Replaces `values` by their sums over all ranks, which are the same on every rank.
    ///
    /// # Errors
    /// If another rank has stopped.
    fn sum(&self, values: &mut [f32]) -> Result<(), GroupError>;

    /// Broadcasts the bytes of rank 0.
    ///
    /// # Errors
    /// The errors of [`DeviceGroup::sum`].
    fn share(&self, bytes: Vec<u8>) -> Result<Vec<u8>, GroupError>;
}

/// DeviceGroup of a single device.
#[derive(Debug, Clone, Copy)]
pub struct SingleDevice;

impl DeviceGroup for SingleDevice {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn sum(&self, _: &mut [f32]) -> Result<(), GroupError> {
        Ok(())
    }

    fn share(&self, bytes: Vec<u8>) -> Result<Vec<u8>, GroupError> {
        Ok(bytes)
    }
}

/// Part of a list of `n` entries that belongs to a rank. If the list does not divide evenly, the first ranks
/// have one entry more; the last ranks may have none.
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
