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

    /// The same session in another home.
    #[must_use]
    pub fn with_home(self, home: Home) -> Self {
        Self { home, ..self }
    }

    /// Folder of runs, packages and datasets.
    pub fn home(&self) -> &Home {
        &self.home
    }

    pub(crate) fn emit(&self, event: &WorkflowEvent<'_>) {
        self.observer.observe(event);
    }

    /// Brings the index of `home` to the state of the files. It holds nothing else, so that a failure is
    /// only a warning.
    pub(crate) fn index(&self, home: &Home) {
        match Index::open(home) {
            Ok(index) => {
                if let Some(reason) = index.unusable() {
                    let text =
                        format!("{}: {reason}; listings are slower without it", home.index().display());
                    self.emit(&WorkflowEvent::Warning(&text));
                }
            }
            Err(error) => self.emit(&WorkflowEvent::Warning(&error.to_string())),
        }
    }
}
