//! The devices that train a run together: of this process, or one for each process that `mpirun` starts.

use anyhow::Result;
use cupola_nn::{OpenDevice, nth_device};
#[cfg(feature = "mpi")]
use cupola_train::{DeviceGroup, Mpi, fit_in_group};
use cupola_train::{Error, Event, Job, Stop, TrainOutcome, fit, fit_on_devices};

use crate::args::TrainArgs;
#[cfg(feature = "mpi")]
use crate::failure::{Stopped, exit_code};
use crate::ui::Ui;

/// Set by Open MPI: which process of its machine this one is.
#[cfg(feature = "mpi")]
const LOCAL_RANK: &str = "OMPI_COMM_WORLD_LOCAL_RANK";

/// Who trains.
pub enum Ranks {
    /// So many devices of this process.
    Here(usize),
    /// This process and others.
    #[cfg(feature = "mpi")]
    Processes(Mpi),
}

impl Ranks {
    /// As the arguments ask.
    pub fn of(args: &TrainArgs) -> Result<Self> {
        if args.mpi {
            return Self::processes();
        }
        Ok(Self::Here(args.devices as usize))
    }

    #[cfg(feature = "mpi")]
    fn processes() -> Result<Self> {
        Mpi::join().map(Self::Processes).map_err(anyhow::Error::msg)
    }

    #[cfg(not(feature = "mpi"))]
    fn processes() -> Result<Self> {
        let text = "this binary knows no MPI; build it with: cargo build --release --features mpi";
        Err(crate::failure::Mistake(text.into()).into())
    }

    /// Whether this is the process that tells and writes.
    pub fn leads(&self) -> bool {
        match self {
            Self::Here(_) => true,
            #[cfg(feature = "mpi")]
            Self::Processes(mpi) => mpi.rank() == 0,
        }
    }

    /// How many devices there are.
    pub fn size(&self) -> usize {
        match self {
            Self::Here(devices) => *devices,
            #[cfg(feature = "mpi")]
            Self::Processes(mpi) => mpi.size(),
        }
    }

    /// The leading process's text for all.
    #[cfg_attr(not(feature = "mpi"), allow(clippy::unnecessary_wraps, reason = "MPI may fail"))]
    pub fn share(&self, text: String) -> Result<String> {
        match self {
            Self::Here(_) => Ok(text),
            #[cfg(feature = "mpi")]
            Self::Processes(mpi) => {
                let bytes = mpi.share(text.into_bytes()).map_err(anyhow::Error::msg)?;
                Ok(String::from_utf8(bytes)?)
            }
        }
    }

    /// The device of this process, where each process has its own.
    #[cfg_attr(not(feature = "mpi"), allow(clippy::unnecessary_wraps, reason = "MPI may fail"))]
    pub fn own(&self, device: OpenDevice) -> Result<OpenDevice> {
        match self {
            Self::Here(_) => Ok(device),
            #[cfg(feature = "mpi")]
            Self::Processes(_) => {
                let index = std::env::var(LOCAL_RANK).ok().and_then(|text| text.parse().ok());
                Ok(OpenDevice { device: nth_device(&device, index.unwrap_or(0))?, ..device })
            }
        }
    }

    /// Trains on all of them.
    pub fn fit(
        &self,
        job: &Job<'_>,
        device: &OpenDevice,
        observer: &mut dyn FnMut(&Event) -> Stop,
    ) -> Result<TrainOutcome, Error> {
        match self {
            Self::Here(1) => fit(job, observer),
            Self::Here(n) => {
                let devices =
                    (0..*n).map(|index| nth_device(device, index)).collect::<Result<Vec<_>, _>>()?;
                fit_on_devices(job, &devices, observer)
            }
            #[cfg(feature = "mpi")]
            Self::Processes(mpi) => fit_in_group(job, mpi, observer),
        }
    }

    /// Ends the other processes too, which would wait for this one for ever; not after a stop, on which all have
    /// agreed. Open MPI may hang where a process aborts while `mpirun` ends them for a signal of its own.
    pub fn fail(&self, error: &anyhow::Error) {
        match self {
            Self::Here(_) => {
                let _ = error;
            }
            #[cfg(feature = "mpi")]
            Self::Processes(_) if error.is::<Stopped>() => {}
            #[cfg(feature = "mpi")]
            Self::Processes(mpi) => {
                Ui::error(error);
                mpi.abort(i32::from(exit_code(error)));
            }
        }
    }

    /// `ui` where this process tells, silence elsewhere.
    pub fn ui(&self, ui: Ui) -> Ui {
        Ui { quiet: !self.leads(), ..ui }
    }
}
