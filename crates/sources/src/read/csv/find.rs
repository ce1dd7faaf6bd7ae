//! Recognition of the layout of a file, from its first bytes and rows.

use std::collections::HashMap;

use encoding_rs::UTF_8;

use super::dialect::{Ambiguous, Dialect, comment_mark, has_blanks, recognise};
use super::field::FieldType;
use super::guess::{GuessParser, TypeGuess};
use super::header::header_fields;
use super::layout::{CsvColumn, Layout};
use crate::error::Error;
use crate::file::DataFile;
use crate::read::batch::note::{SourceNote, delimiter_name};
use crate::read::chunks::{ChunkParser, ParallelChunks, Splitter};
use crate::read::conform::{is_metadata_of_airbyte, is_of_airbyte, is_pandas_index};
use crate::read::encoding::{TextInput, encoding_of};
use crate::read::{INFERENCE_ROWS, READ_BYTES, Scan, batch_rows, check_columns};

/// Layout with the decisions that its user should know of.
pub(super) struct Recognised {
    pub layout: Layout,
    pub notes: Vec<SourceNote>,
}

/// Recognises the layout of a file; `None` for one without any record.
pub(super) fn find_layout(
    scan: &Scan<'_>,
    file: &DataFile,
    default: u8,
) -> Result<Option<Recognised>, Error> {
    let encoding = encoding_of(file, scan.format.encoding, scan.infer_from_all)?;
    let input = TextInput::open(file, encoding)?;
    let mut notes = Vec::new();
    let dialect = dialect(scan, file, default, &input.sample)?;
    let mut layout = Layout { encoding, dialect, header: false, fields: 0, columns: Vec::new() };
    let name = || file.name.clone();
    if encoding != UTF_8 && scan.format.encoding.is_none() {
        notes.push(SourceNote::Encoding { file: name(), encoding: encoding.name().to_owned() });
    }
    if dialect.delimiter != default && scan.format.delimiter.is_none() {
        notes.push(SourceNote::Delimiter { file: name(), delimiter: char::from(dialect.delimiter) });
    }
    if let Some(mark) = dialect.comment.filter(|_| scan.format.comment.is_none()) {
        notes.push(SourceNote::Comment { file: name(), mark: char::from(mark) });
    }
    let mut splitter = Splitter::new(input.into_reader(), layout.rules(), READ_BYTES);
    let names = if let Some(names) = scan.format.columns {
        names.to_vec()
    } else {
        layout.header = true;
        let Some(header) = splitter.take(1).map_err(|error| file.read_error(error))? else {
            return Ok(None);
        };
        header_fields(&header.bytes, dialect)
    };
    layout.fields = names.len();
    check_columns(file, names.len())?;
    let parser = GuessParser::new(file, &layout, &names, scan);
    let kinds = guess(splitter, parser, file, scan.infer_from_all)?;
    if layout.header {
        note_header(&names, file, &mut notes);
    } else if kinds.rows == 0 && kinds.ragged == 0 {
        return Ok(None);
    }
    if dialect.blanks || layout.header && names.iter().any(|name| name.trim() != name) {
        notes.push(SourceNote::Blanks { file: name() });
    }
    layout.columns = columns(&names, &kinds.types, file, &mut notes)?;
    Ok(Some(Recognised { layout, notes }))
}

/// Borders of the fields, as declared or as recognised.
fn dialect(scan: &Scan<'_>, file: &DataFile, default: u8, sample: &[u8]) -> Result<Dialect, Error> {
    let byte = |mark: char| u8::try_from(mark).unwrap_or(default);
    let declared = scan.format.delimiter.map(byte);
    let comment = match scan.format.comment {
        Some(mark) => Some(byte(mark)),
        None => comment_mark(sample, declared.unwrap_or(default), declared.is_none()),
    };
    let delimiter = match declared {
        Some(mark) => mark,
        None => recognise(sample, default, comment).map_err(|found| ambiguous(file, &found))?,
    };
    Ok(Dialect { delimiter, comment, blanks: has_blanks(sample, delimiter, comment) })
}

fn ambiguous(file: &DataFile, found: &Ambiguous) -> Error {
    let (other, default) = (char::from(found.other), char::from(found.default));
    Error::Header {
        file: file.name.clone(),
        why: format!(
            "the header has {} columns separated by {}, but most rows have another number of fields; set `data.delimiter` to `{other}` or `{default}`",
            found.columns,
            delimiter_name(other),
        ),
    }
}

/// Guesses the types of the columns from the first rows of a file, or from all of them.
fn guess<R: std::io::Read>(
    mut splitter: Splitter<R>,
    parser: GuessParser,
    file: &DataFile,
    all: bool,
) -> Result<TypeGuess, Error> {
    if all {
        let mut found = TypeGuess::none(parser.fields());
        let rows = batch_rows(parser.fields());
        for chunk in ParallelChunks::new(splitter, parser, rows) {
            found.merge(&chunk?);
        }
        return Ok(found);
    }
    match splitter.take(INFERENCE_ROWS).map_err(|error| file.read_error(error))? {
        Some(chunk) => parser.parse(&chunk, 0),
        None => Ok(TypeGuess::none(parser.fields())),
    }
}

/// Notes a header that looks like a row: several numbers that do not count up.
fn note_header(names: &[String], file: &DataFile, notes: &mut Vec<SourceNote>) {
    let numbers: Vec<f64> = names
        .iter()
        .map(|name| name.trim())
        .filter(|name| matches!(FieldType::of(name, true), FieldType::Integer | FieldType::Real))
        .filter_map(|name| name.parse().ok())
        .collect();
    if numbers.len() > 1 && !numbers.is_sorted_by(|a, b| a < b) {
        let first = names.first().map(|name| name.trim().to_owned()).unwrap_or_default();
        notes.push(SourceNote::HeaderOfValues { file: file.name.clone(), first });
    }
}

/// Columns that are read: the nameless index that pandas writes and nameless columns without values are left out.
fn columns(
    names: &[String],
    types: &[FieldType],
    file: &DataFile,
    notes: &mut Vec<SourceNote>,
) -> Result<Vec<CsvColumn>, Error> {
    let mut found: Vec<CsvColumn> = Vec::new();
    let mut positions: HashMap<String, usize> = HashMap::new();
    let airbyte = is_of_airbyte(names.iter().map(|name| name.trim()));
    if airbyte {
        notes.push(SourceNote::Airbyte { file: file.name.clone() });
    }
    for (position, (name, kind)) in names.iter().zip(types).enumerate() {
        let mut name = name.trim().to_owned();
        if airbyte && is_metadata_of_airbyte(&name) {
            continue;
        }
        if name.is_empty() && names.len() > 1 {
            match kind {
                FieldType::Unknown => continue,
                FieldType::Integer if position == 0 => {
                    notes.push(SourceNote::IndexColumn { file: file.name.clone() });
                    continue;
                }
                _ => {
                    name = format!("column {}", position + 1);
                    notes.push(SourceNote::NamelessColumn { file: file.name.clone(), name: name.clone() });
                }
            }
        }
        if found.is_empty() && names.len() > 1 && is_pandas_index(&name) && *kind == FieldType::Integer {
            notes.push(SourceNote::PandasIndex { file: file.name.clone(), name });
            continue;
        }
        if let Some(first) = positions.insert(name.clone(), position) {
            let (first, second) = (first + 1, position + 1);
            return Err(Error::Header {
                file: file.name.clone(),
                why: format!("columns {first} and {second} are both named `{name}`; rename one"),
            });
        }
        found.push(CsvColumn { name, position, kind: *kind });
    }
    Ok(found)
}
