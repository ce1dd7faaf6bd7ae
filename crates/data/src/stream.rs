//! A source that is read again and again, a batch of rows at a time.

use std::path::PathBuf;
use std::sync::Arc;

use cupola_spec::Source;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use futures::StreamExt;
use tokio::runtime::Runtime;

use crate::error::Error;
use crate::files::DataFile;
use crate::read::{Scan, found, runtime, version};
use crate::version::DatasetVersion;

/// A source whose rows are never all in memory.
#[derive(Debug)]
pub struct Stream {
    /// Columns and types.
    pub schema: SchemaRef,
    /// Where the rows come from.
    pub version: DatasetVersion,
    files: Vec<DataFile>,
    query: Option<String>,
    nulls: Vec<String>,
    label: String,
    careful: bool,
    runtime: Runtime,
}

/// Opens a source; arguments as for [`crate::load`]. All rows are read once, so what is wrong with them is
/// found before anything is made of them.
///
/// # Errors
/// Everything in [`Error`].
pub fn stream(
    source: &Source,
    query: Option<&str>,
    nulls: &[String],
    roots: &[PathBuf],
) -> Result<Stream, Error> {
    let (files, versions) = found(source, roots)?;
    let label = source.patterns().join(", ");
    let runtime = runtime(&label)?;
    let guess = Scan { files: &files, query, nulls, label: &label, careful: false };
    let counted = |scan: Scan<'_>| -> Result<(SchemaRef, usize), Error> {
        let mut rows = 0;
        let schema = each(&runtime, scan, &mut |batch| {
            rows += batch.num_rows();
            Ok::<(), Error>(())
        })?;
        Ok((schema, rows))
    };
    let (careful, (schema, rows)) = match counted(guess) {
        // As in `load`: the guess of the types may have been too narrow.
        Err(Error::Row { .. }) => (true, counted(Scan { careful: true, ..guess })?),
        other => (false, other?),
    };
    let version = version(source, query, versions, &schema, rows)?;
    let (query, nulls) = (query.map(str::to_owned), nulls.to_vec());
    Ok(Stream { schema, version, files, query, nulls, label, careful, runtime })
}

impl Stream {
    /// Hands over all rows from the first one on, in their order.
    ///
    /// # Errors
    /// What is wrong with the source now, or what `visit` says.
    pub fn each<E: From<Error>>(
        &self,
        visit: &mut dyn FnMut(&RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self { files, query, nulls, label, careful, .. } = self;
        let scan = Scan { files, query: query.as_deref(), nulls, label, careful: *careful };
        each(&self.runtime, scan, visit).map(|_| ())
    }
}

fn each<E: From<Error>>(
    runtime: &Runtime,
    scan: Scan<'_>,
    visit: &mut dyn FnMut(&RecordBatch) -> Result<(), E>,
) -> Result<SchemaRef, E> {
    runtime.block_on(async {
        let frame = scan.frame().await?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let mut batches = frame.execute_stream().await.map_err(|error| scan.explain(&error))?;
        while let Some(batch) = batches.next().await {
            visit(&batch.map_err(|error| scan.explain(&error))?)?;
        }
        Ok(schema)
    })
}
