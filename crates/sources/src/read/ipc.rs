//! Apache Arrow's file format (Feather), and its stream format under the same endings.

use std::io::{BufReader, Seek};

use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::{FileReader, StreamReader};

use super::{RecordBatches, Scan, SourceRows};
use crate::error::Error;
use crate::error::io_error;
use crate::file::{DataFile, open_file};

pub(super) fn rows<'a>(scan: &Scan<'a>) -> Result<SourceRows<'a>, Error> {
    let scan_ = *scan;
    scan.self_describing(move |file| open_rows(scan_, file))
}

fn open_rows<'a>(scan: Scan<'a>, file: &'a DataFile) -> Result<(SchemaRef, RecordBatches<'a>), Error> {
    let mut input = open_file(&file.path)?;
    let copy = input.try_clone().map_err(io_error(&file.path))?;
    match FileReader::try_new(BufReader::new(copy), None) {
        Ok(reader) => {
            let schema = reader.schema();
            Ok((
                schema,
                Box::new(reader.map(move |batch| batch.map_err(|error| scan.failure_in(file, error)))),
            ))
        }
        Err(as_file) => {
            input.rewind().map_err(io_error(&file.path))?;
            let reader = StreamReader::try_new(BufReader::new(input), None).map_err(|as_stream| {
                let why = format!("neither an Arrow file ({as_file}) nor an Arrow stream ({as_stream})");
                scan.failure_in(file, why)
            })?;
            let schema = reader.schema();
            Ok((
                schema,
                Box::new(reader.map(move |batch| batch.map_err(|error| scan.failure_in(file, error)))),
            ))
        }
    }
}
