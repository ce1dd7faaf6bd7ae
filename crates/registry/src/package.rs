//! Published packages: everything needed to serve a model, with digests, never changed.

mod publish;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cupola_store::{
    JSON_LIMIT, VerifiedFile, is_plain_file_name, read_limited, sha256_hex, verify_signature,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::publish::{publish, published_by};

use crate::error::{Error, io};

/// `manifest.json` of a package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the package format.
    pub format_version: u32,
    /// Name of the model.
    pub name: String,
    /// Version of the model, from 1.
    pub version: u64,
    /// Time of publication, RFC 3339 in UTC.
    pub created: String,
    /// SHA-256 of every other file, by file name.
    pub files: BTreeMap<String, String>,
    /// Typed inputs and outputs.
    pub signature: Value,
    /// Origin.
    pub lineage: Lineage,
    /// Metrics of the test split.
    pub metrics: Map<String, Value>,
}

/// Origin of a package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lineage {
    /// Id of the run.
    pub run: String,
    /// SHA-256 of the dataset version.
    pub dataset_version: String,
    /// SHA-256 of the run's config.
    pub config_sha256: String,
    /// Version of Cupola that trained it.
    pub code_version: String,
    /// `NAME:VERSION` of the package that training started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// Contents of a package to publish.
#[derive(Debug)]
pub struct PackageContents<'a> {
    /// Name of the model.
    pub name: &'a str,
    /// File names and contents without `manifest.json`.
    pub files: &'a [(&'a str, &'a [u8])],
    /// Typed inputs and outputs.
    pub signature: Value,
    /// Origin.
    pub lineage: Lineage,
    /// Metrics of the test split.
    pub metrics: Map<String, Value>,
    /// `true` leaves the alias `latest` where it is.
    pub keep_latest: bool,
}

/// A package on disk.
#[derive(Debug, Clone)]
pub struct Package {
    /// Path of the folder.
    pub path: PathBuf,
    /// Content of `manifest.json`.
    pub manifest: Manifest,
    /// Files whose digest was checked, shared by all clones.
    checked: Arc<Mutex<BTreeMap<String, CheckedFile>>>,
}

/// File whose digest was checked.
#[derive(Debug)]
enum CheckedFile {
    /// It was read at once, and its bytes were checked.
    Read,
    /// It is still open, and can be read again without another check.
    Open(Arc<VerifiedFile>),
}

/// Largest accepted file of a package in bytes.
pub(crate) const FILE_LIMIT: u64 = 64 << 30;

/// Example of a request, which a package may have.
pub const EXAMPLE: &str = "example.json";

/// Judged conditions of the gate that a package was published with; a package without conditions has none.
pub const GATE: &str = "gate.json";

/// Distributions that the model was trained with; packages of imported models have none.
pub const MONITOR: &str = "monitor.json";

/// Embeddings of reference rows; only packages of networks with texts or pictures have them.
pub const EMBEDDINGS: &str = "monitor.safetensors";

/// Files that every package has beside `manifest.json`.
pub fn package_files() -> [&'static str; 4] {
    ["config.json", "metrics.json", "model.safetensors", "plan.json"]
}

impl Package {
    /// Version of the package format that this code writes and reads.
    pub const FORMAT_VERSION: u32 = 1;

    /// Reads a package's manifest and checks its format version and file names.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = path.join("manifest.json");
        // A link would lead out of the package, and a pipe would never end.
        if !fs::symlink_metadata(&file).map_err(io(&file))?.is_file() {
            return Err(Error::damaged(&file, "expected a regular file"));
        }
        let bytes = read_limited(&file, JSON_LIMIT)?;
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|error| unreadable(&file, &bytes, &error))?;
        manifest.check().map_err(|reason| Error::damaged(&file, reason))?;
        Ok(Self { path: path.to_owned(), manifest, checked: Arc::default() })
    }

    /// Checks the digest of every file, in constant memory.
    ///
    /// # Errors
    /// [`Error::Store`] for the first file that is missing or differs.
    pub fn verify(&self) -> Result<(), Error> {
        self.manifest.files.keys().try_for_each(|name| self.verify_file(name).map(drop))
    }

    /// Checks the digests of the files that neither [`Self::read`] nor [`Self::open_file`] has checked yet. After
    /// a reader has loaded what it uses, this completes the verification without a second pass over the weights.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn verify_rest(&self) -> Result<(), Error> {
        self.verify_rest_but("")
    }

    /// As [`Self::verify_rest`], but for one file that predictions do not need, and whose reader checks it.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn verify_rest_but(&self, left_out: &str) -> Result<(), Error> {
        let unchecked = |name: &&String| *name != left_out && !self.checked().contains_key(*name);
        let rest: Vec<&String> = self.manifest.files.keys().filter(unchecked).collect();
        rest.into_iter().try_for_each(|name| self.verify_file(name).map(drop))
    }

    fn checked(&self) -> MutexGuard<'_, BTreeMap<String, CheckedFile>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that one of these minisign public keys signed the manifest, which has the digests of
    /// all other files, and that the folder has no further ones. The signature is `manifest.json.minisig`
    /// beside it.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Unlisted`].
    pub fn verify_signature(&self, trusted: &[String]) -> Result<(), Error> {
        self.check_entries()?;
        let signature = self.path.join("manifest.json.minisig");
        let bytes = read_limited(&self.path.join("manifest.json"), JSON_LIMIT)?;
        verify_signature(&bytes, &signature, trusted)?;
        // The signed manifest has to be the one that was opened.
        if serde_json::from_slice::<Manifest>(&bytes).is_ok_and(|manifest| manifest == self.manifest) {
            return Ok(());
        }
        let reason = "the manifest changed after it was opened".to_owned();
        Err(cupola_store::Error::Signature { path: signature, reason }.into())
    }

    /// Checks that every entry of the folder is a regular file that the signature covers.
    fn check_entries(&self) -> Result<(), Error> {
        for entry in fs::read_dir(&self.path).map_err(io(&self.path))? {
            let entry = entry.map_err(io(&self.path))?;
            let name = entry.file_name();
            let listed = name.to_str().is_some_and(|name| {
                ["manifest.json", "manifest.json.minisig"].contains(&name)
                    || self.manifest.files.contains_key(name)
            });
            if !listed {
                return Err(Error::Unlisted { path: entry.path() });
            }
            if !entry.file_type().map_err(io(&entry.path()))?.is_file() {
                return Err(Error::damaged(&entry.path(), "expected a regular file"));
            }
        }
        Ok(())
    }

    /// Checks that the package was published as this version of this model. Its signature covers both, so a signed
    /// package can't stand for another one.
    ///
    /// # Errors
    /// [`Error::Misplaced`].
    pub fn check_place(&self, name: &str, version: u64) -> Result<(), Error> {
        if self.manifest.name == name && self.manifest.version == version {
            return Ok(());
        }
        let (found, expected) = (self.label(), format!("{name}:{version}"));
        Err(Error::Misplaced { path: self.path.clone(), found, expected })
    }

    /// Reads a file and checks its digest.
    ///
    /// # Errors
    /// [`Error::Store`], also for a name that the manifest lacks.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        self.read_within(name, FILE_LIMIT)
    }

    /// Reads a file of at most this many bytes and checks its digest.
    ///
    /// # Errors
    /// As [`Self::read`], and [`cupola_store::Error::Damaged`] for a larger file.
    pub fn read_within(&self, name: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let (path, expected) = self.locate(name)?;
        let bytes = read_limited(&path, limit)?;
        let (found, expected) = (sha256_hex(&bytes), expected.to_owned());
        if found != expected {
            return Err(cupola_store::Error::Digest { path, expected, found }.into());
        }
        self.checked().entry(name.to_owned()).or_insert(CheckedFile::Read);
        Ok(bytes)
    }

    /// Opens a file that is too large to be read at once, and checks its digest in constant memory. The file
    /// stays open as long as this package: the next call returns it without another check, unless it was written to.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn open_file(&self, name: &str) -> Result<Arc<VerifiedFile>, Error> {
        if let Some(CheckedFile::Open(file)) = self.checked().get(name)
            && file.is_unchanged()
        {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(self.verify_file(name)?);
        self.checked().insert(name.to_owned(), CheckedFile::Open(Arc::clone(&file)));
        Ok(file)
    }

    /// Opens a file and checks its digest, in constant memory.
    fn verify_file(&self, name: &str) -> Result<VerifiedFile, Error> {
        let (path, expected) = self.locate(name)?;
        Ok(VerifiedFile::open(&path, expected, FILE_LIMIT)?)
    }

    /// Path and recorded digest of a file, which must be a regular one.
    fn locate(&self, name: &str) -> Result<(PathBuf, &str), Error> {
        let path = self.path.join(name);
        let expected = self.manifest.files.get(name);
        let expected = expected.ok_or_else(|| {
            Error::damaged(&self.path.join("manifest.json"), format!("`{name}` is missing"))
        })?;
        let metadata = fs::symlink_metadata(&path).map_err(io(&path))?;
        if !metadata.is_file() {
            return Err(Error::damaged(&path, "expected a regular file"));
        }
        Ok((path, expected))
    }

    /// `true` if the package passed the gate that it was published with, or had none.
    ///
    /// # Errors
    /// As [`Self::read`]; a `gate.json` without `passed`.
    pub fn passed_gate(&self) -> Result<bool, Error> {
        if !self.manifest.files.contains_key(GATE) {
            return Ok(true);
        }
        let gate: Value = serde_json::from_slice(&self.read(GATE)?).unwrap_or_default();
        let damaged = || Error::damaged(&self.path.join(GATE), "`passed` is missing");
        let passed = gate["passed"].as_bool().ok_or_else(damaged)?;
        // The verdict must agree with the conditions below it.
        let conditions = gate["conditions"].as_array().into_iter().flatten();
        Ok(passed && conditions.into_iter().all(|condition| condition["outcome"] == "passed"))
    }

    /// `NAME:VERSION`
    pub fn label(&self) -> String {
        format!("{}:{}", self.manifest.name, self.manifest.version)
    }
}

/// Error of a manifest that does not parse.
fn unreadable(file: &Path, bytes: &[u8], error: &serde_json::Error) -> Error {
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    if value.is_object() && (value["name"].is_null() || value["version"].is_null()) {
        return Error::Unnamed { path: file.to_owned() };
    }
    Error::damaged(file, error.to_string())
}

impl Manifest {
    /// Checks what a reader relies on. The error is the reason.
    fn check(&self) -> Result<(), String> {
        if self.format_version != Package::FORMAT_VERSION {
            let (found, expected) = (self.format_version, Package::FORMAT_VERSION);
            return Err(format!("package format {found} is not supported: expected {expected}"));
        }
        if let Some(missing) = package_files().iter().find(|name| !self.files.contains_key(**name)) {
            return Err(format!("`{missing}` is missing"));
        }
        // A name with a path in it would make a reader open files of its author's choosing.
        if let Some(name) = self.files.keys().find(|name| !is_plain_file_name(name)) {
            return Err(format!("invalid file name `{}`", name.escape_debug()));
        }
        if !is_plain_file_name(&self.name) {
            return Err(format!("invalid model name `{}`", self.name.escape_debug()));
        }
        Ok(())
    }
}
