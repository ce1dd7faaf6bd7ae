//! CSV and TSV.
//!
//! Encoding and delimiter of each file are recognised from its first bytes, types from its first rows. Chunks of whole
//! records are split into fields, by `csv-core` if they have quotes, and each column is converted to its type by the thread
//! that parses the chunk. If a later row does not fit, the source is read again with types from all rows.

mod convert;
mod dialect;
pub(super) mod field;
mod find;
mod guess;
mod header;
mod layout;
mod nulls;
mod records;
mod rows;

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use self::field::FieldType;
use self::find::find_layout;
#[cfg(feature = "ballista")]
pub(super) use self::layout::Layout;
#[cfg(not(feature = "ballista"))]
use self::layout::Layout;
use self::nulls::NullMarkers;
use self::rows::RowParser;
use super::batch::note::SourceNote;
use super::batch::{FileBatches, chain};
use super::chunks::{ParallelChunks, Splitter};
use super::encoding::TextInput;
use super::{READ_BYTES, Scan, SourceRows, batch_rows};
use crate::error::Error;
use crate::file::DataFile;

/// Opens the files of a scan.
pub(super) fn open<'a>(scan: &Scan<'a>, source: CsvSource) -> SourceRows<'a> {
    let CsvSource { layouts, types, selected, schema, notes } = source;
    if schema.fields().is_empty() {
        return SourceRows::empty();
    }
    let nulls = Arc::new(NullMarkers::new(scan.nulls));
    let (format, read_as) = (scan.format, Arc::clone(&schema));
    let open = move |index: usize, file: &'a DataFile| -> Result<FileBatches<'a>, Error> {
        let Some(layout) = layouts.get(index).and_then(Clone::clone) else {
            return Ok(Box::new(std::iter::empty()));
        };
        let input = TextInput::open(file, layout.encoding)?;
        let mut splitter = Splitter::new(input.into_reader(), layout.rules(), READ_BYTES);
        if layout.header {
            splitter.take(1).map_err(|error| file.read_error(error))?;
        }
        let rows = batch_rows(layout.fields);
        let parser = RowParser {
            file: file.clone(),
            layout,
            types: Arc::clone(&types),
            selected: Arc::clone(&selected),
            schema: Arc::clone(&read_as),
            nulls: Arc::clone(&nulls),
            points: format.has_decimal_point(),
            ragged: format.ragged,
        };
        Ok(Box::new(ParallelChunks::new(splitter, parser, rows)))
    };
    SourceRows { schema, batches: chain(scan.files, open), notes }
}

/// Layouts of all files, and the columns that they share.
#[derive(Clone)]
pub(super) struct CsvSource {
    /// One layout for each file; `None` for a file without any record.
    pub layouts: Vec<Option<Layout>>,
    /// Types of the columns of a layout.
    pub types: Arc<[FieldType]>,
    /// Indices of the columns that are converted.
    pub selected: Arc<[usize]>,
    pub schema: SchemaRef,
    pub notes: Vec<SourceNote>,
}

impl CsvSource {
    /// The source with the columns at these indices of its schema; `None` if there are no such columns.
    #[cfg(feature = "sql")]
    pub fn select(&self, columns: &[usize]) -> Option<Self> {
        let schema = self.schema.project(columns).ok()?;
        let selected = columns.iter().filter_map(|column| self.selected.get(*column).copied()).collect();
        Some(Self { selected, schema: Arc::new(schema), ..self.clone() })
    }
}

/// Recognises the layout of each file. `default` is the delimiter of their extension.
pub(super) fn source(scan: &Scan<'_>, default: u8) -> Result<CsvSource, Error> {
    let mut layouts: Vec<Option<Layout>> = Vec::new();
    let mut notes: Vec<SourceNote> = Vec::new();
    let mut shared: Option<(&DataFile, Layout)> = None;
    for file in scan.files {
        let Some(found) = find_layout(scan, file, default)? else {
            layouts.push(None);
            continue;
        };
        for note in found.notes {
            // Files of one source are mostly alike: one note of a kind is enough.
            if !notes.iter().any(|known| std::mem::discriminant(known) == std::mem::discriminant(&note)) {
                notes.push(note);
            }
        }
        match &mut shared {
            Some((first, known)) => merge(first, known, file, &found.layout)?,
            None => shared = Some((file, found.layout.clone())),
        }
        layouts.push(Some(found.layout));
    }
    let columns = shared.map(|(_, layout)| layout.columns).unwrap_or_default();
    let text = |name: &str| scan.texts.contains(name);
    let types: Vec<FieldType> =
        columns.iter().map(|c| if text(&c.name) { FieldType::Text } else { c.kind }).collect();
    let fields =
        columns.iter().zip(&types).map(|(column, kind)| Field::new(&column.name, kind.data_type(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let selected = (0..types.len()).collect();
    Ok(CsvSource { layouts, types: types.into(), selected, schema, notes })
}

/// Widens the types of the first file by those of another one, which must have the same columns.
fn merge(first: &DataFile, known: &mut Layout, file: &DataFile, layout: &Layout) -> Result<(), Error> {
    if known.names() != layout.names() {
        return Err(Error::Columns {
            first: first.name.clone(),
            columns: known.names().join(", "),
            second: file.name.clone(),
            others: layout.names().join(", "),
        });
    }
    for (column, other) in known.columns.iter_mut().zip(&layout.columns) {
        column.kind = column.kind.union(other.kind);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
