//! The record of a run: made, found again, kept up to date.

use std::path::Path;

use anyhow::Result;
use cupola_registry::{Home, Index, RunFolder, RunRecord, Status, now, sha256_hex};
use cupola_spec::Run;
use serde_json::{Map, Value};

use super::CODE_VERSION;
use crate::failure::Mistake;
use crate::load::{self, Loaded};
use crate::ui::Ui;

/// A new run's folder.
pub fn create(home: &Home, run: &Run, loaded: &Loaded) -> Result<(RunFolder, RunRecord)> {
    let config = toml::to_string(&run.sealed)?;
    let record = RunRecord {
        id: String::new(),
        name: run.name.clone(),
        status: Status::Running,
        created: now(),
        updated: now(),
        config_sha256: sha256_hex(config.as_bytes()),
        dataset: dataset(loaded)?,
        device: String::new(),
        code_version: CODE_VERSION.to_owned(),
        package: None,
        metrics: Map::new(),
    };
    Ok(RunFolder::create(home, record, &config)?)
}

/// The dataset version of a run: its source's, with the test source's inside.
fn dataset(loaded: &Loaded) -> Result<Value> {
    let mut version = serde_json::to_value(&loaded.source.version)?;
    if let Some(test) = &loaded.test {
        version["test"] = serde_json::to_value(&test.version)?;
    }
    Ok(version)
}

/// A run, and its folder and record if it is being resumed.
pub type Resumed = (Run, Option<(RunFolder, RunRecord)>);

/// The run of an id, with the config that was sealed into its folder.
pub fn resumed(home: &Home, id: &str, config: Option<&Path>) -> Result<Resumed> {
    let folder = RunFolder::open(home, id)?;
    let record = folder.record()?;
    let text = folder.config_text()?;
    if sha256_hex(text.as_bytes()) != record.config_sha256 {
        let path = folder.config();
        return Err(Mistake(format!(
            "{}: was changed after the run began; restore it, or start a new run",
            path.display()
        ))
        .into());
    }
    let nothing = |wanted: &str| Err(format!("no file {wanted}"));
    let run = load::parse(home, &folder.config().to_string_lossy(), &text, &[], &nothing)?;
    if let Some(config) = config
        && load::config(home, config, &[])?.sealed != run.sealed
    {
        let path = config.display();
        return Err(Mistake(format!("{path} is not the config that run {} began with; leave --config out to resume, or leave --resume out to start anew", record.id)).into());
    }
    if record.status == Status::Finished {
        let package = record.package.unwrap_or_default();
        return Err(Mistake(format!(
            "run {} is finished and published as {package}; start a new one with --config",
            record.id
        ))
        .into());
    }
    Ok((run, Some((folder, record))))
}

/// The record, if the data is still what the run began with.
pub fn same_data(record: RunRecord, loaded: &Loaded) -> Result<RunRecord> {
    let found = dataset(loaded)?;
    let digest = |version: &Value| (version["sha256"].clone(), version["test"]["sha256"].clone());
    if digest(&record.dataset) != digest(&found) {
        let text = format!(
            "the data has changed since run {} began (version {} is now {}); restore it, or start a new run",
            record.id, record.dataset["sha256"], found["sha256"]
        );
        return Err(Mistake(text).into());
    }
    Ok(record)
}

/// Writes the record, and the index after it.
pub fn note(home: &Home, folder: &RunFolder, record: &RunRecord) -> Result<()> {
    folder.save(record)?;
    index(Ui { json: true, quiet: false }, home, |index| index.run(record));
    Ok(())
}

/// The index follows the files; if it cannot, the run goes on and says so.
pub fn index(ui: Ui, home: &Home, write: impl FnOnce(&mut Index) -> Result<(), cupola_registry::Error>) {
    if let Err(error) = Index::open(home).and_then(|mut index| write(&mut index)) {
        ui.line(format!("warning: {error}"));
    }
}
