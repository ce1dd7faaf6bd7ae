//! Files on this machine and their formats.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use cupola_spec::nearest;
use flate2::read::MultiGzDecoder;

use crate::dataset::Plain;
use crate::error::Error;

/// What a file's ending says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Delimited text with a header.
    Csv {
        /// `,` or tab.
        delimiter: u8,
    },
    /// One JSON object a line, or one list of them.
    Json,
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow's file format.
    Arrow,
    /// Apache Avro.
    Avro,
    /// A spreadsheet; the first sheet is read.
    Workbook,
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
}

/// One file of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it is called: a blob has a name that its path does not tell.
    pub name: String,
    /// What it is.
    pub format: Format,
    /// How it is compressed.
    pub compression: Compression,
    /// The file as it came, where `path` holds its rows in another form.
    pub original: Option<PathBuf>,
    /// Keeps what stands at `path`, for a file that is encrypted where it is kept.
    pub(crate) plain: Option<Plain>,
}

/// Endings of the formats, for messages.
pub(crate) const ENDINGS: &str = ".csv, .tsv, .json, .jsonl, .ndjson (each also .gz or .zst), .parquet, .arrow, .avro, .xlsx, .xls or .ods";

impl DataFile {
    /// Reads the format off the path's ending.
    ///
    /// # Errors
    /// [`Error::Format`] for an unknown ending.
    pub fn new(path: PathBuf) -> Result<Self, Error> {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Self::named(path, name)
    }

    /// The same for a file that is called otherwise.
    ///
    /// # Errors
    /// [`Error::Format`] for an unknown ending.
    pub fn named(path: PathBuf, name: String) -> Result<Self, Error> {
        let lower = name.to_lowercase();
        let (stem, compression) = if let Some(stem) = lower.strip_suffix(".gz") {
            (stem, Compression::Gzip)
        } else if let Some(stem) = lower.strip_suffix(".zst") {
            (stem, Compression::Zstd)
        } else {
            (lower.as_str(), Compression::None)
        };
        let plain = compression == Compression::None;
        let format = match stem.rsplit_once('.').map_or("", |(_, ending)| ending) {
            "csv" => Format::Csv { delimiter: b',' },
            "tsv" => Format::Csv { delimiter: b'\t' },
            "jsonl" | "ndjson" | "json" => Format::Json,
            "parquet" | "pq" if plain => Format::Parquet,
            "arrow" | "feather" if plain => Format::Arrow,
            "avro" if plain => Format::Avro,
            "xlsx" | "xls" | "xlsb" | "ods" if plain => Format::Workbook,
            _ => return Err(Error::Format { path: PathBuf::from(name) }),
        };
        Ok(Self { path, name, format, compression, original: None, plain: None })
    }

    /// The ending of the path, with that of the compression, which `DataFusion` matches files by; a blob
    /// has none.
    #[cfg(feature = "sql")]
    pub(crate) fn ending(&self) -> String {
        let name = self.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let stem = match self.compression {
            Compression::None => name.as_str(),
            Compression::Gzip => name.strip_suffix(".gz").unwrap_or(&name),
            Compression::Zstd => name.strip_suffix(".zst").unwrap_or(&name),
        };
        stem.rfind('.').map_or(String::new(), |dot| name[dot..].to_owned())
    }

    /// Its bytes, uncompressed.
    pub(crate) fn reader(&self) -> Result<Box<dyn Read + Send>, Error> {
        let file = BufReader::with_capacity(1 << 16, open(&self.path)?);
        Ok(match self.compression {
            Compression::None => Box::new(file),
            Compression::Gzip => Box::new(MultiGzDecoder::new(file)),
            Compression::Zstd => {
                let decoder = zstd::Decoder::new(file)
                    .map_err(|source| Error::Io { path: self.path.clone(), source })?;
                Box::new(decoder)
            }
        })
    }

    /// Refuses a format that this binary was built without.
    pub(crate) fn supported(&self) -> Result<(), Error> {
        if self.format == Format::Avro && cfg!(not(feature = "avro")) {
            return Err(Error::without(&format!("`{}`", self.name), "avro"));
        }
        Ok(())
    }

    /// Reads a compressed file to its end, so that damage is found before any row is used.
    pub(crate) fn probe(&self) -> Result<(), Error> {
        let kind = match self.compression {
            Compression::None => return Ok(()),
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        };
        let mut reader = self.reader()?;
        let (mut buffer, mut bytes) = (vec![0; 1 << 16], 0);
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => bytes += n as u64,
                Err(error) => {
                    let (path, why) = (self.path.clone(), error.to_string());
                    return Err(Error::Compressed { path, kind, why, bytes });
                }
            }
        }
    }
}

pub(crate) fn open(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(|source| Error::Io { path: path.to_owned(), source })
}

/// Paths of a pattern, globs expanded and sorted; a folder is one path. What is not absolute is looked
/// up in `roots` in turn.
///
/// # Errors
/// A missing file (with the nearest name beside it), an empty glob.
pub(crate) fn expand(pattern: &str, roots: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let is_glob = pattern.contains(['*', '?', '[']);
    for root in roots {
        let full = root.join(pattern);
        if full.exists() {
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

/// Files of one table are of one format.
pub(crate) fn alike(files: &[DataFile]) -> Result<(), Error> {
    let Some(first) = files.first() else {
        return Err(Error::Pattern { pattern: String::new(), why: "no path is given".into() });
    };
    let other = files.iter().find(|f| (f.format, f.compression) != (first.format, first.compression));
    other.map_or(Ok(()), |other| {
        Err(Error::Mixed { first: first.name.clone().into(), second: other.name.clone().into() })
    })
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
