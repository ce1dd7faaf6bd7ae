//! Ranks as processes on one or more machines, over the Message Passing Interface.

use mpi::collective::SystemOperation;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Root};

use super::{DeviceGroup, GroupError};

/// Rank of this process among those that `mpirun` has started.
pub struct Mpi {
    world: SimpleCommunicator,
    // Finalises the library when dropped.
    _universe: Universe,
}

impl Mpi {
    /// Joins the other processes.
    ///
    /// # Errors
    /// If this process has already joined.
    pub fn join() -> Result<Self, GroupError> {
        let universe = mpi::initialize()
            .ok_or_else(|| GroupError("MPI is already initialised in this process".into()))?;
        Ok(Self { world: universe.world(), _universe: universe })
    }

    /// Ends all processes, including those that wait for this one.
    pub fn abort(&self, code: i32) -> ! {
        self.world.abort(code)
    }
}

impl DeviceGroup for Mpi {
    fn rank(&self) -> usize {
        usize::try_from(self.world.rank()).unwrap_or_default()
    }

    fn size(&self) -> usize {
        usize::try_from(self.world.size()).unwrap_or(1)
    }

    fn sum(&self, values: &mut [f32]) -> Result<(), GroupError> {
        let mut sums = vec![0.0_f32; values.len()];
        self.world.all_reduce_into(&*values, &mut sums[..], SystemOperation::sum());
        values.copy_from_slice(&sums);
        Ok(())
    }

    fn share(&self, mut bytes: Vec<u8>) -> Result<Vec<u8>, GroupError> {
        let root = self.world.process_at_rank(0);
        let mut length = bytes.len() as u64;
        root.broadcast_into(&mut length);
        bytes.resize(usize::try_from(length).map_err(|error| GroupError(error.to_string()))?, 0);
        root.broadcast_into(&mut bytes[..]);
        Ok(bytes)
    }
}
