//! Interoperability with DVC: its files, caches and remotes.
//!
//! Format as of DVC 3: a `.dvc` file names outputs by MD5; a cache and a remote keep them at
//! `files/md5/<2>/<30>`; a folder is a blob `<md5>.dir`, a JSON list of its files (dvc-data, `HashFile`
//! and `Tree`).

use std::io::Read;
use std::path::{Path, PathBuf};

use cupola_sources::{
    DataFile, Error as SourceError, FileVersion, NoProgress, ProgressSink, ProgressUnit, RemoteStore,
    SourceCache, file_version, fill_secrets, io_runtime, open_file,
};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::{DatasetManifest, Datasets};
use crate::error::{Error, io_error};

/// Contents of a `.dvc` file.
#[derive(Debug, Serialize, Deserialize)]
struct DvcFile {
    outs: Vec<DvcOutput>,
}

#[derive(Debug, Serialize, Deserialize)]
struct DvcOutput {
    md5: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nfiles: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    path: String,
}

/// File in the list of a folder; the keys are in DVC's order.
#[derive(Debug, Serialize, Deserialize)]
struct DvcEntry {
    md5: String,
    relpath: String,
}

/// Finds the files that a `.dvc` file tracks: in the cache of the repository, unchanged in the workspace, or
/// in the default remote.
pub(crate) fn tracked(path: &Path, cache: &SourceCache) -> Result<Vec<(DataFile, FileVersion)>, Error> {
    let text = std::fs::read_to_string(path).map_err(io_error(path))?;
    let wrong = |why: String| Error::Dataset { name: path.display().to_string(), why };
    let tracked: DvcFile = serde_saphyr::from_str(&text)
        .map_err(|error| wrong(format!("invalid .dvc file: {error}; check it")))?;
    let repository = DvcRepository::of(path)?;
    let mut found = Vec::new();
    for output in &tracked.outs {
        let here = path.parent().unwrap_or(Path::new(".")).join(&output.path);
        if let Some(list) = output.md5.strip_suffix(".dir") {
            let list = repository.blob(&format!("{list}.dir"), None, cache)?;
            let list = std::fs::read(&list).map_err(io_error(&list))?;
            let entries: Vec<DvcEntry> = serde_json::from_slice(&list)
                .map_err(|error| wrong(format!("list of the folder: {error}")))?;
            for entry in entries {
                let blob = repository.blob(&entry.md5, Some(&here.join(&entry.relpath)), cache)?;
                let name = entry.relpath.rsplit('/').next().unwrap_or(&entry.relpath).to_owned();
                found.push((blob, name));
            }
        } else {
            let name = output.path.rsplit('/').next().unwrap_or(&output.path).to_owned();
            found.push((repository.blob(&output.md5, Some(&here), cache)?, name));
        }
    }
    let each = found.into_iter().map(|(blob, name)| {
        let version = FileVersion { name: name.clone(), ..file_version(&blob, &NoProgress)? };
        Ok((DataFile::named(blob, name)?, version))
    });
    each.collect()
}

/// DVC repository that contains a `.dvc` file.
struct DvcRepository {
    cache: PathBuf,
    remote: Option<String>,
}

impl DvcRepository {
    fn of(path: &Path) -> Result<Self, Error> {
        let full = std::path::absolute(path).map_err(io_error(path))?;
        let root = full.ancestors().find(|folder| folder.join(".dvc").is_dir());
        let Some(root) = root else {
            return Ok(Self { cache: PathBuf::from(".dvc/cache"), remote: None });
        };
        let own = root.join(".dvc");
        let mut settings = Vec::new();
        for name in ["config", "config.local"] {
            settings.extend(ini(&std::fs::read_to_string(own.join(name)).unwrap_or_default()));
        }
        let last = |section: &str, key: &str| {
            let found = settings.iter().rev().find(|(s, k, _)| s == section && k == key);
            found.map(|(_, _, value)| value.clone())
        };
        // Paths in DVC's config are relative to the folder of the config.
        let local = |text: String| {
            if text.contains("://") { text } else { own.join(text).to_string_lossy().into_owned() }
        };
        let cache = last("cache", "dir").map_or(own.join("cache"), |dir| PathBuf::from(local(dir)));
        let remote =
            last("core", "remote").and_then(|name| last(&format!("remote \"{name}\""), "url")).map(local);
        Ok(Self { cache, remote })
    }

    /// Finds a blob by its MD5.
    fn blob(&self, md5: &str, workspace: Option<&Path>, cache: &SourceCache) -> Result<PathBuf, Error> {
        let (first, rest) = md5.split_at(md5.len().min(2));
        let cached = self.cache.join("files").join("md5").join(first).join(rest);
        if cached.is_file() {
            return Ok(cached);
        }
        if let Some(here) = workspace.filter(|here| here.is_file())
            && md5_of(here)? == md5
        {
            return Ok(here.to_owned());
        }
        let missing = |why: &str| Error::Dataset { name: md5.to_owned(), why: why.to_owned() };
        let Some(url) = &self.remote else {
            return Err(missing(
                "is in neither the workspace nor DVC's cache, and there is no default remote; run `dvc pull`",
            ));
        };
        let fetched = cache.folder("dvc", md5)?.join("blob");
        if !fetched.is_file() {
            fetch(url, md5, &fetched)?;
        }
        Ok(fetched)
    }
}

/// Downloads a blob of a DVC remote on a thread of its own, since the caller may be inside of a Tokio
/// runtime.
fn fetch(url: &str, md5: &str, to: &Path) -> Result<(), Error> {
    let work = || -> Result<(), Error> {
        let remote = RemoteStore::open(url, url)?;
        let part = to.with_extension("part");
        let blob = at(&remote, md5);
        io_runtime(url)?.block_on(remote.get_file(&blob, &part, &NoProgress))?;
        let found = md5_of(&part)?;
        if md5.strip_suffix(".dir").unwrap_or(md5) != found {
            return Err(Error::Damaged { path: part, why: format!("expected MD5 {md5}, found {found}") });
        }
        std::fs::rename(&part, to).map_err(io_error(to))
    };
    let done = std::thread::scope(|scope| scope.spawn(work).join());
    done.map_err(|_| SourceError::Engine { path: url.to_owned(), why: "fetching failed".into() })?
}

fn at(remote: &RemoteStore, md5: &str) -> object_store::path::Path {
    let (first, rest) = md5.split_at(md5.len().min(2));
    remote.path(&["files", "md5", first, rest])
}

/// Copies a version to a DVC remote and writes `out.dvc`, so that `dvc pull` creates `out`: a file if the
/// version has one file, a folder otherwise.
///
/// # Errors
/// [`Error::Source`]; the `.dvc` file is written last.
pub fn push_dvc(
    datasets: &Datasets,
    manifest: &DatasetManifest,
    to: &str,
    out: &Path,
    roots: &[PathBuf],
    progress: &dyn ProgressSink,
) -> Result<PathBuf, Error> {
    let remote = RemoteStore::open(to, &fill_secrets(to, roots, &datasets.home)?)?;
    let runtime = io_runtime(to)?;
    let files = &manifest.dataset.files;
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    progress.begin(&format!("pushing {}", manifest.label()), ProgressUnit::Bytes, Some(bytes));
    let mut entries = Vec::new();
    for file in files {
        let held = datasets.blobs().checked(file)?;
        let md5 = md5_of(&held.path)?;
        let blob = at(&remote, &md5);
        runtime.block_on(remote.put_file(&held.path, &blob, file.bytes, progress))?;
        entries.push(DvcEntry { md5, relpath: file.name.clone() });
    }
    progress.end();
    entries.sort_by(|a, b| a.relpath.cmp(&b.relpath));
    let name = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let output = if let [only] = entries.as_slice() {
        DvcOutput {
            md5: only.md5.clone(),
            size: Some(bytes),
            nfiles: None,
            hash: Some("md5".into()),
            path: name.clone(),
        }
    } else {
        let list = python_json(&entries)?;
        let md5 = format!("{}.dir", const_hex::encode(Md5::digest(list.as_bytes())));
        let file = tempfile::NamedTempFile::new().map_err(io_error(out))?;
        std::fs::write(file.path(), &list).map_err(io_error(out))?;
        let blob = at(&remote, &md5);
        runtime.block_on(remote.put_file(file.path(), &blob, list.len() as u64, &NoProgress))?;
        DvcOutput {
            md5,
            size: Some(bytes),
            nfiles: Some(files.len()),
            hash: Some("md5".into()),
            path: name.clone(),
        }
    };
    let path = out.with_file_name(format!("{name}.dvc"));
    let text = serde_saphyr::to_string(&DvcFile { outs: vec![output] })
        .map_err(|error| Error::Dataset { name: manifest.name.clone(), why: error.to_string() })?;
    cupola_store::write_file(&path, text.as_bytes())?;
    Ok(path)
}

/// JSON with the separators of Python's `json.dumps`, on which the MD5 of a folder depends.
fn python_json(entries: &[DvcEntry]) -> Result<String, Error> {
    let wrong = |error: serde_json::Error| Error::Dataset {
        name: "the folder's list".into(),
        why: error.to_string(),
    };
    let text = |value: &str| serde_json::to_string(value).map_err(wrong);
    let mut each = Vec::new();
    for entry in entries {
        each.push(format!("{{\"md5\": {}, \"relpath\": {}}}", text(&entry.md5)?, text(&entry.relpath)?));
    }
    Ok(format!("[{}]", each.join(", ")))
}

fn md5_of(path: &Path) -> Result<String, Error> {
    let mut file = open_file(path)?;
    let (mut hasher, mut buffer) = (Md5::new(), vec![0; 1 << 18]);
    loop {
        let n = file.read(&mut buffer).map_err(io_error(path))?;
        if n == 0 {
            return Ok(const_hex::encode(hasher.finalize()));
        }
        hasher.update(&buffer[..n]);
    }
}

/// Parses an INI file as DVC writes it, `['remote "name"']` and `key = value`, to `(section, key, value)`.
fn ini(text: &str) -> Vec<(String, String, String)> {
    let (mut section, mut found) = (String::new(), Vec::new());
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.trim_matches('\'').clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=')
            && !line.starts_with(['#', ';'])
        {
            found.push((section.clone(), key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    found
}
