//! Interoperability with DVC: its files, caches and remotes.
//!
//! Format as of DVC 3: a `.dvc` file names outputs by MD5; a cache and a remote keep them at
//! `files/md5/<2>/<30>`; a folder is a blob `<md5>.dir`, a JSON list of its files (dvc-data, `HashFile`
//! and `Tree`).

use std::io::Read;
use std::path::{Path, PathBuf};

use cupola_sources::{
    DataFile, Error as SourceError, FileVersion, FilledText, NoProgress, ProgressSink, ProgressUnit,
    RemoteStore, SourceCache, file_version, io_runtime, open_file,
};
use cupola_store::read_limited;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::manifest::is_inside;
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

/// Largest size of a `.dvc` file and of a config: 1 MiB.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Largest size of the list of a folder: 256 MiB.
const MAX_LIST_BYTES: u64 = 256 << 20;
/// Largest size of a blob of unknown size: 1 TiB.
const MAX_BLOB_BYTES: u64 = 1 << 40;

/// Finds the files that a `.dvc` file tracks: in the cache of the repository, unchanged in the workspace, or
/// in the default remote.
///
/// The file and the config of the repository may come from a stranger: digests and paths are checked before they
/// become paths, contents are compared with their digest wherever they are found, and no secret is filled in.
pub(crate) fn tracked(path: &Path, cache: &SourceCache) -> Result<Vec<(DataFile, FileVersion)>, Error> {
    let wrong = |why: String| Error::Dataset { name: path.display().to_string(), why };
    let text = String::from_utf8(read_limited(path, MAX_FILE_BYTES)?)
        .map_err(|_| wrong("invalid .dvc file: it is not UTF-8; check it".to_owned()))?;
    let tracked: DvcFile = serde_saphyr::from_str(&text)
        .map_err(|error| wrong(format!("invalid .dvc file: {error}; check it")))?;
    let repository = DvcRepository::of(path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for output in &tracked.outs {
        let here = folder.join(inside(&output.path).map_err(wrong)?);
        let limit = output.size.unwrap_or(MAX_BLOB_BYTES);
        if output.md5.strip_suffix(".dir").is_some() {
            let list =
                DvcBlob { md5: md5(&output.md5).map_err(wrong)?, limit: MAX_LIST_BYTES, workspace: None };
            let list = read_limited(&repository.blob(&list, cache)?, MAX_LIST_BYTES)?;
            let entries: Vec<DvcEntry> = serde_json::from_slice(&list)
                .map_err(|error| wrong(format!("list of the folder: {error}")))?;
            for entry in entries {
                let workspace = here.join(inside(&entry.relpath).map_err(wrong)?);
                let digest = md5(&entry.md5).map_err(wrong)?;
                let blob = DvcBlob { md5: digest, limit, workspace: Some(&workspace) };
                found.push((repository.blob(&blob, cache)?, file_name(&entry.relpath)));
            }
        } else {
            let blob = DvcBlob { md5: md5(&output.md5).map_err(wrong)?, limit, workspace: Some(&here) };
            found.push((repository.blob(&blob, cache)?, file_name(&output.path)));
        }
    }
    let each = found.into_iter().map(|(blob, name)| {
        let version = FileVersion { name: name.clone(), ..file_version(&blob, &NoProgress)? };
        Ok((DataFile::named(blob, name)?, version))
    });
    each.collect()
}

/// Digest that becomes the name of a file: 32 digits, with `.dir` for the list of a folder.
fn md5(text: &str) -> Result<&str, String> {
    let digits = text.strip_suffix(".dir").unwrap_or(text);
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() == 32 && digits.bytes().all(is_digit) {
        return Ok(text);
    }
    let shown: String = text.escape_debug().take(80).collect();
    Err(format!("invalid MD5 `{shown}`; expected 32 lower-case hexadecimal digits"))
}

/// Path that stays within the folder that it is joined to.
fn inside(path: &str) -> Result<&str, String> {
    if path.split('/').all(is_inside) {
        return Ok(path);
    }
    let shown: String = path.escape_debug().take(80).collect();
    Err(format!("`{shown}` leads out of the folder; expected a relative path without `..`"))
}

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// Blob to find.
struct DvcBlob<'a> {
    /// Digest, with `.dir` for the list of a folder.
    md5: &'a str,
    /// Largest size.
    limit: u64,
    /// File of the workspace that may have the contents.
    workspace: Option<&'a Path>,
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
        for name in ["config", "config.local"].map(|name| own.join(name)) {
            if name.is_file() {
                settings.extend(ini(&String::from_utf8_lossy(&read_limited(&name, MAX_FILE_BYTES)?)));
            }
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

    /// Finds a blob by its MD5, which its contents have.
    fn blob(&self, blob: &DvcBlob<'_>, cache: &SourceCache) -> Result<PathBuf, Error> {
        let md5 = blob.md5;
        let digest = md5.strip_suffix(".dir").unwrap_or(md5);
        let (first, rest) = md5.split_at(2);
        let cached = self.cache.join("files").join("md5").join(first).join(rest);
        let fetched = cache.folder("dvc", md5)?.join("blob");
        for place in [Some(cached.as_path()), blob.workspace, Some(fetched.as_path())].into_iter().flatten() {
            // A link may lead anywhere: only contents of the right digest are used.
            if place.is_file() && md5_of(place)? == digest {
                return Ok(place.to_owned());
            }
        }
        let missing = |why: &str| Error::Dataset { name: md5.to_owned(), why: why.to_owned() };
        let Some(url) = &self.remote else {
            return Err(missing(
                "is in neither the workspace nor DVC's cache, and there is no default remote; run `dvc pull`",
            ));
        };
        fetch(url, blob, &fetched)?;
        Ok(fetched)
    }
}

/// Downloads a blob of a DVC remote on a thread of its own, since the caller may be inside of a Tokio
/// runtime. The address is that of the repository's config: secrets are not filled into it.
fn fetch(url: &str, wanted: &DvcBlob<'_>, to: &Path) -> Result<(), Error> {
    let work = || -> Result<(), Error> {
        let remote = RemoteStore::open(&FilledText::plain(url), false)?;
        let part = to.with_extension("part");
        let (blob, md5) = (at(&remote, wanted.md5), wanted.md5);
        io_runtime(url)?.block_on(remote.get_file(&blob, &part, wanted.limit, &NoProgress))?;
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
    let remote = RemoteStore::open(&FilledText::address(to, roots, &datasets.home)?, true)?;
    let runtime = io_runtime(to)?;
    let files = &manifest.dataset.files;
    if let Some(file) = files.iter().find(|file| !is_inside(&file.name)) {
        let why =
            format!("`{}` is not a name that DVC could write; rename the file", file.name.escape_debug());
        return Err(Error::Dataset { name: manifest.name.clone(), why });
    }
    let bytes = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.bytes));
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
