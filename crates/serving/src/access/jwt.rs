//! Tokens of an identity provider (JWT, RFC 7519): the scopes claim grants scopes.
//!
//! The provider's public keys are read at start, every few minutes, and when a token names an unknown key
//! (`OpenID` Connect Discovery 1.0, section 4; RFC 7517).

mod fetch;
mod key_set;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use cupola_registry::sha256_hex;
use cupola_spec::Jwt;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Notify;

use self::key_set::KeySet;
use super::key_file::{ApiKey, unix_seconds};
use super::scope::SCOPES;
use crate::error::Error;

/// Longest token in bytes. Longer ones are refused before anything is computed of them.
const MAX_TOKEN_BYTES: usize = 16 << 10;
/// Interval between two reads of the provider's keys.
const REFRESH_INTERVAL: Duration = Duration::from_mins(5);
/// Minimum interval, however many tokens name unknown keys.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(10);
/// Tolerated clock difference in seconds.
const LEEWAY: u64 = 30;
/// Cached valid tokens.
const CACHE_SIZE: usize = 4_096;

/// Verifies the tokens of an identity provider.
#[derive(Debug)]
pub struct TokenVerifier {
    spec: Jwt,
    client: reqwest::Client,
    keys: RwLock<Arc<KeySet>>,
    /// Valid tokens by digest with their expiry, so that each signature is verified once.
    cache: Mutex<HashMap<String, (Arc<ApiKey>, u64)>>,
    unknown_key: Notify,
}

/// Claims of a token. A claim that it has twice is an error.
#[derive(Deserialize)]
struct Claims {
    /// A single text: RFC 7519, section 4.1.1, knows no list of issuers.
    iss: String,
    /// Seconds since 1970, possibly with a fraction.
    exp: f64,
    #[serde(default)]
    iat: Option<f64>,
    #[serde(default)]
    sub: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl TokenVerifier {
    /// Reads the provider's keys.
    ///
    /// # Errors
    /// [`Error::Jwt`].
    pub async fn open(spec: Jwt) -> Result<Self, Error> {
        let client = fetch::client(&spec.issuer)?;
        let this = Self {
            keys: RwLock::default(),
            cache: Mutex::default(),
            unknown_key: Notify::new(),
            spec,
            client,
        };
        this.refresh().await?;
        Ok(this)
    }

    /// Reads the keys periodically; does not return.
    pub async fn keep_fresh(self: Arc<Self>) {
        loop {
            let _ = tokio::time::timeout(REFRESH_INTERVAL, self.unknown_key.notified()).await;
            if let Err(error) = self.refresh().await {
                tracing::error!(%error, "failed to refresh the provider's keys; the previous ones stay valid");
            }
            tokio::time::sleep(MIN_REFRESH_INTERVAL).await;
        }
    }

    async fn refresh(&self) -> Result<(), Error> {
        let (from, bytes) = fetch::key_set(&self.client, &self.spec).await?;
        let keys = KeySet::parse(&from, &bytes)?;
        if self.keys().digest == keys.digest {
            return Ok(());
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        // The tokens of a withdrawn key must not stay valid.
        self.cache().clear();
        Ok(())
    }

    fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Scopes and limits of the token's subject; `None` if the token is invalid.
    pub fn verify(&self, token: &str) -> Option<Arc<ApiKey>> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let digest = sha256_hex(token.as_bytes());
        if let Some((key, until)) = self.cache().get(&digest)
            && unix_seconds() < *until
        {
            return Some(Arc::clone(key));
        }
        let keys = self.keys();
        let (key, until) = self.decode(token, &keys)?;
        let key = Arc::new(key);
        let mut cache = self.cache();
        if cache.len() >= CACHE_SIZE {
            cache.clear();
        }
        // Keys that were replaced meanwhile must not be outlived by their tokens.
        if Arc::ptr_eq(&keys, &self.keys()) {
            cache.insert(digest, (Arc::clone(&key), until));
        }
        Some(key)
    }

    fn cache(&self) -> MutexGuard<'_, HashMap<String, (Arc<ApiKey>, u64)>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Verifies signature and claims; returns the subject's key and the time until which it may be cached.
    fn decode(&self, token: &str, keys: &KeySet) -> Option<(ApiKey, u64)> {
        let header = decode_header(token).ok()?;
        // No extension is understood here, so none can be critical (RFC 7515, section 4.1.11).
        if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
            return None;
        }
        let id = header.kid.as_deref();
        if !keys.knows(id) {
            self.unknown_key.notify_one();
            return None;
        }
        let candidates = keys.candidates(id, header.alg);
        let claims = candidates.iter().find_map(|key| self.claims(token, header.alg, key))?;
        let now = unix_seconds() as f64;
        let issued_later = claims.iat.is_some_and(|issued| issued > now + LEEWAY as f64);
        if claims.iss != self.spec.issuer || issued_later {
            return None;
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "validated; the cast saturates"
        )]
        let expires = claims.exp as u64;
        let subject = claims.sub.clone().unwrap_or_else(|| "-".to_owned());
        let key = ApiKey {
            id: format!("jwt:{subject}"),
            scopes: scopes(claims.others.get(&self.spec.scopes)),
            name: subject,
            sha256: String::new(),
            before: None,
            rate: self.spec.rate,
            quota: None,
            expires: Some(expires),
        };
        Some((key, expires.saturating_add(LEEWAY)))
    }

    /// Claims of a token that this key has signed, if they are valid now and for this server.
    fn claims(&self, token: &str, algorithm: Algorithm, key: &DecodingKey) -> Option<Claims> {
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.spec.issuer]);
        validation.set_audience(&[&self.spec.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        decode::<Claims>(token, key, &validation).ok().map(|token| token.claims)
    }
}

/// Scopes of a claim, which is a text of words or a list; words that are no scopes here are left out.
fn scopes(claim: Option<&Value>) -> Vec<String> {
    let words: Vec<&str> = match claim {
        Some(Value::String(text)) => text.split_whitespace().collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let known = |word: &&str| SCOPES.contains(&word.split(':').next().unwrap_or_default());
    words.into_iter().filter(known).map(str::to_owned).collect()
}

fn failed(from: &str, why: &dyn std::fmt::Display) -> Error {
    Error::Jwt { from: from.to_owned(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys and tokens made by `PyJWT`.
    const GOLDEN: &str = include_str!("golden/jwt.json");

    async fn tokens(golden: &Value) -> TokenVerifier {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), golden["jwks"].to_string()).unwrap();
        let spec = Jwt {
            issuer: "https://id.example".into(),
            audience: "cupola".into(),
            jwks: Some(file.path().to_string_lossy().into_owned()),
            scopes: "scope".into(),
            rate: None,
        };
        TokenVerifier::open(spec).await.unwrap()
    }

    #[tokio::test]
    async fn tokens_are_accepted_as_pyjwt_accepts_them() {
        let golden: Value = serde_json::from_str(GOLDEN).unwrap();
        let tokens = tokens(&golden).await;
        for (name, token) in golden["good"].as_object().unwrap() {
            let key = tokens.verify(token.as_str().unwrap());
            let key = key.unwrap_or_else(|| panic!("{name} is valid"));
            assert_eq!(
                (key.id.as_str(), key.scopes.as_slice()),
                ("jwt:ada", &["predict:blobs".to_owned()][..])
            );
            assert!(Arc::ptr_eq(&key, &tokens.verify(token.as_str().unwrap()).unwrap()), "cached");
        }
        for (name, token) in golden["bad"].as_object().unwrap() {
            assert!(tokens.verify(token.as_str().unwrap()).is_none(), "{name} is invalid");
        }
        let good = golden["good"]["RS256"].as_str().unwrap();
        for at in (0..good.len()).step_by(7) {
            let mut changed = good.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            // The last character of a signature may have padding bits that are ignored.
            assert!(at + 1 == good.len() || tokens.verify(&changed).is_none(), "changed at {at}");
        }
        for text in ["", ".", "..", "a.b.c", "....", "\u{fffd}.x.y"] {
            assert!(tokens.verify(text).is_none());
        }
        // A token in front of which anything is put, and one that is too long to be looked at.
        for text in [format!("x.{good}"), format!("{good}.x"), format!("{good}{}", "A".repeat(20_000))] {
            assert!(tokens.verify(&text).is_none());
        }
    }

    #[tokio::test]
    async fn hostile_tokens_are_refused() {
        let golden: Value = serde_json::from_str(GOLDEN).unwrap();
        let tokens = tokens(&golden).await;
        let good = golden["good"]["RS256"].as_str().unwrap();
        cupola_testkit::fuzz(&[good.as_bytes()], |bytes| {
            if let Ok(text) = std::str::from_utf8(bytes)
                && text != good
            {
                // Padding bits at the end of the signature are no part of it.
                let same = text.len() == good.len() && text[..text.len() - 1] == good[..good.len() - 1];
                assert!(same || tokens.verify(text).is_none(), "{text}");
            }
        });
    }
}
