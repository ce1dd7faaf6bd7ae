//! Tokens of an identity provider (JWT, RFC 7519): the scopes claim grants scopes.
//!
//! The provider's public keys are read at start, every few minutes, and when a token names an unknown key
//! (`OpenID` Connect Discovery 1.0, section 4; RFC 7517).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use cupola_registry::sha256_hex;
use cupola_spec::Jwt;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Notify;

use super::key_file::{ApiKey, unix_seconds};
use super::scope::SCOPES;
use crate::error::Error;

/// Accepted signature algorithms, all of them asymmetric. With a shared secret this server could issue tokens,
/// and so could anybody who makes it take a public key for one.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// Interval between two reads of the provider's keys.
const REFRESH_INTERVAL: Duration = Duration::from_mins(5);
/// Minimum interval, however many tokens name unknown keys.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest key set, in bytes.
const MAX_KEY_SET_BYTES: usize = 1 << 20;
/// Tolerated clock difference in seconds.
const LEEWAY: u64 = 30;
/// Cached valid tokens.
const CACHE_SIZE: usize = 4_096;

/// Verifies the tokens of an identity provider.
#[derive(Debug)]
pub struct TokenVerifier {
    spec: Jwt,
    client: reqwest::Client,
    keys: RwLock<JwkSet>,
    /// Valid tokens by digest with their expiry, so that each signature is verified once.
    cache: Mutex<HashMap<String, (Arc<ApiKey>, u64)>>,
    unknown_key: Notify,
}

#[derive(Deserialize)]
struct Claims {
    /// Seconds since 1970, possibly with a fraction.
    exp: f64,
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
        let client = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).build();
        let client = client.map_err(|error| failed(&spec.issuer, &error))?;
        let this = Self {
            keys: RwLock::new(JwkSet { keys: Vec::new() }),
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
        let (from, bytes) = match &self.spec.jwks {
            Some(url) if url.starts_with("http") => (url.clone(), self.get(url).await?),
            Some(path) => {
                let bytes = tokio::fs::read(path).await.map_err(|error| failed(path, &error))?;
                (path.clone(), bytes)
            }
            None => self.discover().await?,
        };
        let set: Value = serde_json::from_slice(&bytes).map_err(|error| failed(&from, &error))?;
        let keys = set["keys"].as_array().ok_or_else(|| failed(&from, &"expected a JWK set"))?;
        // A set may have keys of kinds that are unknown here; they are for others.
        let keys: Vec<Jwk> = keys.iter().filter_map(|key| serde_json::from_value(key.clone()).ok()).collect();
        if keys.is_empty() {
            return Err(failed(&from, &"the JWK set has no key of a supported kind"));
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = JwkSet { keys };
        // The tokens of a withdrawn key must not stay valid.
        self.cache().clear();
        Ok(())
    }

    /// Reads the key set that the issuer's discovery document names.
    async fn discover(&self) -> Result<(String, Vec<u8>), Error> {
        let document = format!("{}/.well-known/openid-configuration", self.spec.issuer.trim_end_matches('/'));
        let value: Value =
            serde_json::from_slice(&self.get(&document).await?).map_err(|error| failed(&document, &error))?;
        let url = value["jwks_uri"].as_str().ok_or_else(|| failed(&document, &"`jwks_uri` is missing"))?;
        Ok((url.to_owned(), self.get(url).await?))
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, Error> {
        let error = |error: reqwest::Error| failed(url, &error);
        let mut response =
            self.client.get(url).send().await.map_err(error)?.error_for_status().map_err(error)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(error)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_KEY_SET_BYTES {
                return Err(failed(url, &"the response is larger than 1 MiB"));
            }
        }
        Ok(bytes)
    }

    /// Scopes and limits of the token's subject; `None` if the token is invalid.
    pub fn verify(&self, token: &str) -> Option<Arc<ApiKey>> {
        let digest = sha256_hex(token.as_bytes());
        if let Some((key, until)) = self.cache().get(&digest)
            && unix_seconds() < *until
        {
            return Some(Arc::clone(key));
        }
        let (key, until) = self.decode(token)?;
        let key = Arc::new(key);
        let mut cache = self.cache();
        if cache.len() >= CACHE_SIZE {
            cache.clear();
        }
        cache.insert(digest, (Arc::clone(&key), until));
        Some(key)
    }

    fn cache(&self) -> MutexGuard<'_, HashMap<String, (Arc<ApiKey>, u64)>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Verifies signature and claims; returns the subject's key and the time until which it may be cached.
    fn decode(&self, token: &str) -> Option<(ApiKey, u64)> {
        let header = decode_header(token).ok().filter(|header| ALGORITHMS.contains(&header.alg))?;
        let Some(jwk) = self.key(header.kid.as_deref()) else {
            self.unknown_key.notify_one();
            return None;
        };
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.spec.issuer]);
        validation.set_audience(&[&self.spec.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        let claims = decode::<Claims>(token, &key, &validation).ok()?.claims;
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

    /// Key with this id. A token without a key id matches the only key of a set.
    fn key(&self, id: Option<&str>) -> Option<Jwk> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        match (id, keys.keys.as_slice()) {
            (Some(id), _) => keys.find(id).cloned(),
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
        }
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
    }
}
