//! The home of a command: a folder, or an object store with a folder as its cache.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use cupola_registry::{FolderClient, Home, ObjectClient, Remote, sha256_hex, write_file};
use cupola_sources::HomeClient;
use serde_json::{Value, json};

use crate::draw::Ui;
use crate::failure::UserError;

/// File in a cache with the address of its store.
const MARKER: &str = "store.json";
/// Characters of the digest that names a cache.
const DIGEST: usize = 16;

/// Opens the home at a path or an address. A folder that is the cache of a store opens the store.
pub fn open(location: &Path) -> Result<Home> {
    let text = location.to_string_lossy();
    let url = if text.contains("://") {
        text.trim_end_matches('/').to_owned()
    } else {
        match cached(location) {
            Some(cached) => cached.url,
            None => return Ok(Home::new(location.to_owned())),
        }
    };
    let root = if text.contains("://") { cache(&url)? } else { location.to_owned() };
    let cached = cached(&root).filter(|cached| cached.url == url);
    let was_marked = cached.as_ref().is_some_and(|cached| cached.is_marked);
    if cached.is_none() {
        // An address that never worked is a mistake, whatever the store or the network says.
        Remote::enrol(&*client(&url, false)?, &url).map_err(|error| {
            match error.to_string().rsplit_once("; ") {
                Some((message, hint)) => UserError::new(message, hint),
                None => UserError::new(error.to_string(), "check --home and the credentials"),
            }
        })?;
    }
    let is_marked = was_marked || folder_of(&url).is_some_and(FolderClient::is_marked);
    if cached.is_none() || is_marked != was_marked {
        write_file(&root.join(MARKER), json!({ "url": url, "marked": is_marked }).to_string().as_bytes())?;
    }
    Remote::attach(&root, &url, client(&url, is_marked)?, Box::new(Ui::warning));
    Ok(Home::new(root))
}

/// Folder of a store that is one.
fn folder_of(url: &str) -> Option<&Path> {
    url.strip_prefix("file://").map(Path::new)
}

/// Client of a store. A file system that is not mounted must not become a new home, on which a command or a server would
/// go on: its folder must exist, and have its `store.json` if it `is_marked`.
fn client(url: &str, is_marked: bool) -> Result<Arc<dyn ObjectClient>> {
    Ok(match folder_of(url) {
        Some(path) if path.is_absolute() && is_marked => Arc::new(FolderClient::marked(path)),
        Some(path) if path.is_absolute() => Arc::new(FolderClient::known(path)),
        Some(_) => {
            let hint = "write an absolute path, as in file:///mnt/team/home";
            return Err(UserError::new(format!("invalid home `{url}`"), hint).into());
        }
        None => Arc::new(HomeClient::open(url)?),
    })
}

/// Store of a cache, as the cache has it.
struct CachedStore {
    url: String,
    /// `true` if the folder of the store had its `store.json`.
    is_marked: bool,
}

/// Store whose cache a folder is.
fn cached(folder: &Path) -> Option<CachedStore> {
    let marker = cupola_registry::read_limited(&folder.join(MARKER), 1 << 16).ok()?;
    let marker: Value = serde_json::from_slice(&marker).ok()?;
    let is_marked = marker["marked"].as_bool().unwrap_or(false);
    marker["url"].as_str().map(|url| CachedStore { url: url.to_owned(), is_marked })
}

/// Cache of a store: a folder of this user, called by the digest of the address.
fn cache(url: &str) -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let Some(base) = base else {
        let message = "no folder for the cache of a home in an object store";
        return Err(UserError::new(message, "set XDG_CACHE_HOME or HOME").into());
    };
    Ok(base.join("cupola").join("homes").join(&sha256_hex(url.as_bytes())[..DIGEST]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_knows_its_store_and_a_folder_is_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let home = open(&folder.path().join("plain")).unwrap();
        assert!(home.remote().is_none() && home.location() == folder.path().join("plain"));
        let cache = folder.path().join("cache");
        let url = format!("file://{}/store", folder.path().display());
        write_file(&cache.join(MARKER), json!({ "url": url }).to_string().as_bytes()).unwrap();
        let home = open(&cache).unwrap();
        assert_eq!((home.root(), home.location()), (cache.as_path(), PathBuf::from(&url)));
        assert!(open(Path::new("file://relative")).is_err() && open(Path::new("ftp://host/a")).is_err());
    }
}
