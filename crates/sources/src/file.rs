//! Data files on this machine: format, compression, digest.

mod decrypted;
mod find;
mod hidden;
mod ratio;
mod version;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

pub use self::decrypted::Decrypted;
pub(crate) use self::find::{expand, same_format};
pub(crate) use self::hidden::is_hidden;
use self::ratio::RatioLimited;
pub use self::version::file_version;

use crate::error::{Error, io_error};

/// First bytes of a pointer of Git LFS, in each of its versions.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Format of a file, by its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Delimited text.
    Csv {
        /// Delimiter of the extension; that of the file is recognised.
        delimiter: u8,
    },
    /// One JSON object a line, or one list of objects.
    Json,
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow's file format (Feather).
    Arrow,
    /// Apache Avro.
    Avro,
    /// Spreadsheet of which the first sheet is read.
    Workbook,
}

/// Compression of a file, by its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// No compression.
    None,
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
}

/// One file of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// Path that is read.
    pub path: PathBuf,
    /// Name in messages and versions; the path of a blob does not show it.
    pub name: String,
    /// Format of the file at `path`.
    pub format: FileFormat,
    /// Compression of the file at `path`.
    pub compression: Compression,
    /// File as it was found, if `path` holds its rows in another format.
    pub original: Option<PathBuf>,
    /// Guard of a temporary file at `path`, if the stored file is encrypted.
    pub decrypted: Option<Decrypted>,
    /// Largest ratio of its size to its compressed size, if it is not the default.
    pub max_ratio: Option<u64>,
}

impl DataFile {
    /// Detects the format by the extension of `path`.
    ///
    /// # Errors
    /// [`Error::Format`] for an unknown extension.
    pub fn new(path: PathBuf) -> Result<Self, Error> {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Self::named(path, name)
    }

    /// Detects the format by the extension of `name`, under which the file is known.
    ///
    /// # Errors
    /// [`Error::Format`] for an unknown extension.
    pub fn named(path: PathBuf, name: String) -> Result<Self, Error> {
        let lower = name.to_lowercase();
        let (stem, compression) = if let Some(stem) = lower.strip_suffix(".gz") {
            (stem, Compression::Gzip)
        } else if let Some(stem) = lower.strip_suffix(".zst") {
            (stem, Compression::Zstd)
        } else {
            (lower.as_str(), Compression::None)
        };
        let uncompressed = compression == Compression::None;
        let format = match stem.rsplit_once('.').map_or("", |(_, ending)| ending) {
            "csv" | "data" | "test" | "dat" | "txt" => FileFormat::Csv { delimiter: b',' },
            "psv" => FileFormat::Csv { delimiter: b'|' },
            "tsv" => FileFormat::Csv { delimiter: b'\t' },
            "jsonl" | "ndjson" | "json" => FileFormat::Json,
            "parquet" | "pq" if uncompressed => FileFormat::Parquet,
            "arrow" | "feather" if uncompressed => FileFormat::Arrow,
            "avro" if uncompressed => FileFormat::Avro,
            "xlsx" | "xls" | "xlsb" | "ods" if uncompressed => FileFormat::Workbook,
            _ => return Err(Error::Format { path: PathBuf::from(name) }),
        };
        Ok(Self { path, name, format, compression, original: None, decrypted: None, max_ratio: None })
    }

    /// Extension of the path with that of the compression, or nothing for a blob: `DataFusion` selects files by it.
    #[cfg(feature = "sql")]
    pub(crate) fn extension(&self) -> String {
        let name = self.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let stem = match self.compression {
            Compression::None => name.as_str(),
            Compression::Gzip => name.strip_suffix(".gz").unwrap_or(&name),
            Compression::Zstd => name.strip_suffix(".zst").unwrap_or(&name),
        };
        stem.rfind('.').map_or(String::new(), |dot| name[dot..].to_owned())
    }

    /// Opens the file and decompresses it while it is read.
    pub(crate) fn reader(&self) -> Result<Box<dyn Read + Send>, Error> {
        let file = open_file(&self.path)?;
        let bytes = file.metadata().map_err(io_error(&self.path))?.len();
        let (file, ratio) = (BufReader::with_capacity(1 << 16, file), self.max_ratio);
        Ok(match self.compression {
            Compression::None => Box::new(file),
            Compression::Gzip => Box::new(RatioLimited::new(MultiGzDecoder::new(file), bytes, ratio)),
            Compression::Zstd => {
                let decoder = zstd::Decoder::new(file).map_err(io_error(&self.path))?;
                Box::new(RatioLimited::new(decoder, bytes, ratio))
            }
        })
    }

    /// Refuses a format that this binary was built without.
    pub(crate) fn supported(&self) -> Result<(), Error> {
        if self.format == FileFormat::Avro && cfg!(not(feature = "avro")) {
            return Err(Error::without(&format!("`{}`", self.name), "avro"));
        }
        Ok(())
    }

    /// Refuses a pointer that Git LFS left in place of the file.
    pub(crate) fn refuse_pointer(&self) -> Result<(), Error> {
        refuse_pointer(&self.path)
    }

    /// Error of a failed read: damage of a compressed file, with the number of bytes before it, or the error of the
    /// operating system.
    pub(crate) fn read_error(&self, error: std::io::Error) -> Error {
        self.probe().err().unwrap_or_else(|| io_error(&self.path)(error))
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

/// Refuses a pointer that Git LFS left in place of a file.
///
/// # Errors
/// [`Error::Pointer`] for a pointer, [`Error::Io`].
pub(crate) fn refuse_pointer(path: &Path) -> Result<(), Error> {
    let mut start = Vec::with_capacity(LFS_POINTER.len());
    let limit = LFS_POINTER.len() as u64;
    open_file(path)?.take(limit).read_to_end(&mut start).map_err(io_error(path))?;
    if is_pointer(&start) { Err(Error::Pointer { path: path.to_owned() }) } else { Ok(()) }
}

/// `true` for the contents of a pointer of Git LFS.
pub(crate) fn is_pointer(contents: &[u8]) -> bool {
    contents.starts_with(LFS_POINTER)
}

/// Opens a file for reading.
///
/// # Errors
/// [`Error::Io`].
pub fn open_file(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(io_error(path))
}
