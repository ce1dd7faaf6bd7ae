//! A source that is read again and again, a batch of rows at a time.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use crate::collect::Request;
use crate::contract::Report;
use crate::error::Error;
use crate::profile::{Profile, Profiler};
use crate::read::{Collection, Opened, collect};
use crate::version::DatasetVersion;

/// A source whose rows are never all in memory.
#[derive(Debug)]
pub struct Stream {
    opened: Opened,
}

/// Collects and opens a source. All rows are read once, so what is wrong with them is found before anything is made of
/// them.
///
/// # Errors
/// Everything in [`Error`].
pub fn stream(request: &Request<'_>) -> Result<Stream, Error> {
    stream_collected(request, collect(request)?)
}

/// Opens a source that has been collected.
///
/// # Errors
/// As [`stream`].
pub fn stream_collected(request: &Request<'_>, collection: Collection) -> Result<Stream, Error> {
    Ok(Stream { opened: Opened::of(request, collection, None, &mut |_, _| Ok(()))? })
}

impl Stream {
    /// Columns and types.
    pub fn schema(&self) -> &SchemaRef {
        &self.opened.schema
    }

    /// Where the rows come from.
    pub fn version(&self) -> &DatasetVersion {
        &self.opened.version
    }

    /// How they met what was expected.
    pub fn report(&self) -> &Report {
        &self.opened.report
    }

    /// What its columns hold; reads all rows once more.
    ///
    /// # Errors
    /// What is wrong with the source now.
    pub fn profile(&self) -> Result<Profile, Error> {
        let mut profiler = Profiler::new(&self.opened.schema);
        self.opened.each(&mut |batch| profiler.see(batch))?;
        Ok(profiler.finish())
    }

    /// Hands over all rows from the first one on, in their order.
    ///
    /// # Errors
    /// What is wrong with the source now, or what `visit` says.
    pub fn each<E: From<Error>>(
        &self,
        visit: &mut dyn FnMut(&RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        self.opened.each(visit)
    }
}
