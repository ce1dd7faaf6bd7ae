//! The prepare stage by its content: a key of everything that its examples depend on.

use std::path::{Path, PathBuf};

use cupola_datasets::{Collection, Datasets, LoadRequest, collect};
use cupola_prep::Prepared;
use cupola_registry::Home;
use cupola_sources::{FileVersion, TextColumns};
use cupola_spec::{Run, Source, TreesSpec};
use cupola_store::{StagedFolder, sha256_hex};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{LoadedData, SourceReport};
use crate::CODE_VERSION;
use crate::error::Error;
use crate::event::CollectionEvents;
use crate::models::pretrained;
use crate::session::Session;

/// Raised when the same rows and config become other examples.
const PREPARE_VERSION: u32 = 5;
const STAGE_FILE: &str = "stage.json";

/// Prepare stage of a config with the data as it is now.
pub struct PreparedStage {
    folder: PathBuf,
    key: String,
    /// `false` if the examples depend on more than the files, such as files that rows name, or must not be
    /// kept.
    reusable: bool,
    pub(super) source: Collection,
    pub(super) test: Option<Collection>,
}

/// `stage.json`
#[derive(Serialize, Deserialize)]
struct StageRecord {
    name: String,
    source: SourceReport,
    test: Option<SourceReport>,
}

impl Session<'_> {
    /// Collects and hashes the files of a run's sources; no row is read. Relative paths are looked up in
    /// `roots`.
    ///
    /// # Errors
    /// Sources that cannot be collected.
    pub fn prepared_stage(&self, run: &Run, roots: &[PathBuf]) -> Result<PreparedStage, Error> {
        let watch = CollectionEvents(self.observer);
        let (data, expect) = (&run.data, run.expect.as_slice());
        let home = self.home.root();
        let collected = |source: &Source| {
            collect(&LoadRequest {
                source,
                data,
                expect,
                texts: TextColumns::None,
                roots,
                home,
                progress: &watch,
            })
        };
        let source = collected(&data.source)?;
        let test = data.test_source.as_ref().map(collected).transpose()?;
        let key = key(run, &source, test.as_ref());
        // Rows that are encrypted at rest must not be kept in another form.
        let reusable = data.files.is_none() && !Datasets::new(home).encrypts();
        let folder = home.join("data").join("prepared").join(&key[..24]);
        Ok(PreparedStage { folder, key, reusable, source, test })
    }
}

/// Digest of everything that the examples depend on.
fn key(run: &Run, source: &Collection, test: Option<&Collection>) -> String {
    let digests =
        |found: &Collection| found.files().iter().map(|file| file.sha256.clone()).collect::<Vec<_>>();
    let inputs = json!({
        "code": [CODE_VERSION, PREPARE_VERSION.to_string()],
        "files": digests(source),
        "test": test.map(digests),
        "data": run.data,
        "expect": run.expect,
        "clean": run.clean,
        "features": run.features,
        "split": run.split,
        "series": run.series,
        "inputs": run.inputs,
        "subgroups": run.evaluate.subgroups,
        "uncertainty": run.uncertainty,
        "targets": run.targets.iter().collect::<Vec<_>>(),
        "table": run.design.table,
        "columns": run.design.columns,
        // Boosted trees split categories by sets and leave numbers unfilled.
        "boosted": matches!(run.trees, Some(TreesSpec::Boosted(_))),
        "tokenizer": run.start.as_ref().map(|start| &start.package),
        "seed": run.seed,
    });
    sha256_hex(inputs.to_string().as_bytes())
}

impl PreparedStage {
    /// Files of the source, then those of the test source.
    pub fn files(&self) -> Vec<&FileVersion> {
        self.source.files().iter().chain(self.test.iter().flat_map(Collection::files)).collect()
    }

    /// First digits of the key.
    pub fn short(&self) -> &str {
        &self.key[..12]
    }

    /// Folder of the stage, whether or not it exists.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Digest of everything that the examples depend on, if they are reusable.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// `true` if the key says all that the examples depend on, and they may be kept.
    pub(super) fn is_reusable(&self) -> bool {
        self.reusable
    }

    /// `true` if the examples of this key are kept.
    pub fn is_up_to_date(&self) -> bool {
        self.reusable && self.folder.join(STAGE_FILE).is_file()
    }

    /// Kept examples; `None` if there are none of this key.
    pub(super) fn load(&self, home: &Home, run: &Run) -> Result<Option<LoadedData>, Error> {
        if !self.is_up_to_date() {
            return Ok(None);
        }
        let damaged = |why: String| Error::DamagedStage { folder: self.folder.clone(), why };
        let path = self.folder.join(STAGE_FILE);
        let bytes = std::fs::read(&path).map_err(|source| Error::Io { path, source })?;
        let record: StageRecord =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        let prepared = Prepared::load(&self.folder).map_err(|error| damaged(error.to_string()))?;
        let start = run.start.as_ref();
        let pretrained = start.map(|start| pretrained::read(home, &start.package)).transpose()?;
        Ok(Some(LoadedData { prepared, source: record.source, test: record.test, pretrained }))
    }
}

/// Keeps examples in `folder`, in place of what runs of this name kept before.
pub(super) fn keep(folder: &Path, run: &Run, data: LoadedData) -> Result<LoadedData, Error> {
    let parent = folder.parent().unwrap_or(Path::new("."));
    let staged = StagedFolder::new(folder)?;
    data.prepared.save(staged.path())?;
    let LoadedData { prepared, source, test, pretrained } = data;
    let record = StageRecord { name: run.name.clone(), source, test };
    staged.write(STAGE_FILE, &serde_json::to_vec_pretty(&record)?)?;
    staged.replace()?;
    // Only now: a process that is killed in between leaves two, of which the next one removes the older.
    for old in of_name(parent, &run.name).into_iter().filter(|old| old != folder) {
        let _ = std::fs::remove_dir_all(old);
    }
    Ok(LoadedData { prepared, source: record.source, test: record.test, pretrained })
}

/// Folders of examples that runs of this name kept.
fn of_name(parent: &Path, name: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let is_of_name = |path: &PathBuf| {
        let bytes = std::fs::read(path.join(STAGE_FILE)).ok();
        let record = bytes.and_then(|bytes| serde_json::from_slice::<StageRecord>(&bytes).ok());
        record.is_some_and(|record| record.name == name)
    };
    let complete = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    complete.map(|entry| entry.path()).filter(is_of_name).collect()
}
