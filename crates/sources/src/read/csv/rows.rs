//! Parser of the rows of a chunk.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use cupola_spec::RaggedRows;

use super::convert::Fields;
use super::field::FieldType;
use super::layout::Layout;
use super::nulls::NullMarkers;
use super::records::{Decoded, Undecodable, decode};
use crate::error::Error;
use crate::file::DataFile;
use crate::read::batch::FileBatch;
use crate::read::batch::origin::BatchOrigin;
use crate::read::chunks::{Chunk, ChunkParser};

/// Most characters of a value that a message shows.
const SHOWN_CHARACTERS: usize = 80;

/// Settings of parsing the rows of one file.
pub(super) struct RowParser {
    pub file: DataFile,
    pub layout: Layout,
    /// Types of the columns, in the order of the layout.
    pub types: Arc<[FieldType]>,
    /// Indices of the columns of a batch among those of the layout.
    pub selected: Arc<[usize]>,
    /// Schema of a batch.
    pub schema: SchemaRef,
    pub nulls: Arc<NullMarkers>,
    pub points: bool,
    pub ragged: RaggedRows,
}

impl RowParser {
    fn batch(&self, decoded: Decoded<'_>, first_row: u64) -> Result<FileBatch, Error> {
        let Decoded { records, ragged } = decoded;
        if let Some(ragged) = ragged.first()
            && self.ragged == RaggedRows::Fail
        {
            return Err(ragged.error(&self.file.name));
        }
        let skipped = ragged.iter().map(|ragged| ragged.row).collect();
        let place = BatchOrigin { file: 0, first: first_row, skipped };
        let columns = self.selected.iter().map(|index| {
            let (column, kind) = (&self.layout.columns[*index], self.types[*index]);
            let fields = Fields {
                records: &records,
                column: column.position,
                nulls: &self.nulls,
                points: self.points,
            };
            fields.convert(kind).map_err(|unfit| Error::Value {
                file: self.file.name.clone(),
                row: place.number(unfit.row),
                column: column.name.clone(),
                expected: kind.words(),
                value: shown(records.field(unfit.row, column.position)),
            })
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>, Error>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(records.rows()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
        let rows =
            rows.map_err(|error| Error::Engine { path: self.file.name.clone(), why: error.to_string() })?;
        Ok(FileBatch { rows, rejected: ragged.into_iter().map(Into::into).collect() })
    }
}

impl ChunkParser for RowParser {
    type Output = FileBatch;

    fn parse(&self, chunk: &Chunk, records_before: u64) -> Result<FileBatch, Error> {
        check_size(chunk, &self.file)?;
        let first_row = records_before + 1;
        let decoded = decode(chunk, self.layout.dialect, self.layout.fields, first_row);
        let decoded = decoded.map_err(|found| {
            let name = |position| self.layout.columns.iter().find(|column| column.position == position);
            let column = name(found.column).map(|column| column.name.clone());
            undecodable(&self.file.name, first_row, &found, column)
        })?;
        self.batch(decoded, first_row)
    }

    fn read_error(&self, error: &std::io::Error) -> Error {
        self.file.read_error(std::io::Error::new(error.kind(), error.to_string()))
    }
}

/// Error of a record that is not UTF-8.
pub(super) fn undecodable(file: &str, first_row: u64, found: &Undecodable, column: Option<String>) -> Error {
    Error::Undecodable {
        file: file.to_owned(),
        row: first_row + found.record as u64,
        column: column.unwrap_or_else(|| format!("column {}", found.column + 1)),
    }
}

/// Refuses a record of 2 GiB: offsets of text have 32 bits.
pub(super) fn check_size(chunk: &Chunk, file: &DataFile) -> Result<(), Error> {
    if i32::try_from(chunk.bytes.len()).is_ok() {
        return Ok(());
    }
    let why = "a record has more than 2 GiB; a quote may be missing".to_owned();
    Err(Error::Engine { path: file.name.clone(), why })
}

fn shown(value: &str) -> String {
    let mut text: String = value.chars().take(SHOWN_CHARACTERS).collect();
    if text.len() < value.len() {
        text.push('…');
    }
    text
}
