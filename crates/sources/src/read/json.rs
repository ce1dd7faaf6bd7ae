//! JSON, one object a line. A file that is one list was rewritten as lines when it was collected.
//!
//! Columns are the keys of all objects, nested ones as `a.b`. A column whose values are of several kinds is text, with
//! numbers in their canonical form.

mod columns;
mod rows;
mod value;

use std::sync::Arc;

use encoding_rs::{Encoding, UTF_8};

use self::columns::JsonColumns;
use self::rows::{GuessParser, RowParser};
use super::batch::note::SourceNote;
use super::batch::{FileBatches, chain};
use super::chunks::{ChunkParser, ParallelChunks, RecordRules, Splitter};
use super::encoding::{TextInput, encoding_of};
use super::{BATCH_ROWS, INFERENCE_ROWS, READ_BYTES, Scan, SourceRows, batch_rows, check_columns};
use crate::error::Error;
use crate::file::DataFile;

/// Columns of all files, and the encoding of each.
#[derive(Clone)]
pub(super) struct JsonSource {
    columns: Arc<JsonColumns>,
    encodings: Vec<&'static Encoding>,
    pub notes: Vec<SourceNote>,
}

/// Finds the columns of the files of a scan.
pub(super) fn source(scan: &Scan<'_>) -> Result<JsonSource, Error> {
    let mut columns = JsonColumns::default();
    let (mut encodings, mut notes) = (Vec::new(), Vec::new());
    for file in scan.files {
        // Lines that this program wrote are UTF-8.
        let converted = file.original.is_some();
        let encoding =
            if converted { UTF_8 } else { encoding_of(file, scan.format.encoding, scan.infer_from_all)? };
        if encoding != UTF_8 && scan.format.encoding.is_none() && notes.is_empty() {
            let encoding = encoding.name().to_owned();
            notes.push(SourceNote::Encoding { file: file.name.clone(), encoding });
        }
        encodings.push(encoding);
        let airbyte = columns.airbyte;
        columns.merge(&guess(file, encoding, scan.infer_from_all)?);
        check_columns(file, columns.len())?;
        if columns.airbyte && !airbyte {
            notes.push(SourceNote::Airbyte { file: file.name.clone() });
        }
    }
    Ok(JsonSource { columns: Arc::new(columns.without_null_objects()), encodings, notes })
}

fn guess(file: &DataFile, encoding: &'static Encoding, all: bool) -> Result<JsonColumns, Error> {
    let input = TextInput::open(file, encoding)?;
    let mut splitter = Splitter::new(input.into_reader(), RecordRules::Lines, READ_BYTES);
    let parser = GuessParser { file: file.clone() };
    if all {
        let mut found = JsonColumns::default();
        for columns in ParallelChunks::new(splitter, parser, BATCH_ROWS) {
            found.merge(&columns?);
        }
        return Ok(found);
    }
    match splitter.take(INFERENCE_ROWS).map_err(|error| file.read_error(error))? {
        Some(chunk) => parser.parse(&chunk, 0),
        None => Ok(JsonColumns::default()),
    }
}

/// Opens the files of a scan.
pub(super) fn open<'a>(scan: &Scan<'a>, source: JsonSource) -> SourceRows<'a> {
    let JsonSource { columns, encodings, notes } = source;
    let schema = columns.schema();
    let read_as = Arc::clone(&schema);
    let open = move |index: usize, file: &'a DataFile| -> Result<FileBatches<'a>, Error> {
        let input = TextInput::open(file, encodings.get(index).copied().unwrap_or(UTF_8))?;
        let splitter = Splitter::new(input.into_reader(), RecordRules::Lines, READ_BYTES);
        let rows = batch_rows(columns.len());
        let parser =
            RowParser { file: file.clone(), columns: Arc::clone(&columns), schema: Arc::clone(&read_as) };
        Ok(Box::new(ParallelChunks::new(splitter, parser, rows)))
    };
    SourceRows { schema, batches: chain(scan.files, open), notes }
}
