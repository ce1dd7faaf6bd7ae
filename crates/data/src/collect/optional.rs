//! Sources and engines that are cargo features: topics, tables of Delta Lake, a cluster.

use super::{Cache, Collected, Fetched, Request};
use crate::error::Error;
use crate::files::DataFile;
use crate::place::{Lake, Topic};

/// Rows of a topic beyond an earlier version's offsets.
#[cfg(feature = "kafka")]
pub(super) fn topic(
    request: &Request<'_>,
    shown: &str,
    topic: &Topic,
    after: Option<&str>,
    cache: &Cache,
) -> Result<Fetched, Error> {
    use crate::secret::filled;

    let each = request.data.kafka.iter();
    let each = each.map(|(key, value)| Ok((key.clone(), filled(value, request.roots)?)));
    let properties = each.collect::<Result<_, Error>>()?;
    super::topic::fetch(shown, topic, &properties, after, cache, request.watch)
}

#[cfg(not(feature = "kafka"))]
pub(super) fn topic(
    _: &Request<'_>,
    shown: &str,
    _: &Topic,
    _: Option<&str>,
    _: &Cache,
) -> Result<Fetched, Error> {
    Err(Error::without(&format!("`{shown}`"), "kafka"))
}

/// A version of a table.
#[cfg(feature = "delta")]
pub(super) async fn lake(
    request: &Request<'_>,
    shown: &str,
    lake: &Lake,
    cache: &Cache,
) -> Result<Fetched, Error> {
    let here = request.roots.iter().map(|root| root.join(&lake.place)).find(|path| path.is_dir());
    let lake = match here {
        Some(path) => Lake { place: path.to_string_lossy().into_owned(), ..lake.clone() },
        None => lake.clone(),
    };
    super::lake::fetch(shown, &lake, cache, request.watch).await
}

#[cfg(not(feature = "delta"))]
#[allow(clippy::unused_async, reason = "a table is waited for")]
pub(super) async fn lake(_: &Request<'_>, shown: &str, _: &Lake, _: &Cache) -> Result<Fetched, Error> {
    Err(Error::without(&format!("`{shown}`"), "delta"))
}

/// The rows of the files, after `data.query`, as a cluster answers with them.
#[cfg(feature = "ballista")]
pub(super) async fn on_cluster(request: &Request<'_>, found: &Collected) -> Result<DataFile, Error> {
    let parts = found.versions.iter().map(|file| file.sha256.as_str());
    let query = request.data.query.as_deref();
    let texts = parts.chain(query).chain(request.data.null.iter().map(String::as_str));
    let folder = Cache::new(request.home).folder("cluster", &super::digest(texts))?;
    let path = folder.join("rows.parquet");
    if !path.is_file() {
        let url = request.data.url.as_deref().unwrap_or_default();
        crate::cluster::run(url, &found.files, request, &path).await?;
    }
    DataFile::new(path)
}

#[cfg(not(feature = "ballista"))]
#[allow(clippy::unused_async, reason = "a cluster is waited for")]
pub(super) async fn on_cluster(_: &Request<'_>, _: &Collected) -> Result<DataFile, Error> {
    Err(Error::without("`data.engine = \"ballista\"`", "ballista"))
}
