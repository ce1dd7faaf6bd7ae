//! A column of paths whose files' contents take their place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::files::DataFile;
use crate::version::{FileVersion, hex};

/// Rows whose files are in memory at once.
const ROWS: usize = 512;

/// The column, and where its paths are looked up.
#[derive(Debug)]
pub(crate) struct Contents {
    column: String,
    roots: Vec<PathBuf>,
}

impl Contents {
    /// Paths are relative to the files that list them, then to `roots`.
    pub fn new(column: &str, files: &[DataFile], roots: &[PathBuf]) -> Self {
        let own = files.iter().filter_map(|file| file.path.parent().map(Path::to_owned));
        let mut all: Vec<PathBuf> = own.chain(roots.iter().cloned()).collect();
        all.dedup();
        Self { column: column.to_owned(), roots: all }
    }

    /// The schema with bytes in place of the paths.
    pub fn schema(&self, schema: &SchemaRef) -> Result<SchemaRef, Error> {
        let index = schema.index_of(&self.column).map_err(|_| Error::Place {
            text: "data.files".to_owned(),
            why: format!("there is no column `{}`; name the one that holds the paths", self.column),
        })?;
        let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        fields[index] = Field::new(&self.column, DataType::Binary, true);
        Ok(Arc::new(Schema::new(fields)))
    }

    /// The rows with bytes in place of the paths, a few at a time.
    pub fn filled(
        &self,
        batch: &RecordBatch,
        schema: &SchemaRef,
    ) -> impl Iterator<Item = Result<RecordBatch, Error>> {
        let starts = (0..batch.num_rows()).step_by(ROWS);
        starts.map(move |start| {
            let part = batch.slice(start, ROWS.min(batch.num_rows() - start));
            let index = schema.index_of(&self.column).unwrap_or_default();
            let mut columns: Vec<ArrayRef> = part.columns().to_vec();
            columns[index] = self.read(&columns[index], start)?;
            RecordBatch::try_new(Arc::clone(schema), columns)
                .map_err(|error| Error::Engine { path: self.column.clone(), why: error.to_string() })
        })
    }

    /// Adds the contents of a batch to what tells the version apart: the paths alone do not.
    pub fn digest(&self, batch: &RecordBatch, seen: &mut (Sha256, u64)) {
        let column = batch.column_by_name(&self.column).and_then(|column| column.as_binary_opt::<i32>());
        for bytes in column.into_iter().flatten() {
            let bytes = bytes.unwrap_or_default();
            seen.0.update((bytes.len() as u64).to_le_bytes());
            seen.0.update(bytes);
            seen.1 += bytes.len() as u64;
        }
    }

    /// The contents of all rows as one file of the version.
    pub fn version(&self, (hasher, bytes): (Sha256, u64)) -> FileVersion {
        let name = format!("contents of `{}`", self.column);
        FileVersion { name, bytes, sha256: hex(&hasher.finalize()) }
    }

    fn read(&self, paths: &ArrayRef, before: usize) -> Result<ArrayRef, Error> {
        let wrong = |row: usize, why: String| Error::Row {
            path: format!("column `{}`", self.column),
            row: format!("row {}: ", before + row + 1),
            why,
        };
        let paths = cast(paths, &DataType::Utf8).map_err(|error| wrong(0, error.to_string()))?;
        let paths =
            paths.as_any().downcast_ref::<StringArray>().ok_or_else(|| wrong(0, "no texts".into()))?;
        let mut contents = BinaryBuilder::new();
        for (row, path) in paths.iter().enumerate() {
            let Some(path) = path else {
                contents.append_null();
                continue;
            };
            let found = self.roots.iter().map(|root| root.join(path)).find(|path| path.is_file());
            let found = found.ok_or_else(|| wrong(row, format!("no file {path}; mend the path")))?;
            let bytes = std::fs::read(&found);
            contents.append_value(bytes.map_err(|source| Error::Io { path: found, source })?);
        }
        Ok(Arc::new(contents.finish()))
    }
}
