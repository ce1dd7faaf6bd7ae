//! Conversion of files that no reader understands as they are: workbooks, JSON lists and CSV of Airbyte.

mod airbyte;

use std::io::{BufReader, Write};
use std::path::PathBuf;

use cupola_store::{FileVersion, StagedFile};
use serde_json::value::RawValue;

use super::workbook;

use crate::error::Error;
use crate::error::io_error;
use crate::fetch::cache::SourceCache;
use crate::file::{Compression, DataFile, FileFormat};
use crate::read::batch::note::SourceNote;
use crate::read::encoding::{TextInput, encoding_of};

/// File that a reader understands.
pub(super) struct Converted {
    pub file: DataFile,
    pub note: Option<SourceNote>,
}

impl From<DataFile> for Converted {
    fn from(file: DataFile) -> Self {
        Self { file, note: None }
    }
}

/// Returns the file itself, or a converted copy in the cache. The copy is found by the digest of the file, so
/// it is made once.
pub(super) fn readable(
    file: DataFile,
    version: &FileVersion,
    cache: &SourceCache,
) -> Result<Converted, Error> {
    match file.format {
        FileFormat::Workbook => {
            let path = cache.folder("sheet", &version.sha256)?.join("rows.parquet");
            if !path.is_file() {
                workbook::to_parquet(&file, &path)?;
            }
            Ok(DataFile { format: FileFormat::Parquet, original: Some(file.path), path, ..file }.into())
        }
        FileFormat::Json if is_list(&file)? => {
            let path = cache.folder("list", &version.sha256)?.join("rows.jsonl");
            if !path.is_file() {
                to_lines(&file, &path)?;
            }
            Ok(as_lines(file, path).into())
        }
        FileFormat::Csv { .. } if airbyte::has_payload(&file)? => {
            let path = cache.folder("airbyte", &version.sha256)?.join("rows.jsonl");
            if !path.is_file() {
                airbyte::to_lines(&file, &path)?;
            }
            let note = Some(SourceNote::Airbyte { file: file.name.clone() });
            Ok(Converted { file: as_lines(file, path), note })
        }
        _ => Ok(file.into()),
    }
}

/// The file with its rows as JSON lines at `path`.
fn as_lines(file: DataFile, path: PathBuf) -> DataFile {
    let original = Some(file.path);
    DataFile { format: FileFormat::Json, compression: Compression::None, original, path, ..file }
}

/// `true` if a JSON file is one list rather than one object a line.
fn is_list(file: &DataFile) -> Result<bool, Error> {
    let start = TextInput::open(file, encoding_of(file, None, false)?)?.sample;
    Ok(start.trim_ascii_start().first() == Some(&b'['))
}

/// Writes one line for each object of the list. The list is streamed, never in memory as a whole.
fn to_lines(file: &DataFile, path: &std::path::Path) -> Result<(), Error> {
    let input = TextInput::open(file, encoding_of(file, None, false)?)?;
    let mut staged = StagedFile::new(path)?;
    let mut rows = 0_usize;
    {
        let mut out = std::io::BufWriter::new(staged.file_mut());
        let mut reader = serde_json::Deserializer::from_reader(BufReader::new(input.into_reader()));
        let lines = ListToLines { out: &mut out, rows: &mut rows };
        let read = serde::Deserializer::deserialize_seq(&mut reader, lines).and_then(|()| reader.end());
        read.map_err(|error| Error::Row {
            path: file.name.clone(),
            row: format!("row {}: ", rows + 1),
            why: error.to_string(),
        })?;
        out.flush().map_err(io_error(path))?;
    }
    Ok(staged.commit()?)
}

struct ListToLines<'a, W: Write> {
    out: &'a mut W,
    rows: &'a mut usize,
}

impl<'de, W: Write> serde::de::Visitor<'de> for ListToLines<'_, W> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        // The text of the file, so that numbers keep all their digits.
        while let Some(object) = list.next_element::<Box<RawValue>>()? {
            let text = object.get();
            if !text.starts_with('{') {
                return Err(serde::de::Error::custom("expected an object"));
            }
            // Line ends stand only between tokens.
            let line = text.replace(['\n', '\r'], " ");
            writeln!(self.out, "{line}").map_err(serde::de::Error::custom)?;
            *self.rows += 1;
        }
        Ok(())
    }
}
