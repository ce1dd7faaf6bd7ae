//! Device groups: each device computes a part of every batch, and all use the sum of the gradients, so that
//! the weights stay equal on all devices.

mod gradients;
mod member;
#[cfg(feature = "mpi")]
mod mpi;
mod threads;

pub(crate) use gradients::BatchGradients;
pub(crate) use member::GroupMember;
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

/// Group of a single device.
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
