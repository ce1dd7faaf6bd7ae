//! Guess of the types of columns.

use super::convert::Fields;
use super::field::FieldType;
use super::layout::Layout;
use super::nulls::NullMarkers;
use super::records::decode;
use super::rows::{check_size, undecodable};
use crate::error::Error;
use crate::file::DataFile;
use crate::read::Scan;
use crate::read::chunks::{Chunk, ChunkParser};

/// Types of the values of all fields.
#[derive(Debug)]
pub(super) struct TypeGuess {
    pub types: Vec<FieldType>,
    /// Number of rows with the expected number of fields.
    pub rows: usize,
    /// Number of other rows.
    pub ragged: usize,
}

impl TypeGuess {
    /// Guess without any row.
    pub fn none(fields: usize) -> Self {
        Self { types: vec![FieldType::Unknown; fields], rows: 0, ragged: 0 }
    }

    /// Adds the values of other rows.
    pub fn merge(&mut self, other: &Self) {
        for (known, found) in self.types.iter_mut().zip(&other.types) {
            *known = known.union(*found);
        }
        (self.rows, self.ragged) = (self.rows + other.rows, self.ragged + other.ragged);
    }
}

/// Parser that only guesses types.
pub(super) struct GuessParser {
    file: DataFile,
    layout: Layout,
    names: Vec<String>,
    nulls: NullMarkers,
    points: bool,
}

impl GuessParser {
    /// Parser for a file with the fields `names`.
    pub fn new(file: &DataFile, layout: &Layout, names: &[String], scan: &Scan<'_>) -> Self {
        Self {
            file: file.clone(),
            layout: layout.clone(),
            names: names.to_vec(),
            nulls: NullMarkers::new(scan.nulls),
            points: scan.format.has_decimal_point(),
        }
    }

    /// Number of fields of a record.
    pub fn fields(&self) -> usize {
        self.layout.fields
    }
}

impl ChunkParser for GuessParser {
    type Output = TypeGuess;

    fn parse(&self, chunk: &Chunk, records_before: u64) -> Result<TypeGuess, Error> {
        check_size(chunk, &self.file)?;
        let first_row = records_before + 1;
        let decoded = decode(chunk, self.layout.dialect, self.layout.fields, first_row).map_err(|found| {
            let column = self.names.get(found.column).cloned();
            undecodable(&self.file.name, first_row, &found, column)
        })?;
        let fields =
            |column| Fields { records: &decoded.records, column, nulls: &self.nulls, points: self.points };
        Ok(TypeGuess {
            types: (0..self.layout.fields).map(|column| fields(column).guess()).collect(),
            rows: decoded.records.rows(),
            ragged: decoded.ragged.len(),
        })
    }

    fn read_error(&self, error: &std::io::Error) -> Error {
        self.file.read_error(std::io::Error::new(error.kind(), error.to_string()))
    }
}
