//! Version of a Delta Lake table, written as Parquet.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::prelude::SessionContext;
use deltalake::DeltaTableBuilder;
use futures::StreamExt;
use url::Url;

use super::Fetched;
use super::objects::{StoreKind, bucket as open_bucket};
use cupola_store::digest_texts;

use crate::error::Error;
use crate::fetch::cache::SourceCache;
use crate::location::DeltaLocation;
use crate::progress::{ProgressSink, ProgressUnit};
use crate::table::TableWriter;

/// Writes the requested or newest version to the cache. A version never changes, so a cached one is not read
/// again.
pub(super) async fn fetch(
    shown: &str,
    lake: &DeltaLocation,
    cache: &SourceCache,
    progress: &dyn ProgressSink,
) -> Result<Fetched, Error> {
    let wrong = |why: String| Error::Remote { location: shown.to_owned(), why };
    let said = |error: deltalake::DeltaTableError| wrong(error.to_string());
    let url = match Url::parse(&lake.table) {
        Ok(url) if url.scheme().len() > 1 => url,
        _ => {
            let folder = std::fs::canonicalize(&lake.table)
                .map_err(|error| wrong(format!("{error}; check the path of the table")))?;
            Url::from_directory_path(folder)
                .map_err(|()| wrong("expected the path of a folder; check it".to_owned()))?
        }
    };
    let mut builder = DeltaTableBuilder::from_url(url.clone()).map_err(said)?;
    if StoreKind::of(url.scheme()).is_some() {
        let bucket = open_bucket(shown, &url)?;
        let mut root = url.clone();
        root.set_path("");
        builder = builder.with_storage_backend(bucket, root);
    }
    if let Some(version) = lake.version {
        builder = builder.with_version(version);
    }
    let table = builder.load().await.map_err(said)?;
    let version = table.version().ok_or_else(|| wrong("the table has no version".to_owned()))?;
    let name = lake.table.trim_end_matches('/').rsplit('/').next().unwrap_or("table");
    let path = cache.folder("lake", &digest_texts([url.as_str()]))?.join(format!("{name}@{version}.parquet"));
    if path.exists() {
        return Ok(Fetched { path, position: None });
    }
    progress.begin(shown, ProgressUnit::Rows, None);
    let written = async {
        let provider = table.table_provider().await.map_err(|error| wrong(error.to_string()))?;
        let engine = |error: datafusion::error::DataFusionError| wrong(error.strip_backtrace());
        let context = SessionContext::new();
        table.update_datafusion_session(&context.state()).map_err(said)?;
        let frame = context.read_table(provider).map_err(engine)?;
        let schema: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
        let mut writer = TableWriter::new(&path, &schema)?;
        let mut batches = frame.execute_stream().await.map_err(engine)?;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(engine)?;
            progress.advance(batch.num_rows() as u64);
            writer.push(&batch)?;
        }
        writer.finish()
    };
    let written = written.await;
    progress.end();
    written.map(|()| Fetched { path, position: None })
}
