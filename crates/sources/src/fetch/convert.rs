//! Conversion of files that no reader understands as they are: workbooks and JSON lists.

use std::io::{BufRead, BufReader, Write};

use super::workbook;
use cupola_store::{FileVersion, StagedFile};

use crate::error::Error;
use crate::error::io_error;
use crate::fetch::cache::SourceCache;
use crate::file::{Compression, DataFile, FileFormat};

/// Returns the file itself, or a converted copy in the cache. The copy is found by the digest of the file, so
/// it is made once.
pub(super) fn readable(
    file: DataFile,
    version: &FileVersion,
    cache: &SourceCache,
) -> Result<DataFile, Error> {
    match file.format {
        FileFormat::Workbook => {
            let path = cache.folder("sheet", &version.sha256)?.join("rows.parquet");
            if !path.is_file() {
                workbook::to_parquet(&file, &path)?;
            }
            Ok(DataFile { format: FileFormat::Parquet, original: Some(file.path), path, ..file })
        }
        FileFormat::Json if is_list(&file)? => {
            let path = cache.folder("json", &version.sha256)?.join("rows.jsonl");
            if !path.is_file() {
                to_lines(&file, &path)?;
            }
            Ok(DataFile { compression: Compression::None, original: Some(file.path), path, ..file })
        }
        _ => Ok(file),
    }
}

/// `true` if a JSON file is one list rather than one object a line.
fn is_list(file: &DataFile) -> Result<bool, Error> {
    let mut reader = BufReader::new(file.reader()?);
    loop {
        let buffer = reader.fill_buf().map_err(io_error(&file.path))?;
        if buffer.is_empty() {
            return Ok(false);
        }
        if let Some(first) = buffer.iter().find(|byte| !byte.is_ascii_whitespace()) {
            return Ok(*first == b'[');
        }
        let n = buffer.len();
        reader.consume(n);
    }
}

/// Writes one line for each object of the list. The list is streamed, never in memory as a whole.
fn to_lines(file: &DataFile, path: &std::path::Path) -> Result<(), Error> {
    let mut staged = StagedFile::new(path)?;
    let mut rows = 0_usize;
    {
        let mut out = std::io::BufWriter::new(staged.file_mut());
        let mut reader = serde_json::Deserializer::from_reader(BufReader::new(file.reader()?));
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
        while let Some(object) = list.next_element::<serde_json::Map<String, serde_json::Value>>()? {
            serde_json::to_writer(&mut *self.out, &object).map_err(serde::de::Error::custom)?;
            self.out.write_all(b"\n").map_err(serde::de::Error::custom)?;
            *self.rows += 1;
        }
        Ok(())
    }
}
