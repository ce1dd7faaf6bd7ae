//! Home folder, observer and GPU probe that all stages share.

use cupola_registry::{Home, Index};

use crate::event::{Observer, WorkflowEvent};
use crate::machine::probe::GpuProbe;

/// Entry point of the workflow: a home folder and the observer of what happens in it.
#[derive(Clone)]
pub struct Session<'a> {
    pub(crate) home: Home,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) probe: GpuProbe,
}

impl<'a> Session<'a> {
    /// Session in `home` that sends its events to `observer` and looks for GPUs in this process.
    pub fn new(home: Home, observer: &'a dyn Observer) -> Self {
        Self { home, observer, probe: GpuProbe::InProcess }
    }

    /// Looks for GPUs as `probe` says.
    #[must_use]
    pub fn with_probe(self, probe: GpuProbe) -> Self {
        Self { probe, ..self }
    }

    /// Folder of runs, packages and datasets.
    pub fn home(&self) -> &Home {
        &self.home
    }

    pub(crate) fn emit(&self, event: &WorkflowEvent<'_>) {
        self.observer.observe(event);
    }

    /// Writes into the index of `home`, which follows the files: a failure is only a warning.
    pub(crate) fn index(
        &self,
        home: &Home,
        write: impl FnOnce(&mut Index) -> Result<(), cupola_registry::Error>,
    ) {
        if let Err(error) = Index::open(home).and_then(|mut index| write(&mut index)) {
            self.emit(&WorkflowEvent::Warning(&error.to_string()));
        }
    }
}
