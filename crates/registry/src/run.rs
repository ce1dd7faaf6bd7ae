//! Runs: one folder each, which can be copied anywhere.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use cupola_spec::did_you_mean;
use cupola_store::{
    DatasetVersion, FileVersion, Lock, Name, StagedFolder, append_file, folders, is_plain_file_name,
    read_json, read_limited, to_json, write_file, write_folder, write_json,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, io};
use crate::home::{Home, now};

/// Status of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Training. The record of a run that was killed says so too.
    Running,
    /// Killed during training; can be resumed. Found out by [`RunFolder::status`].
    Interrupted,
    /// Stopped on request; can be resumed.
    Stopped,
    /// Ended by an error; can be resumed from its last checkpoint.
    Failed,
    /// Trained, evaluated and published.
    Finished,
}

impl Status {
    /// Name in `run.json` and in listings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Finished => "finished",
        }
    }
}

/// Dataset versions that a run is trained and tested on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunDataset {
    /// Version of `data.source`. Its fields are those of the JSON object itself.
    #[serde(flatten)]
    pub source: DatasetVersion,
    /// Version of `data.test_source`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<DatasetVersion>,
}

impl RunDataset {
    /// All files that were read, those of the test source last.
    pub fn files(&self) -> impl Iterator<Item = &FileVersion> {
        self.source.files.iter().chain(self.test.iter().flat_map(|test| &test.files))
    }

    /// `true` if both hold the same data.
    pub fn same_data(&self, other: &Self) -> bool {
        let test = |dataset: &Self| dataset.test.as_ref().map(|test| test.sha256.clone());
        self.source.sha256 == other.source.sha256 && test(self) == test(other)
    }
}

/// Value of the metric that chose a run's weights, on the valid split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValidationScore {
    /// Name of the metric.
    pub metric: String,
    /// Value of the published weights; before the end that of the best evaluation so far.
    pub value: f64,
    /// `true` if a larger value is better.
    pub larger_is_better: bool,
}

/// Description and status of a run, `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Name of the run's folder.
    pub id: String,
    /// Name in the config.
    pub name: String,
    /// Current status.
    pub status: Status,
    /// Time of creation, RFC 3339 in UTC.
    pub created: String,
    /// Time of the last change, RFC 3339 in UTC.
    pub updated: String,
    /// SHA-256 of `config.toml`.
    pub config_sha256: String,
    /// Dataset versions.
    pub dataset: RunDataset,
    /// Device of the last start.
    pub device: String,
    /// Version of Cupola that started it.
    pub code_version: String,
    /// `NAME:VERSION` of the published package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Seconds of training; `None` before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Score on the valid split; `None` before the first evaluation, and without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<ValidationScore>,
    /// Final metrics of the test split.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metrics: Map<String, Value>,
}

/// Name of the record in its folder.
pub(crate) const RECORD: &str = "run.json";

/// Largest accepted `config.toml` in bytes.
const CONFIG_LIMIT: u64 = 16 << 20;

/// The folder of a run.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Creates the folder of a new run, with its record and config from the start. Its id is that of the record, or the
    /// name, the time and four random hexadecimal digits where that is empty.
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::RunTaken`] for a given id that another process has begun a run with.
    pub fn create(home: &Home, mut record: RunRecord, config: &str) -> Result<(Self, RunRecord), Error> {
        let runs = home.runs();
        let given = !record.id.is_empty();
        let time: String = record.created.chars().filter(char::is_ascii_digit).collect();
        loop {
            let noise = std::process::id()
                ^ std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .map_or(0, |d| d.subsec_nanos());
            if !given {
                record.id = format!("{}-{}-{:04x}", record.name, &time[..time.len().min(14)], noise & 0xffff);
            }
            let path = runs.join(&record.id);
            if !given && fs::symlink_metadata(&path).is_ok() {
                continue;
            }
            let staged = StagedFolder::new(&path)?;
            staged.write("config.toml", config.as_bytes())?;
            let record = RunRecord { updated: now(), ..record.clone() };
            staged.write(RECORD, &to_json(&path.join(RECORD), &record)?)?;
            match staged.commit() {
                Ok(()) => return Ok((Self { path }, record)),
                // Another process has taken the id meanwhile.
                Err(_) if path.join(RECORD).is_file() => {
                    if given {
                        return Err(Error::RunTaken { id: record.id });
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Folder of the run with exactly this id; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Store`] for a text that is no name.
    pub fn named(home: &Home, id: &str) -> Result<Option<Self>, Error> {
        let name = Name::new(id)?;
        home.refresh_runs()?;
        let folder = Self::at(home, name.as_str());
        Ok(folder.own_record().is_some().then_some(folder))
    }

    /// Opens the folder of a run by its id or the beginning of it, or of the newest run for `latest`.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the most similar id, [`Error::Ambiguous`] for the beginning of several.
    pub fn open(home: &Home, id: &str) -> Result<Self, Error> {
        let found = Self::find(home, id)?;
        found.fetch()?;
        Ok(found)
    }

    fn find(home: &Home, id: &str) -> Result<Self, Error> {
        let all = Self::all(home)?;
        if id == "latest" {
            let newest = all.iter().max_by(|a, b| a.1.created.cmp(&b.1.created).then(a.1.id.cmp(&b.1.id)));
            if let Some((folder, _)) = newest {
                return Ok(folder.clone());
            }
        }
        if let Some((folder, _)) = all.iter().find(|(_, record)| record.id == id) {
            return Ok(folder.clone());
        }
        let begins = |(_, record): &&(Self, RunRecord)| !id.is_empty() && record.id.starts_with(id);
        match all.iter().filter(begins).collect::<Vec<_>>().as_slice() {
            [] => {}
            [(folder, _)] => return Ok(folder.clone()),
            several => {
                let mut found: Vec<String> = several.iter().map(|(_, record)| record.id.clone()).collect();
                found.sort_unstable();
                return Err(Error::Ambiguous { begin: id.to_owned(), found });
            }
        }
        Err(Error::Unknown {
            what: "run",
            name: id.to_owned(),
            home: home.location(),
            hint: did_you_mean(id, all.iter().map(|(_, record)| record.id.as_str())),
            list: "cupola runs list",
        })
    }

    /// Folder of the run with this id, which need not exist.
    pub(crate) fn at(home: &Home, id: &str) -> Self {
        Self { path: home.runs().join(id) }
    }

    /// All runs: folders with a readable `run.json` that are called by its id.
    ///
    /// # Errors
    /// [`Error::Store`] if the folder of runs cannot be listed.
    pub fn all(home: &Home) -> Result<Vec<(Self, RunRecord)>, Error> {
        home.refresh_runs()?;
        let found = Self::folders(home)?.into_iter();
        Ok(found.filter_map(|(_, folder)| folder.own_record().map(|record| (folder, record))).collect())
    }

    /// Ids and folders in `runs/`, whether or not their records can be read. Links and odd names are left out.
    pub(crate) fn folders(home: &Home) -> Result<Vec<(String, Self)>, Error> {
        let found = folders(&home.runs())?.into_iter();
        let plain = found.filter(|(name, _)| is_plain_file_name(name));
        Ok(plain.map(|(name, path)| (name, Self { path })).collect())
    }

    /// Record of this folder; `None` if it cannot be read or belongs to another folder.
    pub(crate) fn own_record(&self) -> Option<RunRecord> {
        let record = self.record().ok()?;
        self.path.file_name().is_some_and(|name| name == record.id.as_str()).then_some(record)
    }

    /// Path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `config.toml`
    pub fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// Reads `config.toml`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn config_text(&self) -> Result<String, Error> {
        let path = self.config();
        String::from_utf8(read_limited(&path, CONFIG_LIMIT)?)
            .map_err(|error| Error::damaged(&path, error.to_string()))
    }

    /// Reads `run.json`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn record(&self) -> Result<RunRecord, Error> {
        Ok(read_json(&self.path.join(RECORD))?)
    }

    /// Replaces `run.json`. In an object store a run that ends is uploaded; a failure of that is a warning.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn save(&self, record: &RunRecord) -> Result<(), Error> {
        let record = RunRecord { updated: now(), ..record.clone() };
        write_json(&self.path.join(RECORD), &record)?;
        if record.status.is_end() {
            self.share();
        }
        Ok(())
    }

    /// Writes a JSON file such as `metrics.json` into the folder.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn write(&self, name: &str, value: &impl Serialize) -> Result<(), Error> {
        Ok(write_json(&self.path.join(name), value)?)
    }

    /// Status of the run with this record: a run that nobody trains any more is not running, whatever killed its
    /// process.
    pub fn status(&self, record: &RunRecord) -> Status {
        self.status_now(record.status)
    }

    /// Status of the run whose record has `status`.
    pub(crate) fn status_now(&self, status: Status) -> Status {
        let abandoned = status == Status::Running && Lock::is_held(&self.path) == Some(false);
        if abandoned { Status::Interrupted } else { status }
    }

    /// Locks the run for this process, so that no other process trains it.
    ///
    /// # Errors
    /// [`cupola_store::Error::Locked`] if another process trains it.
    pub fn hold(&self) -> Result<Lock, Error> {
        Ok(Lock::try_folder(&self.path)?)
    }

    /// Opens `events.jsonl` for appending.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn events(&self) -> Result<File, Error> {
        Ok(append_file(&self.path.join("events.jsonl"))?)
    }

    /// Removes the events after `step`: a resumed run writes them again.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn rewind_events(&self, step: u64) -> Result<(), Error> {
        let path = self.path.join("events.jsonl");
        let Ok(file) = File::open(&path) else { return Ok(()) };
        let mut remaining = Vec::new();
        for line in BufReader::new(file).lines().map_while(Result::ok) {
            // A killed process may leave an incomplete last line.
            let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
            if event["step"].as_u64().is_none_or(|at| at <= step) {
                writeln!(remaining, "{line}").map_err(io(&path))?;
            }
        }
        Ok(write_file(&path, &remaining)?)
    }

    fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Steps of the checkpoints, oldest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn checkpoint_steps(&self) -> Result<Vec<u64>, Error> {
        let found = folders(&self.checkpoints())?;
        let mut steps: Vec<u64> =
            found.iter().filter_map(|(name, _)| step_number(name.strip_prefix("step-")?)).collect();
        steps.sort_unstable();
        Ok(steps)
    }

    /// `checkpoints/step-<n>/`
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.checkpoints().join(format!("step-{step}"))
    }

    /// Writes a checkpoint, then removes the others whose step is not in `keep`.
    ///
    /// # Errors
    /// [`Error::Store`]; earlier checkpoints are then untouched.
    pub fn write_checkpoint(&self, step: u64, files: &[(&str, &[u8])], keep: &[u64]) -> Result<(), Error> {
        let path = self.checkpoint(step);
        // A resumed run writes the same bytes again. Replacing the folder by them would leave a moment
        // without it.
        if !holds(&path, files) {
            write_folder(&path, files)?;
        }
        for old in self.checkpoint_steps()? {
            if old != step && !keep.contains(&old) {
                let path = self.checkpoint(old);
                fs::remove_dir_all(&path).map_err(io(&path))?;
            }
        }
        Ok(())
    }
}

/// Step that a checkpoint's folder is called by; `None` unless it is written in plain digits.
fn step_number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|step: &u64| step.to_string() == text)
}

/// `true` if a folder holds exactly these files.
fn holds(folder: &Path, files: &[(&str, &[u8])]) -> bool {
    let same = |(name, bytes): &(&str, &[u8])| {
        read_limited(&folder.join(name), bytes.len() as u64).is_ok_and(|found| found == **bytes)
    };
    fs::read_dir(folder).is_ok_and(|entries| entries.count() == files.len()) && files.iter().all(same)
}
