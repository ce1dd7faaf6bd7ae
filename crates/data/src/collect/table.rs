//! Rows that come one by one, written as Parquet that appears whole or not at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::cache::io;
use crate::error::Error;

/// Bytes of a row group before it is written.
const GROUP_BYTES: usize = 32 << 20;

/// A Parquet file in the making.
pub(crate) struct TableWriter {
    writer: ArrowWriter<std::fs::File>,
    staged: tempfile::TempPath,
    path: PathBuf,
}

impl TableWriter {
    /// Begins a file that is going to stand at `path`.
    pub fn new(path: &Path, schema: &SchemaRef) -> Result<Self, Error> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(io(folder))?;
        let (file, staged) = tempfile::NamedTempFile::new_in(folder).map_err(io(path))?.into_parts();
        let level = ZstdLevel::try_new(1).unwrap_or_default();
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
        // What only our own reader could use would make equal rows different bytes elsewhere.
        let schema = Arc::new(Schema::new(schema.fields().clone()));
        let writer = ArrowWriter::try_new(file, schema, Some(properties)).map_err(wrong(path))?;
        Ok(Self { writer, staged, path: path.to_owned() })
    }

    /// Adds rows.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.writer.write(batch).map_err(wrong(&self.path))?;
        if self.writer.in_progress_size() > GROUP_BYTES {
            self.writer.flush().map_err(wrong(&self.path))?;
        }
        Ok(())
    }

    /// Ends the file and makes it appear.
    pub fn finish(self) -> Result<(), Error> {
        let file = self.writer.into_inner().map_err(wrong(&self.path))?;
        file.sync_all().map_err(io(&self.path))?;
        self.staged
            .persist(&self.path)
            .map_err(|error| Error::Io { path: self.path.clone(), source: error.error })
    }
}

fn wrong(path: &Path) -> impl FnOnce(parquet::errors::ParquetError) -> Error + '_ {
    |error| Error::Io { path: path.to_owned(), source: std::io::Error::other(error.to_string()) }
}
