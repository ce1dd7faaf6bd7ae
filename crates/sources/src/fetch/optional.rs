//! Sources and engines behind cargo features: ADBC drivers, Kafka topics, Delta Lake tables, Ballista clusters.

use super::{Collected, Fetched, SourceRequest};
use crate::error::Error;
use crate::fetch::cache::SourceCache;
use crate::file::DataFile;
use crate::location::{DeltaLocation, TopicLocation};

#[cfg(feature = "adbc")]
pub(super) use super::adbc::fetch as adbc;

#[cfg(not(feature = "adbc"))]
pub(super) fn adbc(
    _: &SourceRequest<'_>,
    shown: &str,
    _: &crate::location::AdbcLocation,
    _: Option<super::database::Watermark<'_>>,
    _: &SourceCache,
) -> Result<Fetched, Error> {
    Err(Error::without(&format!("`{shown}`"), "adbc"))
}

/// Fetches the messages of a topic beyond the offsets `after`.
#[cfg(feature = "kafka")]
pub(super) fn topic(
    request: &SourceRequest<'_>,
    shown: &str,
    topic: &TopicLocation,
    after: Option<&str>,
    cache: &SourceCache,
) -> Result<Fetched, Error> {
    use crate::secret::fill_secrets;

    let each = request.data.kafka.iter();
    let each = each.map(|(key, value)| Ok((key.clone(), fill_secrets(value, request.roots, request.home)?)));
    let properties = each.collect::<Result<_, Error>>()?;
    super::topic::fetch(shown, topic, &properties, after, cache, request.progress)
}

#[cfg(not(feature = "kafka"))]
pub(super) fn topic(
    _: &SourceRequest<'_>,
    shown: &str,
    _: &TopicLocation,
    _: Option<&str>,
    _: &SourceCache,
) -> Result<Fetched, Error> {
    Err(Error::without(&format!("`{shown}`"), "kafka"))
}

/// Fetches a version of a Delta Lake table.
#[cfg(feature = "delta")]
pub(super) async fn lake(
    request: &SourceRequest<'_>,
    shown: &str,
    lake: &DeltaLocation,
    cache: &SourceCache,
) -> Result<Fetched, Error> {
    let here = request.roots.iter().map(|root| root.join(&lake.table)).find(|path| path.is_dir());
    let lake = match here {
        Some(path) => DeltaLocation { table: path.to_string_lossy().into_owned(), ..lake.clone() },
        None => lake.clone(),
    };
    super::lake::fetch(shown, &lake, cache, request.progress).await
}

#[cfg(not(feature = "delta"))]
#[allow(clippy::unused_async, reason = "a table is waited for")]
pub(super) async fn lake(
    _: &SourceRequest<'_>,
    shown: &str,
    _: &DeltaLocation,
    _: &SourceCache,
) -> Result<Fetched, Error> {
    Err(Error::without(&format!("`{shown}`"), "delta"))
}

/// Reads the files and runs `data.query` on a cluster.
#[cfg(feature = "ballista")]
pub(super) async fn on_cluster(request: &SourceRequest<'_>, found: &Collected) -> Result<DataFile, Error> {
    let parts = found.versions.iter().map(|file| file.sha256.as_str());
    let query = request.data.query.as_deref();
    let texts = parts.chain(query).chain(request.data.null.iter().map(String::as_str));
    let folder = SourceCache::new(request.home).folder("cluster", &cupola_store::digest_texts(texts))?;
    let path = folder.join("rows.parquet");
    if !path.is_file() {
        let url = request.data.url.as_deref().unwrap_or_default();
        crate::cluster::run(url, &found.files, request, &path).await?;
    }
    DataFile::new(path)
}

#[cfg(not(feature = "ballista"))]
#[allow(clippy::unused_async, reason = "a cluster is waited for")]
pub(super) async fn on_cluster(_: &SourceRequest<'_>, _: &Collected) -> Result<DataFile, Error> {
    Err(Error::without("`data.engine = \"ballista\"`", "ballista"))
}
