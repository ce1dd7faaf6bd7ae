//! `prepare`: everything before the first step of training, once.

use std::path::PathBuf;

use super::LoadedData;
use super::stage::{PreparedStage, keep};
use crate::config::ConfigSource;
use crate::error::Error;
use crate::event::WorkflowEvent;
use crate::session::Session;

/// Condition under which examples are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prepare {
    /// If anything that they depend on has changed.
    IfChanged,
    /// Always.
    Always,
    /// Never: only the state is reported.
    DryRun,
}

/// State of the prepare stage.
pub enum PrepareOutcome {
    /// The kept examples are up to date.
    Unchanged(PreparedStage),
    /// Examples would be made.
    Due(PreparedStage),
    /// Examples were made and kept.
    Made {
        /// Short key of the stage.
        stage: String,
        /// Folder of the stage.
        folder: PathBuf,
        /// The examples.
        data: Box<LoadedData>,
    },
}

impl Session<'_> {
    /// Collects, splits and transforms the data of a config and keeps the examples for later runs.
    ///
    /// # Errors
    /// Errors of [`Session::load_data`]; a home folder that cannot be written.
    pub fn prepare(&self, config: &ConfigSource, when: Prepare) -> Result<PrepareOutcome, Error> {
        let (run, roots) = (self.run_config(config)?, config.roots());
        let stage = self.prepared_stage(&run, &roots)?;
        if stage.is_up_to_date() && when != Prepare::Always {
            return Ok(PrepareOutcome::Unchanged(stage));
        }
        if when == Prepare::DryRun {
            return Ok(PrepareOutcome::Due(stage));
        }
        let (short, folder) = (stage.short().to_owned(), stage.folder().to_owned());
        let data = keep(&folder, &run, self.prepare_rows(&run, &roots, stage)?)?;
        self.emit(&WorkflowEvent::DataLoaded { run: &run, data: &data });
        Ok(PrepareOutcome::Made { stage: short, folder, data: Box::new(data) })
    }
}
