//! The file of keys, `keys.json` in the home folder.
//!
//! A key reads `cpl_ID_SECRET`. The file has the SHA-256 of the secret only. The secret is 32 random bytes, so
//! the digest needs no salt and no slow hash; it is compared in constant time.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cupola_store::{Lock, read_limited, sha256_hex, write_file};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::scope::SCOPES;
use crate::error::Error;

/// Largest file of keys in bytes.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// Permission to write for everybody.
const WORLD_WRITABLE: u32 = 0o002;
/// Permission to write for the group.
const GROUP_WRITABLE: u32 = 0o020;
/// Folder that is shared with its group.
const SET_GROUP_ID: u32 = 0o2000;
/// Folder whose files only their owners may replace.
const STICKY: u32 = 0o1000;

/// Identity of a file's content as far as the file system tells: a replaced file has another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileStamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

/// Key as the file has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Public part of the key.
    pub id: String,
    /// Name of the holder.
    pub name: String,
    /// SHA-256 of the secret.
    pub sha256: String,
    /// SHA-256 of the previous secret, and the time until which it is accepted (seconds since 1970).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<(String, u64)>,
    /// Scopes, see [`SCOPES`].
    pub scopes: Vec<String>,
    /// Requests per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Requests per day (UTC); each server counts on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<u64>,
    /// Time of expiry (seconds since 1970).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}

impl ApiKey {
    /// `true` if the secret is this key's; takes the same time however much of it is right.
    pub(super) fn matches(&self, secret: &str, now: u64) -> bool {
        let found = sha256_hex(secret.as_bytes());
        let same = |known: &str| bool::from(known.as_bytes().ct_eq(found.as_bytes()));
        let before = self.before.as_ref().is_some_and(|(known, until)| same(known) && now < *until);
        (same(&self.sha256) || before) && self.expires.is_none_or(|until| now < until)
    }
}

/// Properties of a key to be created.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// Name of the holder.
    pub name: String,
    /// Scopes, see [`SCOPES`].
    pub scopes: Vec<String>,
    /// Requests per second.
    pub rate: Option<f64>,
    /// Requests per day.
    pub quota: Option<u64>,
    /// Time until the key expires.
    pub lifetime: Option<Duration>,
}

/// File of keys of a home folder. Writers take a lock; the file is replaced atomically.
#[derive(Debug, Clone)]
pub struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    /// Key file of a home folder; the file may be missing.
    pub fn new(home: &Path) -> Self {
        Self { path: home.join("keys.json") }
    }

    /// Key file with this path.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Reads all keys; a missing file has none.
    ///
    /// # Errors
    /// [`Error::Keys`] if the file is unreadable or malformed.
    pub fn read(&self) -> Result<Vec<ApiKey>, Error> {
        match std::fs::metadata(&self.path) {
            Ok(about) => self.check_permissions(&about)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.error(&error)),
        }
        let bytes = read_limited(&self.path, MAX_FILE_BYTES).map_err(|error| self.error(&error))?;
        let keys: Vec<ApiKey> = serde_json::from_slice(&bytes).map_err(|error| self.error(&error))?;
        keys.iter().try_for_each(|key| self.check_rate(&key.name, key.rate))?;
        Ok(keys)
    }

    /// Refuses a file that any local user could have written: he could give himself a key. Reading it is harmless,
    /// because it holds digests of long random secrets.
    fn check_permissions(&self, about: &std::fs::Metadata) -> Result<(), Error> {
        if !about.is_file() {
            return Err(self.error(&"expected a regular file; restore it from a backup"));
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mode = std::fs::metadata(folder).map_or(0, |about| about.permissions().mode());
        let (own, path) = (about.permissions().mode(), self.path.display());
        if own & WORLD_WRITABLE != 0 {
            return Err(self.error(&format!("any local user can write this file; run `chmod 600 {path}`")));
        }
        if own & GROUP_WRITABLE != 0 && mode & SET_GROUP_ID == 0 {
            let why = "its group can write this file, but the home is not shared with a group";
            return Err(self.error(&format!("{why}; run `chmod 600 {path}`")));
        }
        if mode & WORLD_WRITABLE != 0 && mode & STICKY == 0 {
            let folder = folder.display();
            return Err(self.error(&format!(
                "any local user can replace this file; run `chmod o-w {folder}` for its folder"
            )));
        }
        Ok(())
    }

    /// Creates a key and returns it with its text, which is not stored.
    ///
    /// # Errors
    /// [`Error::Keys`].
    pub fn add(&self, new: &NewKey) -> Result<(ApiKey, String), Error> {
        for scope in &new.scopes {
            check_scope(scope).map_err(|why| self.error(&why))?;
        }
        self.check_rate(&new.name, new.rate)?;
        self.change(|keys| {
            let (id, secret) = (random_hex(6)?, random_hex(32)?);
            let key = ApiKey {
                id,
                name: new.name.clone(),
                sha256: sha256_hex(secret.as_bytes()),
                before: None,
                scopes: new.scopes.clone(),
                rate: new.rate,
                quota: new.quota,
                expires: new.lifetime.map(|lifetime| unix_seconds() + lifetime.as_secs()),
            };
            keys.push(key.clone());
            let text = format!("cpl_{}_{secret}", key.id);
            Ok((key, text))
        })
    }

    /// Gives a key a new secret; the previous one is accepted for `grace`.
    ///
    /// # Errors
    /// [`Error::Keys`].
    pub fn rotate(&self, id: &str, grace: Duration) -> Result<(ApiKey, String), Error> {
        self.change(|keys| {
            let key = keys.iter_mut().find(|key| key.id == id).ok_or_else(|| unknown(id))?;
            let secret = random_hex(32)?;
            let old = std::mem::replace(&mut key.sha256, sha256_hex(secret.as_bytes()));
            key.before = (!grace.is_zero()).then(|| (old, unix_seconds() + grace.as_secs()));
            Ok((key.clone(), format!("cpl_{id}_{secret}")))
        })
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// [`Error::Keys`].
    pub fn revoke(&self, id: &str) -> Result<ApiKey, Error> {
        self.change(|keys| {
            let at = keys.iter().position(|key| key.id == id).ok_or_else(|| unknown(id))?;
            Ok(keys.remove(at))
        })
    }

    /// State of the file; `None` if there is none.
    pub(super) fn stamp(&self) -> Option<FileStamp> {
        let about = std::fs::metadata(&self.path).ok()?;
        let modified = (about.mtime(), about.mtime_nsec());
        Some(FileStamp { inode: about.ino(), length: about.len(), modified })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<ApiKey>) -> Result<T, String>) -> Result<T, Error> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        cupola_store::create_folder(folder).map_err(|error| self.error(&error))?;
        let _lock = Lock::file(&folder.join(".keys.lock")).map_err(|error| self.error(&error))?;
        let mut keys = self.read()?;
        let out = change(&mut keys).map_err(|why| self.error(&why))?;
        let bytes = serde_json::to_vec_pretty(&keys).map_err(|error| self.error(&error))?;
        // A staged file is readable by its owner only, and keeps these permissions under its final name.
        write_file(&self.path, &bytes).map_err(|error| self.error(&error))?;
        Ok(out)
    }

    fn check_rate(&self, name: &str, rate: Option<f64>) -> Result<(), Error> {
        match rate {
            Some(rate) if !cupola_spec::is_valid_rate(rate) => {
                let why = format!(
                    "the rate of the key `{name}` must be 0.001 to 1000000000 requests per second, found {rate}"
                );
                Err(self.error(&why))
            }
            _ => Ok(()),
        }
    }

    fn error(&self, why: &dyn std::fmt::Display) -> Error {
        Error::Keys { path: self.path.clone(), why: why.to_string() }
    }
}

fn check_scope(scope: &str) -> Result<(), String> {
    let (kind, name) = match scope.split_once(':') {
        Some((kind, name)) => (kind, Some(name)),
        None => (scope, None),
    };
    let named = |name: &str| !name.is_empty() && ["predict", "rows"].contains(&kind);
    if SCOPES.contains(&kind) && name.is_none_or(named) {
        return Ok(());
    }
    let hint = cupola_spec::did_you_mean(kind, SCOPES);
    Err(format!(
        "unknown scope `{scope}`{hint}; expected predict, predict:MODEL, rows, rows:DATASET, metrics or admin"
    ))
}

fn unknown(id: &str) -> String {
    format!("unknown key `{id}`; see `cupola keys list`")
}

/// Current time in seconds since 1970.
pub(super) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn random_hex(bytes: usize) -> Result<String, String> {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer).map_err(|error| error.to_string())?;
    Ok(const_hex::encode(buffer))
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};

    use super::*;

    fn new_key() -> NewKey {
        NewKey { name: "t".into(), scopes: vec!["predict".into()], ..NewKey::default() }
    }

    #[test]
    fn files_that_others_can_write_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let file = KeyFile::new(home.path());
        assert_eq!(file.read().unwrap(), []);
        file.add(&new_key()).unwrap();
        let path = home.path().join("keys.json");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&home.path().join(".keys.lock")) & 0o077), (0o600, 0));
        let with = |path: &Path, mode: u32| {
            set_permissions(path, Permissions::from_mode(mode)).unwrap();
            file.read().map(|keys| keys.len()).map_err(|error| error.to_string())
        };
        assert_eq!(with(&path, 0o644), Ok(1));
        assert!(
            with(&path, 0o666).unwrap_err().contains("any local user can write this file; run `chmod 600")
        );
        assert!(with(&path, 0o660).unwrap_err().contains("its group can write this file"));
        assert_eq!(with(home.path(), 0o2770), Ok(1));
        assert!(with(home.path(), 0o700).unwrap_err().contains("its group can write this file"));
        assert_eq!(with(&path, 0o600), Ok(1));
        assert!(with(home.path(), 0o777).unwrap_err().contains("any local user can replace this file"));
        assert_eq!(with(home.path(), 0o1777), Ok(1));
        assert_eq!(with(home.path(), 0o700), Ok(1));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(file.read().unwrap_err().to_string().contains("expected a regular file"));
    }

    #[test]
    fn scopes_are_whole() {
        for scope in ["predict", "predict:m", "rows:d", "metrics", "admin"] {
            assert_eq!(check_scope(scope), Ok(()), "{scope}");
        }
        for scope in ["", ":", "predict:", "rows:", "admin:", "admin:m", "metrics:m", "Predict", "predict "] {
            assert!(check_scope(scope).unwrap_err().contains("expected predict, predict:MODEL"), "{scope}");
        }
    }

    #[test]
    fn rates_that_admit_nothing_or_everything_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let file = KeyFile::new(home.path());
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = file.add(&NewKey { rate: Some(rate), ..new_key() }).unwrap_err().to_string();
            assert!(error.contains("requests per second"), "{rate}: {error}");
        }
        assert_eq!(file.read().unwrap(), []);
    }
}
