//! Record of a run: created, found again, kept up to date.

use cupola_registry::{Home, RunDataset, RunFolder, RunRecord, Status, now, sha256_hex};
use cupola_spec::Run;
use serde_json::Map;

use super::Stage;
use crate::CODE_VERSION;
use crate::config::{self, ConfigSource};
use crate::data::loaded::LoadedData;
use crate::error::Error;
use crate::event::WorkflowEvent;
use crate::session::Session;

/// Creates the folder of a new run.
pub fn create(home: &Home, run: &Run, data: &LoadedData) -> Result<(RunFolder, RunRecord), Error> {
    create_named(home, run, data, None)
}

/// Creates the folder of a new run, with a new id unless one is given.
pub(super) fn create_named(
    home: &Home,
    run: &Run,
    data: &LoadedData,
    id: Option<&str>,
) -> Result<(RunFolder, RunRecord), Error> {
    let config = toml::to_string(&run.sealed)?;
    let record = RunRecord {
        id: id.unwrap_or_default().to_owned(),
        name: run.name.clone(),
        status: Status::Running,
        created: now(),
        updated: now(),
        config_sha256: sha256_hex(config.as_bytes()),
        dataset: dataset(data),
        device: String::new(),
        code_version: CODE_VERSION.to_owned(),
        package: None,
        seconds: None,
        valid: None,
        metrics: Map::new(),
    };
    Ok(RunFolder::create(home, record, &config)?)
}

/// Dataset versions of the data.
fn dataset(data: &LoadedData) -> RunDataset {
    let test = data.test.as_ref().map(|test| test.version.clone());
    RunDataset { source: data.source.version.clone(), test }
}

/// Run of this id and its folder and record, if there is one; else a new run of the config. A run that exists keeps the
/// config that it began with.
pub(super) fn named(
    home: &Home,
    session: &Session<'_>,
    id: &str,
    config: &ConfigSource,
) -> Result<(Run, Option<(RunFolder, RunRecord)>), Error> {
    let Some(folder) = RunFolder::named(home, id)? else { return Ok((session.run_config(config)?, None)) };
    let (run, found) = resumed(home, session, id, None)?;
    if session.run_config(config).is_ok_and(|config| config.sealed != run.sealed) {
        let text =
            format!("{} has changed; run {id} continues by {}", config.origin(), folder.config().display());
        session.emit(&WorkflowEvent::Warning(&text));
    }
    Ok((run, found))
}

/// Run to resume, and its folder and record.
pub(super) fn resumed(
    home: &Home,
    session: &Session<'_>,
    id: &str,
    expected: Option<&ConfigSource>,
) -> Result<(Run, Option<(RunFolder, RunRecord)>), Error> {
    let folder = RunFolder::open(home, id)?;
    let record = folder.record()?;
    let text = folder.config_text()?;
    if sha256_hex(text.as_bytes()) != record.config_sha256 {
        return Err(Error::ConfigChanged { path: folder.config() });
    }
    let no_files = |path: &str| Err(format!("no such file: {path}"));
    // A package that training starts from is in the session's home, wherever the run is.
    let run = config::parse(session.home(), &folder.config().to_string_lossy(), &text, &[], &no_files)?;
    if let Some(expected) = expected
        && session.run_config(expected)?.sealed != run.sealed
    {
        return Err(Error::ConfigDiffers { config: expected.origin(), run: record.id });
    }
    if record.status == Status::Finished {
        return Err(Error::RunFinished { run: record.id, package: record.package.unwrap_or_default() });
    }
    Ok((run, Some((folder, record))))
}

/// The record, if the data is what the run began with.
pub(super) fn with_same_data(record: RunRecord, data: &LoadedData) -> Result<RunRecord, Error> {
    let found = dataset(data);
    if !record.dataset.same_data(&found) {
        let (before, now) = (record.dataset.source.sha256, found.source.sha256);
        return Err(Error::DataChanged { run: record.id, before, now });
    }
    Ok(record)
}

impl Stage<'_> {
    /// Writes the record, then its row in the index.
    pub(crate) fn save(&self, folder: &RunFolder, record: &RunRecord) -> Result<(), Error> {
        folder.save(record)?;
        self.session.index(self.runs);
        Ok(())
    }

    /// Writes the record of a run that failed and names the run in the error, which is the one to report.
    pub(super) fn failed(&self, folder: &RunFolder, mut record: RunRecord, error: Error) -> Error {
        record.status = Status::Failed;
        let _ = self.save(folder, &record);
        Error::Run { run: record.id, source: Box::new(error) }
    }
}
