//! Type inference for CSV columns.

use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use regex::Regex;

use crate::error::Error;
use crate::file::DataFile;

/// Infers one schema for all files from the first `rows` rows of each.
///
/// `DataFusion`'s own inference takes a backslash for an escape, which RFC 4180 does not define, and then refuses text
/// that holds one.
///
/// # Errors
/// Rows of different lengths, invalid UTF-8, files that cannot be opened.
pub(super) fn csv_schema(
    files: &[DataFile],
    delimiter: u8,
    nulls: Option<&Regex>,
    rows: usize,
) -> Result<Schema, ArrowError> {
    let mut format = Format::default().with_header(true).with_delimiter(delimiter);
    if let Some(nulls) = nulls {
        format = format.with_null_regex(nulls.clone());
    }
    let mut fields: Vec<Field> = Vec::new();
    for file in files {
        let reader = file.reader().map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
        let (found, _) = format.infer_schema(reader, Some(rows))?;
        for field in found.fields() {
            match fields.iter_mut().find(|known| known.name() == field.name()) {
                Some(known) => {
                    let both = common_type(known.data_type(), field.data_type());
                    *known = Field::new(field.name(), both, true);
                }
                None => fields.push(field.as_ref().clone()),
            }
        }
    }
    // The type of a column without any value is unknown; text holds everything.
    let fields = fields.into_iter().map(|field| {
        if field.data_type() == &DataType::Null { field.with_data_type(DataType::Utf8) } else { field }
    });
    Ok(Schema::new(fields.collect::<Vec<_>>()))
}

/// Pattern of fields that are one of the null markers; `None` without markers.
///
/// # Errors
/// [`Error::Setting`] if the markers are too many for one pattern.
pub(super) fn null_regex(markers: &[String]) -> Result<Option<Regex>, Error> {
    if markers.is_empty() {
        return Ok(None);
    }
    let escaped: Vec<String> = markers.iter().map(|text| regex::escape(text)).collect();
    let regex = Regex::new(&format!("^(?:{})$", escaped.join("|")));
    regex.map(Some).map_err(|error| Error::Setting {
        key: "data.null",
        why: format!("invalid pattern: {error}; use fewer or shorter texts"),
    })
}

/// Checks that all files have the same header: values are read by their position.
///
/// # Errors
/// [`Error::Columns`]. Headers that do not parse are reported when the rows are read.
pub(super) fn same_headers(files: &[DataFile], delimiter: u8) -> Result<(), Error> {
    let format = Format::default().with_header(true).with_delimiter(delimiter);
    let header = |file: &DataFile| -> Result<Vec<String>, Error> {
        let schema = format.infer_schema(file.reader()?, Some(0));
        Ok(schema
            .map(|(schema, _)| schema.fields().iter().map(|f| f.name().clone()).collect())
            .unwrap_or_default())
    };
    let Some((first, rest)) = files.split_first().filter(|(_, rest)| !rest.is_empty()) else { return Ok(()) };
    let columns = header(first)?;
    for file in rest {
        let others = header(file)?;
        if others != columns {
            return Err(Error::Columns {
                first: first.name.clone(),
                columns: columns.join(", "),
                second: file.name.clone(),
                others: others.join(", "),
            });
        }
    }
    Ok(())
}

/// Narrowest type that holds the values of both types.
pub(crate) fn common_type(a: &DataType, b: &DataType) -> DataType {
    match (a, b) {
        (a, b) if a == b => a.clone(),
        (DataType::Null, other) | (other, DataType::Null) => other.clone(),
        (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => DataType::Float64,
        _ => DataType::Utf8,
    }
}
