//! Streaming access to a source that does not fit into memory.

mod spool;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use cupola_sources::{FileFormat, RowOrigin, SourceNote};
use cupola_store::DatasetVersion;

use crate::contract::ContractReport;
use crate::error::Error;
use crate::load::{CheckedSource, Collection, FirstRead, LoadRequest, collect};
use crate::profile::{Profile, Profiler};

use self::spool::{Spool, SpoolWriter};

/// Source that is read batch by batch, as often as needed.
#[derive(Debug)]
pub struct Stream {
    source: CheckedSource,
    /// Rows that later passes read instead of the source.
    spool: Option<Spool>,
}

/// Collects and opens a source. Every row is read and checked once, so that errors are found before any work starts.
///
/// # Errors
/// Everything in [`Error`].
pub fn stream(request: &LoadRequest<'_>) -> Result<Stream, Error> {
    let source = CheckedSource::of(request, collect(request)?, None, &mut |_| Ok(()))?;
    Ok(Stream { source, spool: None })
}

/// Opens a collected source for several passes. Rows of text and of queries are kept in an unnamed file in the folder
/// `streams` of the home folder, unless it would be larger than 4 GiB or the disk is full.
///
/// # Errors
/// As [`stream`].
pub fn stream_collected(request: &LoadRequest<'_>, collection: Collection) -> Result<Stream, Error> {
    let is_text = matches!(collection.format(), Some(FileFormat::Csv { .. } | FileFormat::Json));
    let is_spooled = (is_text || request.data.query.is_some()) && request.data.files.is_none();
    let mut spool = is_spooled.then(|| SpoolWriter::new(&request.home.join("streams")));
    let source = CheckedSource::of(request, collection, None, &mut |event| {
        match (&mut spool, event) {
            (Some(spool), FirstRead::Batch(batch)) => spool.push(batch),
            (Some(spool), FirstRead::Restart) => spool.restart(),
            (None, _) => {}
        }
        Ok(())
    })?;
    Ok(Stream { source, spool: spool.and_then(SpoolWriter::finish) })
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
        self.each(&mut |batch| profiler.add(batch))?;
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
        match &self.spool {
            Some(spool) => spool.each(visit),
            None => self.source.each(visit),
        }
    }
}
