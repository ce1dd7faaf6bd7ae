//! A package: everything needed to serve a model, sealed with digests, never changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use minisign_verify::{PublicKey, Signature};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::alias::Aliases;
use crate::error::Error;
use crate::files::{JSON_LIMIT, io, read_json, read_limited, sha256_hex, sync_folder, to_json, write_file};
use crate::home::{Home, now};

/// `manifest.json` of a package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of the package format.
    pub format_version: u32,
    /// Name of the model.
    pub name: String,
    /// Its number among the packages of this name.
    pub version: u64,
    /// RFC 3339, UTC.
    pub created: String,
    /// SHA-256 of every other file.
    pub files: BTreeMap<String, String>,
    /// Inputs and outputs.
    pub signature: Value,
    /// Where it comes from.
    pub lineage: Lineage,
    /// Metrics of the test split.
    pub metrics: Map<String, Value>,
}

/// Where a package comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lineage {
    /// Id of the run.
    pub run: String,
    /// SHA-256 of the dataset version.
    pub dataset_version: String,
    /// SHA-256 of the run's config.
    pub config_sha256: String,
    /// Version of the code.
    pub code_version: String,
    /// `name:version` that it was trained from, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// What a package is made of.
#[derive(Debug)]
pub struct Sealed<'a> {
    /// Name of the model.
    pub name: &'a str,
    /// File names and contents, `manifest.json` excluded.
    pub files: &'a [(&'a str, &'a [u8])],
    /// Inputs and outputs.
    pub signature: Value,
    /// Where it comes from.
    pub lineage: Lineage,
    /// Metrics of the test split.
    pub metrics: Map<String, Value>,
}

/// A package on disk.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its folder.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
}

/// Files that every package has beside `manifest.json`.
pub fn sealed_files() -> [&'static str; 4] {
    ["config.json", "metrics.json", "model.safetensors", "plan.json"]
}

/// Publishes a package: staged, synced, verified, renamed to the next version; then the alias
/// `latest` moves to it. Processes that publish at once get versions of their own.
///
/// # Errors
/// [`Error::Io`]; no version is then visible that was not before.
pub fn publish(home: &Home, sealed: &Sealed<'_>) -> Result<Package, Error> {
    let folder = home.models().join(sealed.name);
    let lock = Home::lock(&folder)?;
    let version = home.versions(sealed.name)?.last().map_or(1, |last| last + 1);
    let staged = tempfile::Builder::new().prefix(".staged-").tempdir_in(&folder).map_err(io(&folder))?;
    let mut files = BTreeMap::new();
    for (name, bytes) in sealed.files {
        write_file(&staged.path().join(name), bytes)?;
        files.insert((*name).to_owned(), sha256_hex(bytes));
    }
    let manifest = Manifest {
        format_version: Package::FORMAT_VERSION,
        name: sealed.name.to_owned(),
        version,
        created: now(),
        files,
        signature: sealed.signature.clone(),
        lineage: sealed.lineage.clone(),
        metrics: sealed.metrics.clone(),
    };
    let path = staged.path().join("manifest.json");
    write_file(&path, &to_json(&path, &manifest)?)?;
    Package::open(staged.path())?.verify()?;
    let path = folder.join(version.to_string());
    fs::rename(staged.path(), &path).map_err(io(&path))?;
    let _ = staged.keep();
    sync_folder(&folder)?;
    Aliases::write_locked(&folder, |aliases| {
        aliases.insert("latest".to_owned(), version);
    })?;
    drop(lock);
    Package::open(&path)
}

impl Package {
    /// Version of the package format that this code writes and reads.
    pub const FORMAT_VERSION: u32 = 1;

    /// Reads a package's manifest and checks that it is one: known format, plain file names, every
    /// file there.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Damaged`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = path.join("manifest.json");
        let manifest: Manifest = read_json(&file)?;
        let damaged = |why: String| Error::Damaged { path: file.clone(), why };
        if manifest.format_version != Self::FORMAT_VERSION {
            let why = format!(
                "package format {}, this binary reads {}",
                manifest.format_version,
                Self::FORMAT_VERSION
            );
            return Err(damaged(why));
        }
        for needed in sealed_files() {
            if !manifest.files.contains_key(needed) {
                return Err(damaged(format!("`{needed}` is not in it")));
            }
        }
        // A name with a path in it would make a reader open files of its author's choosing.
        if let Some(name) = manifest.files.keys().find(|name| !is_plain(name)) {
            return Err(damaged(format!("file name `{}` is not plain", name.escape_debug())));
        }
        if !is_plain(&manifest.name) {
            return Err(damaged(format!("model name `{}` is not plain", manifest.name.escape_debug())));
        }
        Ok(Self { path: path.to_owned(), manifest })
    }

    /// Checks the digest of every file.
    ///
    /// # Errors
    /// [`Error::Digest`] for the first that differs, [`Error::Io`] for one that is gone.
    pub fn verify(&self) -> Result<(), Error> {
        self.manifest.files.keys().try_for_each(|name| self.read(name).map(drop))
    }

    /// Checks that one of these public keys of minisign signed the manifest, which has the digests of all other
    /// files; the signature is `manifest.json.minisig` beside it.
    ///
    /// # Errors
    /// [`Error::Signature`].
    pub fn verify_signature(&self, trusted: &[String]) -> Result<(), Error> {
        let path = self.path.join("manifest.json.minisig");
        let wrong = |why: String| Error::Signature { path: path.clone(), why };
        let text = read_limited(&path, 1 << 16).map_err(|_| wrong("there is no signature".to_owned()))?;
        let text = String::from_utf8(text).map_err(|error| wrong(error.to_string()))?;
        let signature = Signature::decode(&text).map_err(|error| wrong(error.to_string()))?;
        let manifest = self.path.join("manifest.json");
        let bytes = read_limited(&manifest, JSON_LIMIT)?;
        // The manifest that was read before is the one that is signed.
        let same = serde_json::from_slice::<Manifest>(&bytes).is_ok_and(|manifest| manifest == self.manifest);
        for key in trusted {
            let key = PublicKey::from_base64(key)
                .map_err(|error| wrong(format!("`{key}` is no public key of minisign: {error}")))?;
            if same && key.verify(&bytes, &signature, false).is_ok() {
                return Ok(());
            }
        }
        Err(wrong("none of the trusted keys made this signature".to_owned()))
    }

    /// A file's bytes, digest checked.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Digest`], or [`Error::Damaged`] for a name the manifest lacks.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        let path = self.path.join(name);
        let expected = self.manifest.files.get(name).ok_or_else(|| Error::Damaged {
            path: self.path.join("manifest.json"),
            why: format!("`{name}` is not in it"),
        })?;
        let metadata = fs::symlink_metadata(&path).map_err(io(&path))?;
        if !metadata.is_file() {
            return Err(Error::Damaged { path, why: "not a plain file".into() });
        }
        let bytes = read_limited(&path, 64 << 30)?;
        let found = sha256_hex(&bytes);
        if found != *expected {
            return Err(Error::Digest { path, expected: expected.clone(), found });
        }
        Ok(bytes)
    }

    /// `name:version`
    pub fn label(&self) -> String {
        format!("{}:{}", self.manifest.name, self.manifest.version)
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}
