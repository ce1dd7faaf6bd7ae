//! Atomic writer of Parquet files.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use cupola_store::StagedFile;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::error::Error;
use crate::error::io_error;

/// Estimated bytes of a row group before it is flushed: 32 MiB.
const GROUP_BYTES: usize = 32 << 20;

/// Writes batches to a Parquet file, which appears when it is finished.
pub struct TableWriter {
    writer: ArrowWriter<std::fs::File>,
    staged: StagedFile,
}

impl TableWriter {
    /// Starts a file that [`Self::finish`] moves to `path`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(path: &Path, schema: &SchemaRef) -> Result<Self, Error> {
        let mut staged = StagedFile::new(path)?;
        let file = staged.file_mut().try_clone().map_err(io_error(path))?;
        let level = ZstdLevel::try_new(1).unwrap_or_default();
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
        // Metadata of the schema would make the bytes of equal rows differ by their origin.
        let schema = Arc::new(Schema::new(schema.fields().clone()));
        let writer = ArrowWriter::try_new(file, schema, Some(properties)).map_err(wrong(path))?;
        Ok(Self { writer, staged })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.writer.write(batch).map_err(wrong(self.staged.target()))?;
        if self.writer.in_progress_size() > GROUP_BYTES {
            self.writer.flush().map_err(wrong(self.staged.target()))?;
        }
        Ok(())
    }

    /// Syncs the file and moves it to its path.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(self) -> Result<(), Error> {
        self.writer.into_inner().map_err(wrong(self.staged.target()))?;
        Ok(self.staged.commit()?)
    }
}

fn wrong(path: &Path) -> impl FnOnce(parquet::errors::ParquetError) -> Error + '_ {
    |error| Error::Io { path: path.to_owned(), source: std::io::Error::other(error.to_string()) }
}
