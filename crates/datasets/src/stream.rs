//! Streaming access to a source that does not fit into memory.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use cupola_sources::{RowOrigin, SourceNote};
use cupola_store::DatasetVersion;

use crate::contract::ContractReport;
use crate::error::Error;
use crate::load::{CheckedSource, Collection, LoadRequest, collect};
use crate::profile::{Profile, Profiler};

/// Source that is read batch by batch, as often as needed.
#[derive(Debug)]
pub struct Stream {
    source: CheckedSource,
}

/// Collects and opens a source. Every row is read and checked once, so that errors are found before any work starts.
///
/// # Errors
/// Everything in [`Error`].
pub fn stream(request: &LoadRequest<'_>) -> Result<Stream, Error> {
    stream_collected(request, collect(request)?)
}

/// Opens a collected source.
///
/// # Errors
/// As [`stream`].
pub fn stream_collected(request: &LoadRequest<'_>, collection: Collection) -> Result<Stream, Error> {
    Ok(Stream { source: CheckedSource::of(request, collection, None, &mut |_| Ok(()))? })
}

impl Stream {
    /// Columns and types.
    pub fn schema(&self) -> &SchemaRef {
        &self.source.schema
    }

    /// Identity of the data.
    pub fn version(&self) -> &DatasetVersion {
        &self.source.version
    }

    /// Outcome of the expectations.
    pub fn report(&self) -> &ContractReport {
        &self.source.report
    }

    /// Origin of each row in the files.
    pub fn origin(&self) -> &RowOrigin {
        &self.source.origin
    }

    /// Decisions of the reader that its user should know of.
    pub fn notes(&self) -> &[SourceNote] {
        &self.source.notes
    }

    /// Profiles the columns; reads all rows once more.
    ///
    /// # Errors
    /// Errors of reading the source again.
    pub fn profile(&self) -> Result<Profile, Error> {
        let mut profiler = Profiler::new(&self.source.schema);
        self.source.each(&mut |batch| profiler.add(batch))?;
        Ok(profiler.finish())
    }

    /// Visits all rows from the first one on, in order.
    ///
    /// # Errors
    /// Errors of reading the source again, or of `visit`.
    pub fn each<E: From<Error>>(
        &self,
        visit: &mut dyn FnMut(&RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        self.source.each(visit)
    }
}
