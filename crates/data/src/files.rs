//! From paths and globs to files of one format.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use cupola_spec::{Source, nearest};
use flate2::read::MultiGzDecoder;

use crate::error::Error;

/// What a file's ending says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Delimited text with a header.
    Csv {
        /// `,` or tab.
        delimiter: u8,
    },
    /// One JSON object a line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
}

/// One file of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub format: Format,
    /// Whether it is gzipped.
    pub gzip: bool,
}

impl DataFile {
    /// Reads the format off the path's ending.
    ///
    /// # Errors
    /// [`Error::Format`] for an unknown ending.
    pub fn new(path: PathBuf) -> Result<Self, Error> {
        let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        let (stem, gzip) = match name.strip_suffix(".gz") {
            Some(stem) => (stem.to_owned(), true),
            None => (name, false),
        };
        let format = match stem.rsplit('.').next().unwrap_or_default() {
            "csv" => Format::Csv { delimiter: b',' },
            "tsv" => Format::Csv { delimiter: b'\t' },
            "jsonl" | "ndjson" | "json" => Format::JsonLines,
            "parquet" if !gzip => Format::Parquet,
            _ => return Err(Error::Format { path }),
        };
        Ok(Self { path, format, gzip })
    }

    /// The ending that `DataFusion` matches files by.
    pub(crate) fn ending(&self) -> String {
        let name = self.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let stem = name.len() - if self.gzip { 3 } else { 0 };
        let dot = name[..stem].rfind('.').unwrap_or(0);
        name[dot..].to_owned()
    }

    /// Reads a gzipped file to its end, so that damage is found before any row is used.
    pub(crate) fn probe_gzip(&self) -> Result<(), Error> {
        let file = open(&self.path)?;
        let mut decoder = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file));
        let (mut buffer, mut bytes) = (vec![0; 1 << 16], 0);
        loop {
            match decoder.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => bytes += n as u64,
                Err(error) => {
                    return Err(Error::Gzip { path: self.path.clone(), why: error.to_string(), bytes });
                }
            }
        }
    }
}

pub(crate) fn open(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(|source| Error::Io { path: path.to_owned(), source })
}

/// Files of a source, globs expanded and sorted, all of one format. A path that is not absolute is
/// looked up in `roots` in turn.
///
/// # Errors
/// A missing file (with the nearest name beside it), an empty glob, unknown or mixed formats.
pub fn find(source: &Source, roots: &[PathBuf]) -> Result<Vec<DataFile>, Error> {
    let mut files: Vec<DataFile> = Vec::new();
    for pattern in source.patterns() {
        for path in expand(pattern, roots)? {
            files.push(DataFile::new(path)?);
        }
    }
    let Some(first) = files.first().cloned() else {
        return Err(Error::Pattern { pattern: String::new(), why: "no path is given".into() });
    };
    if let Some(other) = files.iter().find(|f| (f.format, f.gzip) != (first.format, first.gzip)) {
        return Err(Error::Mixed { first: first.path, second: other.path.clone() });
    }
    Ok(files)
}

fn expand(pattern: &str, roots: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let is_glob = pattern.contains(['*', '?', '[']);
    for root in roots {
        let full = root.join(pattern);
        if full.is_file() {
            return Ok(vec![full]);
        }
        if is_glob {
            let wrong = |why: String| Error::Pattern { pattern: pattern.to_owned(), why };
            let found = glob::glob(&full.to_string_lossy()).map_err(|e| wrong(e.to_string()))?;
            let mut paths: Vec<PathBuf> =
                found.filter_map(Result::ok).filter(|path| path.is_file()).collect();
            paths.sort();
            if !paths.is_empty() {
                return Ok(paths);
            }
        }
    }
    if is_glob {
        return Err(Error::Pattern { pattern: pattern.to_owned(), why: "matches no file".into() });
    }
    Err(Error::Missing { path: pattern.to_owned(), near: near(pattern, roots) })
}

fn near(pattern: &str, roots: &[PathBuf]) -> String {
    let wanted = Path::new(pattern);
    let name = wanted.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = wanted.parent().unwrap_or(Path::new(""));
    for root in roots {
        let names: Vec<String> = std::fs::read_dir(root.join(folder))
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        if let Some(like) = nearest(&name, names.iter().map(String::as_str)) {
            return format!(" (near it: {})", folder.join(like).display());
        }
    }
    String::new()
}
