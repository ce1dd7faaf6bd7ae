//! Keys of a running server, with their rate limits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::caller::Caller;
use super::jwt::TokenVerifier;
use super::key_file::{ApiKey, FileStamp, KeyFile, unix_seconds};
use super::limits::UsageTable;
use crate::error::Error;

/// Interval between two looks at the key file.
const RELOAD_INTERVAL: Duration = Duration::from_secs(1);
/// Longest key `cpl_ID_SECRET`. Longer texts are refused before anything is computed of them.
const MAX_KEY_BYTES: usize = 256;

/// Reason why a caller is not admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// No key, or an unknown one.
    Unknown,
    /// Too many requests; the next one is admitted after this time.
    RateLimited(Duration),
}

/// Keys of a running server. A changed file is read again within a second.
#[derive(Debug)]
pub struct KeyRing {
    file: Option<KeyFile>,
    tokens: Option<Arc<TokenVerifier>>,
    usage: Arc<UsageTable>,
    state: Mutex<RingState>,
}

#[derive(Debug, Default)]
struct RingState {
    keys: BTreeMap<String, Arc<ApiKey>>,
    stamp: Option<FileStamp>,
    looked: Option<Instant>,
}

impl KeyRing {
    fn new(file: Option<KeyFile>, state: RingState) -> Self {
        Self { file, tokens: None, usage: Arc::new(UsageTable::alone()), state: Mutex::new(state) }
    }

    /// No keys: everybody may do everything.
    pub fn open() -> Self {
        Self::new(None, RingState::default())
    }

    /// Keys of a file; if it has none, everybody may do everything.
    ///
    /// # Errors
    /// [`Error::Keys`].
    pub fn from_file(file: KeyFile) -> Result<Self, Error> {
        let mut state =
            RingState { stamp: file.stamp(), looked: Some(Instant::now()), ..RingState::default() };
        state.keys = by_id(file.read()?);
        Ok(Self::new(Some(file), state))
    }

    /// Accepts the tokens of an identity provider too; callers without key or token are then refused.
    pub fn set_tokens(&mut self, tokens: Arc<TokenVerifier>) {
        self.tokens = Some(tokens);
    }

    /// Counts the use of keys together with other servers; returns the table that is exchanged with them. `replicas` servers
    /// divide the limits until the store has answered.
    pub(super) fn share_usage(&mut self, replicas: u32) -> Arc<UsageTable> {
        self.usage = Arc::new(UsageTable::shared(replicas));
        Arc::clone(&self.usage)
    }

    /// `true` if there are neither keys nor an identity provider.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_none() && self.state().keys.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, RingState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Identifies the holder of a key or token, and counts the request.
    ///
    /// # Errors
    /// An unknown key, or one that exceeds its limits.
    pub fn admit(&self, token: Option<&str>) -> Result<Caller, Denial> {
        if let (Some(tokens), Some(token)) = (&self.tokens, token)
            && !token.starts_with("cpl_")
        {
            let key = tokens.verify(token).ok_or(Denial::Unknown)?;
            self.usage.admit(&key).map_err(Denial::RateLimited)?;
            return Ok(Caller::Key(key));
        }
        let mut state = self.state();
        self.reload(&mut state);
        if state.keys.is_empty() && self.tokens.is_none() {
            return Ok(Caller::Anonymous);
        }
        let token = token.filter(|token| token.len() <= MAX_KEY_BYTES);
        let parts = token.and_then(|token| token.strip_prefix("cpl_")?.split_once('_'));
        let (id, secret) = parts.ok_or(Denial::Unknown)?;
        let key =
            state.keys.get(id).filter(|key| key.matches(secret, unix_seconds())).ok_or(Denial::Unknown)?;
        self.usage.admit(key).map_err(Denial::RateLimited)?;
        Ok(Caller::Key(Arc::clone(key)))
    }

    fn reload(&self, state: &mut RingState) {
        let Some(file) = &self.file else { return };
        if state.looked.is_some_and(|looked| looked.elapsed() < RELOAD_INTERVAL) {
            return;
        }
        state.looked = Some(Instant::now());
        let stamp = file.stamp();
        if stamp == state.stamp {
            return;
        }
        // An unreadable file leaves the keys as they were: nobody gains access by damaging it.
        match file.read() {
            Ok(keys) if keys.is_empty() && !state.keys.is_empty() => {
                tracing::warn!("the last key was revoked; restart the server to open it to everybody");
                state.keys.values_mut().for_each(|key| Arc::make_mut(key).expires = Some(0));
                state.stamp = stamp;
            }
            Ok(keys) => {
                state.keys = by_id(keys);
                state.stamp = stamp;
            }
            Err(error) => tracing::error!(%error, "failed to reload the keys; the previous ones stay valid"),
        }
    }
}

fn by_id(keys: Vec<ApiKey>) -> BTreeMap<String, Arc<ApiKey>> {
    keys.into_iter().map(|key| (key.id.clone(), Arc::new(key))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{NewKey, Scope};

    fn new_key(scopes: &[&str]) -> NewKey {
        NewKey {
            name: "t".into(),
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
            ..NewKey::default()
        }
    }

    #[test]
    fn a_key_grants_its_scopes_only() {
        let home = tempfile::tempdir().unwrap();
        let file = KeyFile::new(home.path());
        assert!(KeyRing::from_file(file.clone()).unwrap().admit(None).unwrap().has(Scope::Admin, ""));
        let (key, token) = file.add(&new_key(&["predict:m", "rows"])).unwrap();
        let stored = std::fs::read_to_string(home.path().join("keys.json")).unwrap();
        assert!(!stored.contains(token.rsplit('_').next().unwrap()), "the secret is not stored");
        let keys = KeyRing::from_file(file.clone()).unwrap();
        let caller = keys.admit(Some(&token)).unwrap();
        assert!(
            caller.has(Scope::Predict, "m") && caller.has(Scope::Rows, "any") && caller.has(Scope::Rows, "")
        );
        assert!(
            !caller.has(Scope::Predict, "other")
                && !caller.has(Scope::Predict, "")
                && !caller.has(Scope::Admin, "")
        );
        let long = format!("cpl_{}_{}", key.id, "a".repeat(1 << 20));
        for wrong in
            [None, Some(""), Some("cpl_"), Some(&token[..token.len() - 1]), Some("cpl_x_y"), Some(&long)]
        {
            assert_eq!(keys.admit(wrong).unwrap_err(), Denial::Unknown, "{wrong:?}");
        }
        let (_, new) = file.rotate(&key.id, Duration::from_mins(1)).unwrap();
        let keys = KeyRing::from_file(file.clone()).unwrap();
        assert!(keys.admit(Some(&token)).is_ok() && keys.admit(Some(&new)).is_ok());
        file.rotate(&key.id, Duration::ZERO).unwrap();
        let keys = KeyRing::from_file(file.clone()).unwrap();
        assert_eq!(keys.admit(Some(&new)).unwrap_err(), Denial::Unknown);
        assert!(
            file.add(&new_key(&["predicts"])).unwrap_err().to_string().contains("did you mean `predict`")
        );
        assert!(file.revoke("none").is_err());
    }

    #[test]
    fn rate_and_quota_limit_a_key() {
        let home = tempfile::tempdir().unwrap();
        let file = KeyFile::new(home.path());
        let (_, slow) = file.add(&NewKey { rate: Some(2.0), ..new_key(&["predict"]) }).unwrap();
        let (_, few) = file.add(&NewKey { quota: Some(3), ..new_key(&["predict"]) }).unwrap();
        let keys = KeyRing::from_file(file).unwrap();
        let tried = |token: &str| (0..5).filter(|_| keys.admit(Some(token)).is_ok()).count();
        assert_eq!((tried(&slow), tried(&few)), (2, 3));
        let Err(Denial::RateLimited(wait)) = keys.admit(Some(&slow)) else { panic!() };
        assert!(wait <= Duration::from_millis(500), "{wait:?}");
    }
}
