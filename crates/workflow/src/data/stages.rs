//! Stages of a config and which of them are up to date.

use cupola_registry::{RunFolder, RunRecord, Status, sha256_hex};
use cupola_sources::FileVersion;
use serde::Serialize;
use serde_json::Value;

use crate::config::ConfigSource;
use crate::error::Error;
use crate::session::Session;

/// State of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageState {
    /// The files are collected.
    Here,
    /// The result of the stage is that of this config and data.
    Unchanged,
    /// The stage has not run with this config and data.
    Due,
}

impl StageState {
    /// Name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Unchanged => "unchanged",
            Self::Due => "due",
        }
    }
}

/// One stage.
#[derive(Debug, Serialize)]
pub struct StageNode {
    /// `collect`, `prepare`, `train` or `package`.
    pub stage: &'static str,
    /// Its state.
    pub state: StageState,
    /// Its result, or the reason why there is none.
    pub what: String,
    /// Stage that it depends on.
    pub after: Option<&'static str>,
}

impl Session<'_> {
    /// Stages of a config, in order.
    ///
    /// # Errors
    /// Errors of [`Session::run_config`]; sources that cannot be collected.
    pub fn stages(&self, config: &ConfigSource) -> Result<Vec<StageNode>, Error> {
        let run = self.run_config(config)?;
        let stage = self.prepared_stage(&run, &config.roots())?;
        let files = stage.files();
        let sha256 = sha256_hex(toml::to_string(&run.sealed)?.as_bytes());
        let finished = self.finished(&sha256, &digests(&files))?;
        let state = |up_to_date| if up_to_date { StageState::Unchanged } else { StageState::Due };
        let trained = state(finished.is_some());
        let sources = run.data.source.patterns().join(", ");
        let none = || "no finished run of this config and data".to_owned();
        let package = finished.as_ref().and_then(|record| record.package.clone());
        let node = |stage, state, what, after| StageNode { stage, state, what, after };
        Ok(vec![
            node("collect", StageState::Here, format!("{sources}: {} files", files.len()), None),
            node("prepare", state(stage.is_up_to_date()), stage.short().to_owned(), Some("collect")),
            node("train", trained, finished.map_or_else(none, |record| record.id), Some("prepare")),
            node("package", trained, package.unwrap_or(run.name), Some("train")),
        ])
    }

    /// Newest finished run of a config with the data as it is now; `None` if there is none.
    ///
    /// # Errors
    /// Errors of [`Session::run_config`]; sources that cannot be collected.
    pub(crate) fn finished_run(&self, config: &ConfigSource) -> Result<Option<RunRecord>, Error> {
        let run = self.run_config(config)?;
        let stage = self.prepared_stage(&run, &config.roots())?;
        let sha256 = sha256_hex(toml::to_string(&run.sealed)?.as_bytes());
        self.finished(&sha256, &digests(&stage.files()))
    }

    /// Newest finished run with this config and files of these digests.
    fn finished(&self, config_sha256: &str, files: &[&str]) -> Result<Option<RunRecord>, Error> {
        let same = |record: &RunRecord| {
            record.status == Status::Finished
                && record.config_sha256 == config_sha256
                && record.dataset.files().map(|file| file.sha256.as_str()).eq(files.iter().copied())
        };
        let mut records = Vec::new();
        for (folder, record) in RunFolder::all(&self.home)? {
            if same(&record) && !is_cross_validation(&folder)? {
                records.push(record);
            }
        }
        records.sort_by(|a, b| a.created.cmp(&b.created));
        Ok(records.pop())
    }
}

/// `true` for the run that a cross-validation ends with, whose model is the average of its folds.
pub(crate) fn is_cross_validation(folder: &RunFolder) -> Result<bool, Error> {
    let path = folder.path().join("metrics.json");
    match std::fs::read(&path) {
        Ok(bytes) => Ok(serde_json::from_slice::<Value>(&bytes)?.get("cross_validation").is_some()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(Error::Io { path, source }),
    }
}

fn digests<'a>(files: &[&'a FileVersion]) -> Vec<&'a str> {
    files.iter().map(|file| file.sha256.as_str()).collect()
}
