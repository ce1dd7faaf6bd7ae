//! Devices that train a run together: of this process, or one for each process that `mpirun` starts.

use cupola_nn::{OpenDevice, nth_device};
#[cfg(feature = "mpi")]
use cupola_train::{DeviceGroup, Mpi, fit_in_group};
use cupola_train::{Event, Job, Stop, TrainOutcome, fit, fit_on_devices};

use crate::error::Error;

/// Variable of Open MPI: index of this process on its machine.
#[cfg(feature = "mpi")]
const LOCAL_RANK: &str = "OMPI_COMM_WORLD_LOCAL_RANK";

/// Devices that train together.
pub struct TrainingDevices(Members);

enum Members {
    Local(usize),
    #[cfg(feature = "mpi")]
    Processes(Mpi),
}

impl std::fmt::Debug for TrainingDevices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TrainingDevices({})", self.size())
    }
}

impl TrainingDevices {
    /// Devices of this process.
    pub fn local(devices: usize) -> Self {
        Self(Members::Local(devices))
    }

    /// Processes that `mpirun` has started, of which this is one.
    ///
    /// # Errors
    /// [`Error::Group`] if MPI does not start.
    #[cfg(feature = "mpi")]
    pub fn mpi() -> Result<Self, Error> {
        Ok(Self(Members::Processes(Mpi::join().map_err(group)?)))
    }

    /// Processes that `mpirun` has started, of which this is one.
    ///
    /// # Errors
    /// [`Error::MissingFeature`]: this binary is built without MPI.
    #[cfg(not(feature = "mpi"))]
    pub fn mpi() -> Result<Self, Error> {
        Err(Error::MissingFeature { what: "MPI", feature: "mpi" })
    }

    /// `true` in the process that sends events and writes.
    pub fn leads(&self) -> bool {
        match &self.0 {
            Members::Local(_) => true,
            #[cfg(feature = "mpi")]
            Members::Processes(mpi) => mpi.rank() == 0,
        }
    }

    /// Number of devices.
    pub fn size(&self) -> usize {
        match &self.0 {
            Members::Local(devices) => *devices,
            #[cfg(feature = "mpi")]
            Members::Processes(mpi) => mpi.size(),
        }
    }

    /// Ends the other processes after an error in this one, since they would wait for it forever. Not to be
    /// called after a stop, on which all processes have agreed: Open MPI may hang if a process aborts while
    /// `mpirun` ends them for a signal of its own.
    pub fn abort(&self, code: u8) {
        match &self.0 {
            Members::Local(_) => {
                let _ = code;
            }
            #[cfg(feature = "mpi")]
            Members::Processes(mpi) => mpi.abort(i32::from(code)),
        }
    }

    /// Text of the leading process for all.
    #[cfg_attr(not(feature = "mpi"), allow(clippy::unnecessary_wraps, reason = "MPI may fail"))]
    pub(super) fn broadcast(&self, text: String) -> Result<String, Error> {
        match &self.0 {
            Members::Local(_) => Ok(text),
            #[cfg(feature = "mpi")]
            Members::Processes(mpi) => {
                let bytes = mpi.share(text.into_bytes()).map_err(group)?;
                String::from_utf8(bytes).map_err(group)
            }
        }
    }

    /// Device of this process, if each process has its own.
    #[cfg_attr(not(feature = "mpi"), allow(clippy::unnecessary_wraps, reason = "MPI may fail"))]
    pub(super) fn own(&self, device: OpenDevice) -> Result<OpenDevice, Error> {
        match &self.0 {
            Members::Local(_) => Ok(device),
            #[cfg(feature = "mpi")]
            Members::Processes(_) => {
                let index = std::env::var(LOCAL_RANK).ok().and_then(|text| text.parse().ok());
                Ok(OpenDevice { device: nth_device(&device, index.unwrap_or(0))?, ..device })
            }
        }
    }

    /// Trains on all devices.
    pub(super) fn fit(
        &self,
        job: &Job<'_>,
        device: &OpenDevice,
        observer: &mut dyn FnMut(&Event) -> Stop,
    ) -> Result<TrainOutcome, Error> {
        Ok(match &self.0 {
            Members::Local(1) => fit(job, observer)?,
            Members::Local(n) => {
                let devices =
                    (0..*n).map(|index| nth_device(device, index)).collect::<Result<Vec<_>, _>>()?;
                fit_on_devices(job, &devices, observer)?
            }
            #[cfg(feature = "mpi")]
            Members::Processes(mpi) => fit_in_group(job, mpi, observer)?,
        })
    }
}

#[cfg(feature = "mpi")]
#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn group(error: impl ToString) -> Error {
    Error::Group(error.to_string())
}
