//! Objects of S3-compatible stores (Amazon's own, `MinIO`, `SeaweedFS`, lakeFS), Google Cloud Storage and Azure.

mod bucket;
mod refusal;

use std::path::{Path as FilePath, PathBuf};

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use url::Url;

pub(crate) use self::bucket::{StoreKind, bucket, bucket_of_home};
pub(crate) use self::refusal::{StoreRefusal, innermost_cause};

use super::web::appear;
use crate::error::Error;
use crate::fetch::cache::{SourceCache, read_state, write_state};
use crate::progress::{ProgressSink, ProgressUnit};

/// Bytes of one range request: 16 MiB.
const PART: u64 = 16 << 20;

/// Downloads the objects that match a URL, whose path may be a glob. Cached objects that have not changed are
/// not downloaded again.
pub(super) async fn fetch(
    shown: &str,
    url: &Url,
    cache: &SourceCache,
    progress: &dyn ProgressSink,
) -> Result<Vec<PathBuf>, Error> {
    let store = bucket(shown, url)?;
    let kind = StoreKind::of(url.scheme()).unwrap_or(StoreKind::Amazon);
    let pattern = percent(url.path().trim_start_matches('/'));
    let wrong = |error: object_store::Error| Error::Remote {
        location: shown.to_owned(),
        why: innermost_cause(kind, &error),
    };
    let objects = if pattern.contains(['*', '?', '[']) {
        let matcher = glob::Pattern::new(&pattern)
            .map_err(|error| Error::Pattern { pattern: shown.to_owned(), why: error.to_string() })?;
        let fixed = pattern.split(['*', '?', '[']).next().unwrap_or_default();
        let folder = fixed.rsplit_once('/').map(|(folder, _)| Path::from(folder));
        let options = glob::MatchOptions {
            require_literal_separator: true,
            require_literal_leading_dot: true,
            ..Default::default()
        };
        let listed = store.list(folder.as_ref());
        let kept = listed
            .try_filter(|meta| std::future::ready(matcher.matches_with(meta.location.as_ref(), options)));
        let mut found: Vec<ObjectMeta> = kept.try_collect().await.map_err(wrong)?;
        found.sort_by(|a, b| a.location.cmp(&b.location));
        found
    } else {
        vec![store.head(&Path::from(pattern.as_str())).await.map_err(wrong)?]
    };
    if objects.is_empty() {
        return Err(Error::Pattern { pattern: shown.to_owned(), why: "matches no object".into() });
    }
    let bytes = objects.iter().map(|object| object.size).sum();
    progress.begin(shown, ProgressUnit::Bytes, Some(bytes));
    let mut files = Vec::new();
    for object in &objects {
        let key = format!("{}/{}", bucket::place(url), object.location);
        let file = one(&*store, object, &cache.folder("object", &key)?, progress).await;
        files.push(
            file.map_err(|error| match error {
                ObjectFailure::Store(error) => wrong(error),
                ObjectFailure::Here(error) => error,
            })
            .inspect_err(|_| progress.end())?,
        );
    }
    progress.end();
    Ok(files)
}

enum ObjectFailure {
    Store(object_store::Error),
    Here(Error),
}

/// State of an object when its download began.
#[derive(PartialEq, Serialize, Deserialize)]
struct ObjectState {
    tag: Option<String>,
    size: u64,
    modified: String,
}

/// Downloads one object by range requests, continuing after the bytes that are cached.
async fn one(
    store: &dyn ObjectStore,
    object: &ObjectMeta,
    folder: &FilePath,
    progress: &dyn ProgressSink,
) -> Result<PathBuf, ObjectFailure> {
    let name = object.location.filename().unwrap_or("object");
    let (file, part, state) = (folder.join(name), folder.join("part"), folder.join("state.json"));
    let seen = ObjectState {
        tag: object.e_tag.clone(),
        size: object.size,
        modified: object.last_modified.to_rfc3339(),
    };
    let same = read_state::<ObjectState>(&state).is_some_and(|known| known == seen);
    if same && file.is_file() {
        progress.advance(object.size);
        return Ok(file);
    }
    let local = |path: &FilePath, source| ObjectFailure::Here(Error::Io { path: path.to_owned(), source });
    if !same {
        let _ = std::fs::remove_file(&file);
        let _ = std::fs::remove_file(&part);
        write_state(&state, &seen).map_err(ObjectFailure::Here)?;
    }
    let mut out = tokio::fs::File::options();
    let mut out = out.create(true).append(true).open(&part).await.map_err(|e| local(&part, e))?;
    let mut have = out.metadata().await.map_err(|e| local(&part, e))?.len();
    progress.advance(have);
    while have < object.size {
        let range = GetRange::Bounded(have..(have + PART).min(object.size));
        // Parts of an object that is replaced during the download must not be mixed.
        let options =
            GetOptions { range: Some(range), if_match: object.e_tag.clone(), ..GetOptions::default() };
        let answer = store.get_opts(&object.location, options).await.map_err(ObjectFailure::Store)?;
        let mut body = answer.into_stream();
        while let Some(chunk) = body.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => {
                    // The bytes so far are kept, and the next attempt continues after them.
                    let _ = out.flush().await;
                    return Err(ObjectFailure::Store(error));
                }
            };
            out.write_all(&chunk).await.map_err(|e| local(&part, e))?;
            progress.advance(chunk.len() as u64);
            have += chunk.len() as u64;
        }
        out.flush().await.map_err(|e| local(&part, e))?;
    }
    appear(&part, &file).map_err(ObjectFailure::Here)?;
    Ok(file)
}

fn percent(path: &str) -> String {
    Path::from_url_path(path).map_or_else(|_| path.to_owned(), |path| path.to_string())
}
