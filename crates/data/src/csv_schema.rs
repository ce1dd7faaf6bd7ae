//! Types of a CSV file's columns, guessed from its rows.

use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use regex::Regex;

use crate::error::Error;
use crate::files::DataFile;

/// The schema of all files together, from `rows` rows of each. `DataFusion`'s own guess takes a
/// backslash for an escape, which RFC 4180 does not know, and then refuses texts that hold one.
///
/// # Errors
/// Rows of different lengths, bytes that are no UTF-8, files that do not open.
pub fn csv_schema(
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
                    let both = common(known.data_type(), field.data_type());
                    *known = Field::new(field.name(), both, true);
                }
                None => fields.push(field.as_ref().clone()),
            }
        }
    }
    // A column without any value may hold anything.
    let fields = fields.into_iter().map(|field| {
        if field.data_type() == &DataType::Null { field.with_data_type(DataType::Utf8) } else { field }
    });
    Ok(Schema::new(fields.collect::<Vec<_>>()))
}

/// Matches fields that are one of these texts as a whole; `None` if there are no texts.
///
/// # Errors
/// [`Error::Setting`] if the texts are too many for one expression.
pub fn null_regex(nulls: &[String]) -> Result<Option<Regex>, Error> {
    if nulls.is_empty() {
        return Ok(None);
    }
    let escaped: Vec<String> = nulls.iter().map(|text| regex::escape(text)).collect();
    let regex = Regex::new(&format!("^(?:{})$", escaped.join("|")));
    regex.map(Some).map_err(|error| Error::Setting {
        key: "data.null",
        why: format!("invalid pattern: {error}; use fewer or shorter texts"),
    })
}

/// Refuses files whose headers differ: values are read by their place.
///
/// # Errors
/// [`Error::Columns`]; a header that cannot be read is left to whoever reads the rows.
pub fn same_headers(files: &[DataFile], delimiter: u8) -> Result<(), Error> {
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

/// A type that holds the values of both.
pub fn common(a: &DataType, b: &DataType) -> DataType {
    match (a, b) {
        (a, b) if a == b => a.clone(),
        (DataType::Null, other) | (other, DataType::Null) => other.clone(),
        (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => DataType::Float64,
        _ => DataType::Utf8,
    }
}
