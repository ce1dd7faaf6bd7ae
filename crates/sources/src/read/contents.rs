//! File contents in place of a column of paths (`data.files`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use cupola_store::{FileVersion, Sha256Hasher};

use super::batch::SourceBatch;
use super::batch::origin::BatchOrigin;
use crate::error::{Error, io_error};
use crate::file::DataFile;

/// Rows whose files are in memory at once.
const ROWS: usize = 512;

/// Column of paths, and the folders that they are relative to.
#[derive(Debug)]
pub struct FileContents {
    column: String,
    roots: Vec<PathBuf>,
}

/// Digest of all contents in order: the paths alone do not identify a version.
#[derive(Debug, Default)]
pub struct ContentsDigest {
    hasher: Sha256Hasher,
    bytes: u64,
}

impl FileContents {
    /// Resolves the paths of `column` against the folders of the files that list them, then against `roots`.
    pub fn new(column: &str, files: &[DataFile], roots: &[PathBuf]) -> Self {
        let own = files.iter().filter_map(|file| file.path.parent().map(Path::to_owned));
        let mut all: Vec<PathBuf> = own.chain(roots.iter().cloned()).collect();
        all.dedup();
        Self { column: column.to_owned(), roots: all }
    }

    /// Schema with bytes in place of the paths.
    ///
    /// # Errors
    /// [`Error::Location`] for an unknown column.
    pub fn schema(&self, schema: &SchemaRef) -> Result<SchemaRef, Error> {
        let index = schema.index_of(&self.column).map_err(|_| Error::Location {
            text: "data.files".to_owned(),
            why: format!("unknown column `{}`; use the column that holds the paths", self.column),
        })?;
        let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        fields[index] = Field::new(&self.column, DataType::Binary, true);
        Ok(Arc::new(Schema::new(fields)))
    }

    /// Rows with bytes in place of the paths, in batches of at most 512 rows. `schema` is that of [`Self::schema`].
    pub fn read(
        &self,
        batch: &SourceBatch,
        schema: &SchemaRef,
    ) -> impl Iterator<Item = Result<SourceBatch, Error>> {
        let rows = &batch.rows;
        let starts = (0..rows.num_rows().max(1)).step_by(ROWS);
        starts.map(move |start| {
            let part = rows.slice(start, ROWS.min(rows.num_rows() - start));
            let origin = batch.origin.as_ref().map(|origin| origin.after(start));
            let index = schema.index_of(&self.column).unwrap_or_default();
            let mut columns: Vec<ArrayRef> = part.columns().to_vec();
            columns[index] = self.read_column(&columns[index], origin.as_ref())?;
            let rows = RecordBatch::try_new(Arc::clone(schema), columns)
                .map_err(|error| Error::Engine { path: self.column.clone(), why: error.to_string() })?;
            let rejected = if start == 0 { batch.rejected.clone() } else { Vec::new() };
            Ok(SourceBatch { rows, origin, rejected })
        })
    }

    /// Adds the contents of a batch to a digest.
    pub fn update_digest(&self, batch: &RecordBatch, digest: &mut ContentsDigest) {
        let column = batch.column_by_name(&self.column).and_then(|column| column.as_binary_opt::<i32>());
        for bytes in column.into_iter().flatten() {
            let bytes = bytes.unwrap_or_default();
            digest.hasher.update(&(bytes.len() as u64).to_le_bytes());
            digest.hasher.update(bytes);
            digest.bytes += bytes.len() as u64;
        }
    }

    /// All contents as one file of a version.
    pub fn version(&self, digest: ContentsDigest) -> FileVersion {
        let name = format!("contents of `{}`", self.column);
        let sha256 = digest.hasher.finish();
        FileVersion { name, bytes: digest.bytes, sha256 }
    }

    fn read_column(&self, paths: &ArrayRef, origin: Option<&BatchOrigin>) -> Result<ArrayRef, Error> {
        let wrong = |row: usize, why: String| Error::Row {
            path: format!("column `{}`", self.column),
            row: origin.map_or(String::new(), |origin| format!("row {}: ", origin.number(row))),
            why,
        };
        let paths = cast(paths, &DataType::Utf8).map_err(|error| wrong(0, error.to_string()))?;
        let paths =
            paths.as_any().downcast_ref::<StringArray>().ok_or_else(|| wrong(0, "expected text".into()))?;
        let mut contents = BinaryBuilder::new();
        for (row, path) in paths.iter().enumerate() {
            let Some(path) = path else {
                contents.append_null();
                continue;
            };
            let found = self.roots.iter().map(|root| root.join(path)).find(|path| path.is_file());
            let found = found.ok_or_else(|| wrong(row, format!("no file {path}; correct the path")))?;
            contents.append_value(std::fs::read(&found).map_err(io_error(&found))?);
        }
        Ok(Arc::new(contents.finish()))
    }
}
