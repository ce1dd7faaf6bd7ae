//! Keys of a running server, with their rate limits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::caller::Caller;
use super::jwt::TokenVerifier;
use super::key_file::{ApiKey, FileStamp, KeyFile, unix_seconds};
use crate::error::Error;

/// Interval between two looks at the key file.
const RELOAD_INTERVAL: Duration = Duration::from_secs(1);
const SECONDS_PER_DAY: u64 = 86_400;
/// Longest key `cpl_ID_SECRET`. Longer texts are refused before anything is computed of them.
const MAX_KEY_BYTES: usize = 256;
/// Subjects of tokens whose use is counted at once. Beyond that, those are forgotten whose limits are untouched.
const MAX_COUNTED: usize = 65_536;
/// Time without a request after which the tokens of any ordinary rate are full again.
const FULL_AGAIN: Duration = Duration::from_mins(1);

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
    state: Mutex<RingState>,
}

#[derive(Debug, Default)]
struct RingState {
    keys: BTreeMap<String, Arc<ApiKey>>,
    usage: BTreeMap<String, Usage>,
    stamp: Option<FileStamp>,
    looked: Option<Instant>,
}

/// Token bucket and daily count of a key.
#[derive(Debug)]
struct Usage {
    tokens: f64,
    refilled: Instant,
    day: u64,
    count: u64,
    /// `true` if the key has a daily quota.
    limited_by_day: bool,
}

impl Usage {
    /// `true` unless forgetting it changes nothing: its tokens are full again, and nothing was counted today.
    fn is_counted(&self) -> bool {
        let today = unix_seconds() / SECONDS_PER_DAY;
        self.refilled.elapsed() < FULL_AGAIN || (self.limited_by_day && self.day == today)
    }
}

impl KeyRing {
    /// No keys: everybody may do everything.
    pub fn open() -> Self {
        Self { file: None, tokens: None, state: Mutex::default() }
    }

    /// Keys of a file; if it has none, everybody may do everything.
    ///
    /// # Errors
    /// [`Error::Keys`].
    pub fn from_file(file: KeyFile) -> Result<Self, Error> {
        let mut state =
            RingState { stamp: file.stamp(), looked: Some(Instant::now()), ..RingState::default() };
        state.keys = by_id(file.read()?);
        Ok(Self { file: Some(file), tokens: None, state: Mutex::new(state) })
    }

    /// Accepts the tokens of an identity provider too; callers without key or token are then refused.
    pub fn set_tokens(&mut self, tokens: Arc<TokenVerifier>) {
        self.tokens = Some(tokens);
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
            limit(&key, &mut self.state().usage)?;
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
        let RingState { keys, usage, .. } = &mut *state;
        let key = keys.get(id).filter(|key| key.matches(secret, unix_seconds())).ok_or(Denial::Unknown)?;
        limit(key, usage)?;
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

/// Applies a token bucket of `rate` tokens that refills within a second, and the daily quota.
fn limit(key: &ApiKey, usage: &mut BTreeMap<String, Usage>) -> Result<(), Denial> {
    if key.rate.is_none() && key.quota.is_none() {
        return Ok(());
    }
    if usage.len() >= MAX_COUNTED {
        usage.retain(|_, used| used.is_counted());
    }
    let (today, burst) = (unix_seconds() / SECONDS_PER_DAY, key.rate.unwrap_or(f64::INFINITY).max(1.0));
    let used = usage.entry(key.id.clone()).or_insert_with(|| Usage {
        tokens: burst,
        refilled: Instant::now(),
        day: today,
        count: 0,
        limited_by_day: key.quota.is_some(),
    });
    if used.day != today {
        (used.day, used.count) = (today, 0);
    }
    if key.quota.is_some_and(|quota| used.count >= quota) {
        let left = SECONDS_PER_DAY - unix_seconds() % SECONDS_PER_DAY;
        return Err(Denial::RateLimited(Duration::from_secs(left)));
    }
    if let Some(rate) = key.rate {
        used.tokens = (used.tokens + used.refilled.elapsed().as_secs_f64() * rate).min(burst);
        used.refilled = Instant::now();
        if used.tokens < 1.0 {
            // A rate of zero, from a file that was edited by hand, never refills.
            let day = Duration::from_secs(SECONDS_PER_DAY);
            let wait = Duration::try_from_secs_f64((1.0 - used.tokens) / rate);
            return Err(Denial::RateLimited(wait.map_or(day, |wait| wait.min(day))));
        }
        used.tokens -= 1.0;
    }
    used.count += 1;
    Ok(())
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
