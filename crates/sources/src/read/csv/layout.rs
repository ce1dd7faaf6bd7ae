//! Layout of a CSV file: encoding, borders of fields, and columns.

use encoding_rs::Encoding;

use super::dialect::Dialect;
use super::field::FieldType;
use crate::read::chunks::RecordRules;

/// Layout of one file.
#[derive(Debug, Clone)]
pub(in crate::read) struct Layout {
    pub encoding: &'static Encoding,
    pub dialect: Dialect,
    /// `true` if the first record names the columns.
    pub header: bool,
    /// Number of fields of a record.
    pub fields: usize,
    /// Columns that are read.
    pub columns: Vec<CsvColumn>,
}

/// Column of a file.
#[derive(Debug, Clone)]
pub(in crate::read) struct CsvColumn {
    pub name: String,
    /// Index among the fields of a record.
    pub position: usize,
    /// Narrowest type of the values.
    pub kind: FieldType,
}

impl Layout {
    /// Borders of the records.
    pub fn rules(&self) -> RecordRules {
        let Dialect { delimiter, comment, blanks } = self.dialect;
        RecordRules::Delimited { delimiter, comment, blanks }
    }

    /// Names of the columns that are read.
    pub fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }
}
