//! Keys: who may ask for what, how often.
//!
//! A key is `cpl_ID_SECRET`. The file keeps the SHA-256 of the secret, which is 32 random bytes, so there
//! is nothing to guess from it; it is compared in constant time.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use cupola_registry::sha256_hex;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::error::Error;
use crate::jwt::Tokens;

/// What a key may do. `predict` and `rows` may name one model or dataset: `predict:NAME`.
pub const SCOPES: [&str; 4] = ["predict", "rows", "metrics", "admin"];

/// A key as the file has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// Which one; no secret.
    pub id: String,
    /// Whose it is.
    pub name: String,
    /// SHA-256 of the secret.
    pub sha256: String,
    /// That of the secret before, which is good until then (seconds since 1970).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<(String, u64)>,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Requests a second at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Requests a day (UTC) at most, counted by each server by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<u64>,
    /// Good until then (seconds since 1970).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}

impl Key {
    /// Whether a secret is this key's, in a time that does not tell how much of it is right.
    fn is(&self, secret: &str, now: u64) -> bool {
        let found = sha256_hex(secret.as_bytes());
        let same = |known: &str| bool::from(known.as_bytes().ct_eq(found.as_bytes()));
        let before = self.before.as_ref().is_some_and(|(known, until)| same(known) && now < *until);
        (same(&self.sha256) || before) && self.expires.is_none_or(|until| now < until)
    }
}

/// The file of keys, `keys.json` of a home.
#[derive(Debug, Clone)]
pub struct KeyFile {
    path: PathBuf,
}

/// What is wanted of a new key.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Whose it is.
    pub name: String,
    /// See [`SCOPES`].
    pub scopes: Vec<String>,
    /// Requests a second at most.
    pub rate: Option<f64>,
    /// Requests a day at most.
    pub quota: Option<u64>,
    /// Good for so long.
    pub lifetime: Option<Duration>,
}

impl KeyFile {
    /// That of a home folder; it need not be there.
    pub fn new(home: &Path) -> Self {
        Self { path: home.join("keys.json") }
    }

    /// All keys.
    ///
    /// # Errors
    /// [`Error::Keys`] for a file that cannot be read.
    pub fn read(&self) -> Result<Vec<Key>, Error> {
        match std::fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| self.wrong(&error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(self.wrong(&error)),
        }
    }

    /// Makes a key; the answer is the only time that its secret is seen.
    ///
    /// # Errors
    /// [`Error::Keys`].
    pub fn add(&self, wanted: &Wanted) -> Result<(Key, String), Error> {
        for scope in &wanted.scopes {
            let (kind, name) = scope.split_once(':').unwrap_or((scope, ""));
            if !SCOPES.contains(&kind) || (!name.is_empty() && !["predict", "rows"].contains(&kind)) {
                let near = cupola_spec::nearest(kind, SCOPES);
                let near = near.map_or(String::new(), |near| format!(" (near it: {near})"));
                return Err(self.wrong(&format!(
                    "`{scope}` is no scope{near}; write predict, predict:MODEL, rows, rows:DATASET, metrics or admin"
                )));
            }
        }
        self.change(|keys| {
            let (id, secret) = (random(6)?, random(32)?);
            let key = Key {
                id,
                name: wanted.name.clone(),
                sha256: sha256_hex(secret.as_bytes()),
                before: None,
                scopes: wanted.scopes.clone(),
                rate: wanted.rate,
                quota: wanted.quota,
                expires: wanted.lifetime.map(|lifetime| now() + lifetime.as_secs()),
            };
            keys.push(key.clone());
            let text = format!("cpl_{}_{secret}", key.id);
            Ok((key, text))
        })
    }

    /// Gives a key a new secret; the one before stays good for `grace`.
    ///
    /// # Errors
    /// [`Error::Keys`].
    pub fn rotate(&self, id: &str, grace: Duration) -> Result<(Key, String), Error> {
        self.change(|keys| {
            let key = keys.iter_mut().find(|key| key.id == id).ok_or_else(|| unknown(id))?;
            let secret = random(32)?;
            let old = std::mem::replace(&mut key.sha256, sha256_hex(secret.as_bytes()));
            key.before = (!grace.is_zero()).then(|| (old, now() + grace.as_secs()));
            Ok((key.clone(), format!("cpl_{id}_{secret}")))
        })
    }

    /// Ends a key.
    ///
    /// # Errors
    /// [`Error::Keys`].
    pub fn revoke(&self, id: &str) -> Result<Key, Error> {
        self.change(|keys| {
            let at = keys.iter().position(|key| key.id == id).ok_or_else(|| unknown(id))?;
            Ok(keys.remove(at))
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Key>) -> Result<T, String>) -> Result<T, Error> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|error| self.wrong(&error))?;
        let lock = std::fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(".keys.lock"))
            .and_then(|file| file.lock().map(|()| file));
        let _held = lock.map_err(|error| self.wrong(&error))?;
        let mut keys = self.read()?;
        let out = change(&mut keys).map_err(|why| self.wrong(&why))?;
        let bytes = serde_json::to_vec_pretty(&keys).map_err(|error| self.wrong(&error))?;
        // Only its owner may read a temporary file, and the name that it gets keeps that.
        let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut staged| {
            staged.write_all(&bytes)?;
            staged.as_file().sync_all()?;
            staged.persist(&self.path).map(drop).map_err(|error| error.error)
        });
        written.map_err(|error| self.wrong(&error))?;
        Ok(out)
    }

    fn wrong(&self, why: &dyn std::fmt::Display) -> Error {
        Error::Keys { path: self.path.clone(), why: why.to_string() }
    }

    fn changed(&self) -> Option<SystemTime> {
        std::fs::metadata(&self.path).and_then(|about| about.modified()).ok()
    }
}

fn unknown(id: &str) -> String {
    format!("there is no key `{id}`; see `cupola keys list`")
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// So many random bytes, in hexadecimal.
fn random(bytes: usize) -> Result<String, String> {
    use std::fmt::Write as _;
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer).map_err(|error| error.to_string())?;
    Ok(buffer.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// Who asks.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Anybody, at a server without keys.
    Anybody,
    /// The bearer of a key.
    Bearer(Arc<Key>),
}

impl Caller {
    /// Whether the caller may use a scope of a model or dataset; an empty name is all of them.
    pub fn may(&self, scope: &str, name: &str) -> bool {
        let Self::Bearer(key) = self else { return true };
        let exact = format!("{scope}:{name}");
        key.scopes.iter().any(|one| one == "admin" || one == scope || *one == exact)
    }

    /// Id of the key, or `-`.
    pub fn id(&self) -> &str {
        match self {
            Self::Anybody => "-",
            Self::Bearer(key) => &key.id,
        }
    }
}

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// No key, or none that is known.
    Unknown,
    /// Too many requests; the next may come after so long.
    Rate(Duration),
}

/// How often a key has been used.
#[derive(Debug)]
struct Use {
    /// Requests that may come at once.
    tokens: f64,
    seen: Instant,
    day: u64,
    count: u64,
}

/// The keys of a running server. A changed file is read again within a second.
#[derive(Debug)]
pub struct Keys {
    file: Option<KeyFile>,
    tokens: Option<Arc<Tokens>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    keys: BTreeMap<String, Arc<Key>>,
    uses: BTreeMap<String, Use>,
    changed: Option<SystemTime>,
    looked: Option<Instant>,
}

impl Keys {
    /// Everybody may do everything.
    pub fn open() -> Self {
        Self { file: None, tokens: None, state: Mutex::default() }
    }

    /// Those of a file; without any in it, everybody may do everything.
    ///
    /// # Errors
    /// [`Error::Keys`].
    pub fn of(file: KeyFile) -> Result<Self, Error> {
        let mut state = State { changed: file.changed(), looked: Some(Instant::now()), ..State::default() };
        state.keys = by_id(file.read()?);
        Ok(Self { file: Some(file), tokens: None, state: Mutex::new(state) })
    }

    /// Takes the tokens of an identity provider too; without one, nobody is let in.
    pub(crate) fn also(&mut self, tokens: Arc<Tokens>) {
        self.tokens = Some(tokens);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.state().keys.is_empty()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who the bearer of `token` is; the request is counted.
    ///
    /// # Errors
    /// No known key, or one that asks too often.
    pub fn admit(&self, token: Option<&str>) -> Result<Caller, Denied> {
        if let (Some(tokens), Some(token)) = (&self.tokens, token)
            && token.split('.').count() == 3
        {
            let key = tokens.check(token).ok_or(Denied::Unknown)?;
            limited(&key, &mut self.state().uses)?;
            return Ok(Caller::Bearer(key));
        }
        let mut state = self.state();
        self.look(&mut state);
        if state.keys.is_empty() && self.tokens.is_none() {
            return Ok(Caller::Anybody);
        }
        let parts = token.and_then(|token| token.strip_prefix("cpl_")?.split_once('_'));
        let (id, secret) = parts.ok_or(Denied::Unknown)?;
        let State { keys, uses, .. } = &mut *state;
        let key = keys.get(id).filter(|key| key.is(secret, now())).ok_or(Denied::Unknown)?;
        limited(key, uses)?;
        Ok(Caller::Bearer(Arc::clone(key)))
    }

    fn look(&self, state: &mut State) {
        let Some(file) = &self.file else { return };
        if state.looked.is_some_and(|looked| looked.elapsed() < Duration::from_secs(1)) {
            return;
        }
        state.looked = Some(Instant::now());
        let changed = file.changed();
        if changed == state.changed {
            return;
        }
        // A file that cannot be read leaves the keys as they were: nobody gets in by breaking it.
        match file.read() {
            Ok(keys) if keys.is_empty() && !state.keys.is_empty() => {
                tracing::warn!("the last key was revoked; restart the server to open it to everybody");
                state.keys.values_mut().for_each(|key| Arc::make_mut(key).expires = Some(0));
                state.changed = changed;
            }
            Ok(keys) => {
                state.keys = by_id(keys);
                state.changed = changed;
            }
            Err(error) => tracing::error!(%error, "the keys stay as they were"),
        }
    }
}

fn by_id(keys: Vec<Key>) -> BTreeMap<String, Arc<Key>> {
    keys.into_iter().map(|key| (key.id.clone(), Arc::new(key))).collect()
}

/// A bucket of `rate` tokens that fills again in a second, and a count for the day.
fn limited(key: &Key, uses: &mut BTreeMap<String, Use>) -> Result<(), Denied> {
    if key.rate.is_none() && key.quota.is_none() {
        return Ok(());
    }
    let (today, burst) = (now() / 86_400, key.rate.unwrap_or(f64::INFINITY).max(1.0));
    let used = uses.entry(key.id.clone()).or_insert_with(|| Use {
        tokens: burst,
        seen: Instant::now(),
        day: today,
        count: 0,
    });
    if used.day != today {
        (used.day, used.count) = (today, 0);
    }
    if key.quota.is_some_and(|quota| used.count >= quota) {
        return Err(Denied::Rate(Duration::from_secs(86_400 - now() % 86_400)));
    }
    if let Some(rate) = key.rate {
        used.tokens = (used.tokens + used.seen.elapsed().as_secs_f64() * rate).min(burst);
        used.seen = Instant::now();
        if used.tokens < 1.0 {
            return Err(Denied::Rate(Duration::from_secs_f64((1.0 - used.tokens) / rate)));
        }
        used.tokens -= 1.0;
    }
    used.count += 1;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(scopes: &[&str]) -> Wanted {
        Wanted {
            name: "t".into(),
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
            ..Wanted::default()
        }
    }

    #[test]
    fn a_key_opens_what_it_is_for() {
        let home = tempfile::tempdir().unwrap();
        let file = KeyFile::new(home.path());
        assert!(Keys::of(file.clone()).unwrap().admit(None).unwrap().may("admin", ""));
        let (key, token) = file.add(&wanted(&["predict:m", "rows"])).unwrap();
        let stored = std::fs::read_to_string(home.path().join("keys.json")).unwrap();
        assert!(!stored.contains(token.rsplit('_').next().unwrap()), "the secret is not kept");
        let keys = Keys::of(file.clone()).unwrap();
        let caller = keys.admit(Some(&token)).unwrap();
        assert!(caller.may("predict", "m") && caller.may("rows", "any") && caller.may("rows", ""));
        assert!(!caller.may("predict", "other") && !caller.may("predict", "") && !caller.may("admin", ""));
        for wrong in [None, Some(""), Some("cpl_"), Some(&token[..token.len() - 1]), Some("cpl_x_y")] {
            assert_eq!(keys.admit(wrong).unwrap_err(), Denied::Unknown, "{wrong:?}");
        }
        let (_, new) = file.rotate(&key.id, Duration::from_mins(1)).unwrap();
        let keys = Keys::of(file.clone()).unwrap();
        assert!(keys.admit(Some(&token)).is_ok() && keys.admit(Some(&new)).is_ok());
        file.rotate(&key.id, Duration::ZERO).unwrap();
        let keys = Keys::of(file.clone()).unwrap();
        assert_eq!(keys.admit(Some(&new)).unwrap_err(), Denied::Unknown);
        assert!(file.add(&wanted(&["predicts"])).unwrap_err().to_string().contains("near it: predict"));
        assert!(file.revoke("none").is_err());
    }

    #[test]
    fn a_key_that_asks_too_often_waits() {
        let home = tempfile::tempdir().unwrap();
        let file = KeyFile::new(home.path());
        let (_, slow) = file.add(&Wanted { rate: Some(2.0), ..wanted(&["predict"]) }).unwrap();
        let (_, few) = file.add(&Wanted { quota: Some(3), ..wanted(&["predict"]) }).unwrap();
        let keys = Keys::of(file).unwrap();
        let tried = |token: &str| (0..5).filter(|_| keys.admit(Some(token)).is_ok()).count();
        assert_eq!((tried(&slow), tried(&few)), (2, 3));
        let Err(Denied::Rate(wait)) = keys.admit(Some(&slow)) else { panic!() };
        assert!(wait <= Duration::from_millis(500), "{wait:?}");
    }
}
