//! A run: a plain folder that can be copied anywhere.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::files::{folders, io, read_json, read_limited, to_json, write_file, write_folder};
use crate::home::{Home, now};

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Training, or killed while it did.
    Running,
    /// Stopped on request; can be resumed.
    Stopped,
    /// Stopped by an error; can be resumed from its last checkpoint.
    Failed,
    /// Trained, evaluated and published.
    Finished,
}

impl Status {
    /// As in `run.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Finished => "finished",
        }
    }
}

/// `run.json`: what a run is and how it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The folder's name.
    pub id: String,
    /// Name from the config.
    pub name: String,
    /// How it stands.
    pub status: Status,
    /// RFC 3339, UTC.
    pub created: String,
    /// When the status last changed.
    pub updated: String,
    /// SHA-256 of `config.toml`.
    pub config_sha256: String,
    /// The dataset version, whole.
    pub dataset: Value,
    /// Device of the last start.
    pub device: String,
    /// Version of the code that started it.
    pub code_version: String,
    /// `name:version` of the package it published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Final metrics of the test split.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metrics: Map<String, Value>,
}

/// A run's folder.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes the folder of a new run with its config; the id is name, time and four random hex
    /// digits.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(home: &Home, mut record: RunRecord, config: &str) -> Result<(Self, RunRecord), Error> {
        let runs = home.runs();
        fs::create_dir_all(&runs).map_err(io(&runs))?;
        let time: String = record.created.chars().filter(char::is_ascii_digit).collect();
        loop {
            let noise = std::process::id()
                ^ std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .map_or(0, |d| d.subsec_nanos());
            record.id = format!("{}-{}-{:04x}", record.name, &time[..time.len().min(14)], noise & 0xffff);
            let path = runs.join(&record.id);
            match fs::create_dir(&path) {
                Ok(()) => {
                    let folder = Self { path };
                    write_file(&folder.config(), config.as_bytes())?;
                    folder.save(&record)?;
                    return Ok((folder, record));
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(Error::Io { path, source }),
            }
        }
    }

    /// The folder of a run by id, or of the `latest` one.
    ///
    /// # Errors
    /// [`Error::Unknown`], with the nearest id.
    pub fn open(home: &Home, id: &str) -> Result<Self, Error> {
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
        let near = cupola_spec::nearest(id, all.iter().map(|(_, record)| record.id.as_str()));
        Err(Error::Unknown {
            what: "run",
            name: id.to_owned(),
            home: home.root().to_owned(),
            near: near.map_or(String::new(), |near| format!(" (near it: {near})")),
            list: "cupola runs list",
        })
    }

    /// All runs whose `run.json` can be read.
    ///
    /// # Errors
    /// [`Error::Io`] of the folder above.
    pub fn all(home: &Home) -> Result<Vec<(Self, RunRecord)>, Error> {
        let found = folders(&home.runs())?.into_iter().map(|(_, path)| Self { path });
        Ok(found.filter_map(|folder| folder.record().ok().map(|record| (folder, record))).collect())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `config.toml`
    pub fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// The text of `config.toml`.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Damaged`] if it is no text.
    pub fn config_text(&self) -> Result<String, Error> {
        let path = self.config();
        String::from_utf8(read_limited(&path, 16 << 20)?)
            .map_err(|error| Error::Damaged { path, why: error.to_string() })
    }

    /// `run.json`
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Damaged`].
    pub fn record(&self) -> Result<RunRecord, Error> {
        read_json(&self.path.join("run.json"))
    }

    /// Replaces `run.json`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, record: &RunRecord) -> Result<(), Error> {
        let path = self.path.join("run.json");
        write_file(&path, &to_json(&path, &RunRecord { updated: now(), ..record.clone() })?)
    }

    /// Writes `name`, such as `metrics.json`, into the folder.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, name: &str, value: &impl Serialize) -> Result<(), Error> {
        let path = self.path.join(name);
        write_file(&path, &to_json(&path, value)?)
    }

    /// Holds the run for this process; a second trainer of the same run is refused.
    ///
    /// # Errors
    /// [`Error::Io`] when another process holds it.
    pub fn hold(&self) -> Result<File, Error> {
        let path = self.path.join(".lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io(&path))?;
        file.try_lock().map_err(|_| Error::Damaged {
            path: self.path.clone(),
            why: "another process is training this run".into(),
        })?;
        Ok(file)
    }

    /// Appends to `events.jsonl`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn events(&self) -> Result<File, Error> {
        let path = self.path.join("events.jsonl");
        File::options().create(true).append(true).open(&path).map_err(io(&path))
    }

    /// Drops the events after `step`, which a resumed run is going to write again.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn rewind_events(&self, step: u64) -> Result<(), Error> {
        let path = self.path.join("events.jsonl");
        let Ok(file) = File::open(&path) else { return Ok(()) };
        let mut kept = Vec::new();
        for line in BufReader::new(file).lines().map_while(Result::ok) {
            // The last line of a killed process may be half a line.
            let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
            if event["step"].as_u64().is_none_or(|at| at <= step) {
                writeln!(kept, "{line}").map_err(io(&path))?;
            }
        }
        write_file(&path, &kept)
    }

    fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Steps of the checkpoints, oldest first.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn checkpoint_steps(&self) -> Result<Vec<u64>, Error> {
        let found = folders(&self.checkpoints())?;
        let mut steps: Vec<u64> =
            found.iter().filter_map(|(name, _)| name.strip_prefix("step-")?.parse().ok()).collect();
        steps.sort_unstable();
        Ok(steps)
    }

    /// `checkpoints/step-<n>/`
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.checkpoints().join(format!("step-{step}"))
    }

    /// Makes a checkpoint appear at once, then removes those whose step is not in `keep`.
    ///
    /// # Errors
    /// [`Error::Io`]; the checkpoints before it are then untouched.
    pub fn write_checkpoint(&self, step: u64, files: &[(&str, &[u8])], keep: &[u64]) -> Result<(), Error> {
        write_folder(&self.checkpoint(step), files)?;
        for old in self.checkpoint_steps()? {
            if old != step && !keep.contains(&old) {
                let path = self.checkpoint(old);
                fs::remove_dir_all(&path).map_err(io(&path))?;
            }
        }
        Ok(())
    }
}
