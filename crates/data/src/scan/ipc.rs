//! Apache Arrow's file format (Feather), and its stream format under the same endings.

use std::io::{BufReader, Seek};

use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::{FileReader, StreamReader};

use super::{Batches, Rows, Scan};
use crate::error::Error;
use crate::files::{DataFile, open};

pub(super) fn rows<'a>(scan: &Scan<'a>) -> Result<Rows<'a>, Error> {
    let scan_ = *scan;
    scan.self_describing(move |file| open_file(scan_, file))
}

fn open_file<'a>(scan: Scan<'a>, file: &'a DataFile) -> Result<(SchemaRef, Batches<'a>), Error> {
    let mut input = open(&file.path)?;
    let copy = input.try_clone().map_err(|source| Error::Io { path: file.path.clone(), source })?;
    match FileReader::try_new(BufReader::new(copy), None) {
        Ok(reader) => {
            let schema = reader.schema();
            Ok((schema, Box::new(reader.map(move |batch| batch.map_err(|error| scan.failure(error))))))
        }
        Err(as_file) => {
            input.rewind().map_err(|source| Error::Io { path: file.path.clone(), source })?;
            let reader = StreamReader::try_new(BufReader::new(input), None).map_err(|as_stream| {
                scan.failure(format!("neither an Arrow file ({as_file}) nor an Arrow stream ({as_stream})"))
            })?;
            let schema = reader.schema();
            Ok((schema, Box::new(reader.map(move |batch| batch.map_err(|error| scan.failure(error))))))
        }
    }
}
