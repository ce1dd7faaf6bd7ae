//! The prepare stage by its content: what it is made of, and whether that is there already.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cupola_datasets::{Collection, Datasets, LoadRequest, collect};
use cupola_prep::Prepared;
use cupola_registry::{Home, sha256_hex};
use cupola_sources::FileVersion;
use cupola_spec::{Run, Source};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::bars::Bars;
use crate::commands::train::CODE_VERSION;
use crate::load::{Loaded, Seen, roots};
use crate::pretrained;
use crate::ui::Ui;

/// Counts up when the same rows and config become other examples.
const PREPARE_VERSION: u32 = 1;

/// The prepare stage of a config with the data as it is now.
pub struct Stage {
    folder: PathBuf,
    key: String,
    /// Whether the files are all that it is made of: what a list of files names is read with the rows.
    whole: bool,
    /// The source.
    pub source: Collection,
    /// The test source, if there is one.
    pub test: Option<Collection>,
}

/// `stage.json`
#[derive(Serialize, Deserialize)]
struct Known {
    name: String,
    source: Seen,
    test: Option<Seen>,
}

impl Stage {
    /// Fetches and hashes the files; no row is read.
    pub fn of(home: &Home, ui: Ui, run: &Run, config: Option<&Path>) -> Result<Self> {
        let (roots, bars) = (roots(config), Bars::new(ui));
        let (data, expect) = (&run.data, run.expect.as_slice());
        let found = |source: &Source| {
            collect(&LoadRequest { source, data, expect, roots: &roots, home: home.root(), progress: &bars })
        };
        let source = found(&data.source)?;
        let test = data.test_source.as_ref().map(found).transpose()?;
        let digests =
            |found: &Collection| found.files().iter().map(|file| file.sha256.clone()).collect::<Vec<_>>();
        let made_of = json!({
            "code": [CODE_VERSION, PREPARE_VERSION.to_string()],
            "files": digests(&source),
            "test": test.as_ref().map(digests),
            "data": data,
            "expect": expect,
            "clean": run.clean,
            "features": run.features,
            "split": run.split,
            "inputs": run.inputs,
            "targets": run.targets.iter().collect::<Vec<_>>(),
            "table": run.design.table,
            "tokenizer": run.start.as_ref().map(|start| &start.package),
            "seed": run.seed,
        });
        // Rows that are encrypted where they are kept must not lie about in another form.
        let whole = data.files.is_none() && !Datasets::new(home.root()).encrypts();
        let key = sha256_hex(made_of.to_string().as_bytes());
        let folder = home.root().join("data").join("prepared").join(&key[..24]);
        Ok(Self { folder, key, whole, source, test })
    }

    /// Files of the source, then those of the test source.
    pub fn files(&self) -> Vec<&FileVersion> {
        self.source.files().iter().chain(self.test.iter().flat_map(Collection::files)).collect()
    }

    /// What tells it apart, short enough to read.
    pub fn short(&self) -> &str {
        &self.key[..12]
    }

    /// Where it is, or would be.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it has been made.
    pub fn is_made(&self) -> bool {
        self.whole && self.folder.join("stage.json").is_file()
    }

    /// What was made of the same data and config, if it was.
    pub fn loaded(&self, home: &Home, run: &Run) -> Result<Option<Loaded>> {
        if !self.is_made() {
            return Ok(None);
        }
        let known = std::fs::read(self.folder.join("stage.json"))?;
        let again = || format!("{} is damaged; run `cupola prepare --force`", self.folder.display());
        let known: Known = serde_json::from_slice(&known).with_context(again)?;
        let prepared = Prepared::load(&self.folder).with_context(again)?;
        let start = run.start.as_ref();
        let pretrained = start.map(|start| pretrained::read(home, &start.package)).transpose()?;
        Ok(Some(Loaded { prepared, source: known.source, test: known.test, pretrained }))
    }

    /// Keeps what has been made, in place of what the config's runs of this name had before.
    pub fn keep(folder: &Path, run: &Run, loaded: Loaded) -> Result<Loaded> {
        let parent = folder.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent)?;
        let staged = tempfile::Builder::new().prefix(".staged-").tempdir_in(parent)?;
        loaded.prepared.save(staged.path())?;
        let Loaded { prepared, source, test, pretrained } = loaded;
        let known = Known { name: run.name.clone(), source, test };
        cupola_registry::write_file(&staged.path().join("stage.json"), &serde_json::to_vec_pretty(&known)?)?;
        for old in older(parent, &run.name) {
            let _ = std::fs::remove_dir_all(old);
        }
        let _ = std::fs::remove_dir_all(folder);
        std::fs::rename(staged.path(), folder)?;
        let _ = staged.keep();
        Ok(Loaded { prepared, source: known.source, test: known.test, pretrained })
    }
}

/// Folders of prepared examples of this name.
fn older(parent: &Path, name: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let of_name = |path: &PathBuf| {
        let known = std::fs::read(path.join("stage.json")).ok();
        known
            .and_then(|bytes| serde_json::from_slice::<Known>(&bytes).ok())
            .is_some_and(|known| known.name == name)
    };
    let whole = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    whole.map(|entry| entry.path()).filter(of_name).collect()
}
